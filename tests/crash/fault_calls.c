#include "tests/crash/fault_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "tests/crash/fault_process.h"

#define BIT(fault) (1u << FAULT_##fault)

enum {
    KILLS = BIT(KILL_BEFORE) | BIT(KILL_AFTER) | BIT(KILL_ALL_BEFORE) | BIT(KILL_ALL_AFTER),
    FULL = BIT(ENOSPC) | BIT(EDQUOT),
    SHORT = BIT(HALF) | BIT(ONE),
    VECTOR_MAX = 64,
};

static struct {
    char const *name;
    int number;
} const faults[FAULT_COUNT] = {
    [FAULT_KILL_BEFORE] = {"kill-before", 0},
    [FAULT_KILL_AFTER] = {"kill-after", 0},
    [FAULT_KILL_ALL_BEFORE] = {"kill-all-before", 0},
    [FAULT_KILL_ALL_AFTER] = {"kill-all-after", 0},
    [FAULT_EIO] = {"EIO", EIO},
    [FAULT_ENOSPC] = {"ENOSPC", ENOSPC},
    [FAULT_EDQUOT] = {"EDQUOT", EDQUOT},
    [FAULT_EINTR] = {"EINTR", EINTR},
    [FAULT_EAGAIN] = {"EAGAIN", EAGAIN},
    [FAULT_EMFILE] = {"EMFILE", EMFILE},
    [FAULT_ENOMEM] = {"ENOMEM", ENOMEM},
    [FAULT_HALF] = {"short-half", 0},
    [FAULT_ONE] = {"short-one", 0},
};

/* How a call's faults depend on its arguments, beyond the errors that it always can have. */
enum rule {
    PLAIN,
    READS,  /* argument 2 is the length */
    WRITES, /* the same */
    READS_VECTOR,
    WRITES_VECTOR,
    RECEIVES, /* the length is in a struct msghdr */
    SENDS,
    OPENS, /* argument 2 are the flags */
    LOCKS,
    CONTROLS, /* fcntl */
    WAITS,    /* EAGAIN only without waiting */
    REAPS,    /* EINTR only with waiting; argument 2 are the flags */
    CLOSES,
    GROWS, /* brk */
    ENDS,  /* does not return */
};

/* Which argument says what it is about: a descriptor, or a path. */
enum object { NOTHING, FD0, PATH0, PATH1, PATH3 };

struct entry {
    long number;
    char const *name;
    enum rule rule;
    enum object object;
    unsigned int errors;
};

#define CALL(name, ...)                                                                            \
    {                                                                                              \
        SYS_##name, #name, __VA_ARGS__                                                             \
    }

static struct entry const entries[] = {
    CALL(read, READS, FD0, BIT(EINTR)),
    CALL(pread64, READS, FD0, BIT(EINTR)),
    CALL(recvfrom, READS, FD0, BIT(EINTR)),
    CALL(readv, READS_VECTOR, FD0, BIT(EINTR)),
    CALL(preadv, READS_VECTOR, FD0, BIT(EINTR)),
    CALL(recvmsg, RECEIVES, FD0, BIT(EINTR)),
    CALL(write, WRITES, FD0, BIT(EINTR)),
    CALL(pwrite64, WRITES, FD0, BIT(EINTR)),
    CALL(sendto, WRITES, FD0, BIT(EINTR)),
    CALL(writev, WRITES_VECTOR, FD0, BIT(EINTR)),
    CALL(pwritev, WRITES_VECTOR, FD0, BIT(EINTR)),
    CALL(sendmsg, SENDS, FD0, BIT(EINTR)),
    CALL(copy_file_range, PLAIN, FD0, BIT(EIO) | FULL | BIT(ENOMEM)),
    CALL(sendfile, PLAIN, FD0, BIT(EIO) | BIT(ENOMEM)),
    CALL(close, CLOSES, FD0, BIT(EIO) | FULL | BIT(EINTR)),
    CALL(fsync, PLAIN, FD0, BIT(EIO) | FULL | BIT(EINTR)),
    CALL(fdatasync, PLAIN, FD0, BIT(EIO) | FULL | BIT(EINTR)),
    CALL(sync_file_range, PLAIN, FD0, BIT(EIO) | BIT(ENOSPC) | BIT(ENOMEM)),
    CALL(syncfs, PLAIN, FD0, BIT(EIO) | FULL),
    CALL(ftruncate, PLAIN, FD0, BIT(EIO) | BIT(EINTR)),
    CALL(fallocate, PLAIN, FD0, BIT(EIO) | FULL | BIT(EINTR)),
    CALL(flock, LOCKS, FD0, BIT(ENOMEM)),
    CALL(fcntl, CONTROLS, FD0, 0),
    CALL(openat, OPENS, PATH1, BIT(EMFILE) | BIT(ENOMEM) | BIT(EIO)),
    CALL(renameat, PLAIN, PATH1, BIT(EIO) | FULL | BIT(ENOMEM)),
    CALL(renameat2, PLAIN, PATH1, BIT(EIO) | FULL | BIT(ENOMEM)),
    CALL(linkat, PLAIN, PATH3, BIT(EIO) | FULL | BIT(ENOMEM)),
    CALL(symlinkat, PLAIN, PATH0, BIT(EIO) | FULL | BIT(ENOMEM)),
    CALL(unlinkat, PLAIN, PATH1, BIT(EIO) | BIT(ENOMEM)),
    CALL(mkdirat, PLAIN, PATH1, BIT(EIO) | FULL | BIT(ENOMEM)),
    CALL(mknodat, PLAIN, PATH1, BIT(EIO) | FULL | BIT(ENOMEM)),
    CALL(fchmod, PLAIN, FD0, BIT(EIO)),
    CALL(fchmodat, PLAIN, PATH1, BIT(EIO) | BIT(ENOMEM)),
    CALL(fchown, PLAIN, FD0, BIT(EIO) | FULL),
    CALL(fchownat, PLAIN, PATH1, BIT(EIO) | FULL | BIT(ENOMEM)),
    CALL(newfstatat, PLAIN, PATH1, BIT(EIO) | BIT(ENOMEM)),
    CALL(fstat, PLAIN, FD0, BIT(ENOMEM)),
    CALL(statx, PLAIN, PATH1, BIT(EIO) | BIT(ENOMEM)),
    CALL(fstatfs, PLAIN, FD0, BIT(EIO) | BIT(EINTR) | BIT(ENOMEM)),
    CALL(faccessat, PLAIN, PATH1, BIT(EIO) | BIT(ENOMEM)),
    CALL(faccessat2, PLAIN, PATH1, BIT(EIO) | BIT(ENOMEM)),
    CALL(readlinkat, PLAIN, PATH1, BIT(EIO) | BIT(ENOMEM)),
    CALL(getdents64, PLAIN, FD0, BIT(EIO)),
    CALL(chdir, PLAIN, PATH0, BIT(EIO) | BIT(ENOMEM)),
    CALL(fchdir, PLAIN, FD0, 0),
    CALL(chroot, PLAIN, PATH0, BIT(EIO) | BIT(ENOMEM)),
    CALL(getcwd, PLAIN, NOTHING, BIT(ENOMEM)),
    CALL(lseek, PLAIN, FD0, 0),
    CALL(pipe2, PLAIN, NOTHING, BIT(EMFILE) | BIT(ENOMEM)),
    CALL(socket, PLAIN, NOTHING, BIT(EMFILE) | BIT(ENOMEM)),
    CALL(socketpair, PLAIN, NOTHING, BIT(EMFILE) | BIT(ENOMEM)),
    CALL(accept, WAITS, FD0, BIT(EMFILE) | BIT(ENOMEM) | BIT(EINTR)),
    CALL(accept4, WAITS, FD0, BIT(EMFILE) | BIT(ENOMEM) | BIT(EINTR)),
    CALL(connect, PLAIN, FD0, BIT(EINTR) | BIT(EAGAIN)),
    CALL(bind, PLAIN, FD0, BIT(ENOMEM)),
    CALL(listen, PLAIN, FD0, 0),
    CALL(shutdown, PLAIN, FD0, 0),
    CALL(setsockopt, PLAIN, FD0, BIT(ENOMEM)),
    CALL(getsockopt, PLAIN, FD0, 0),
    CALL(getsockname, PLAIN, FD0, 0),
    CALL(getpeername, PLAIN, FD0, 0),
    CALL(dup, PLAIN, FD0, BIT(EMFILE)),
    CALL(dup3, PLAIN, FD0, BIT(EMFILE) | BIT(EINTR)),
    CALL(epoll_create1, PLAIN, NOTHING, BIT(EMFILE) | BIT(ENOMEM)),
    CALL(epoll_ctl, PLAIN, NOTHING, BIT(ENOMEM) | BIT(ENOSPC)),
    CALL(epoll_pwait, PLAIN, NOTHING, BIT(EINTR)),
    CALL(ppoll, PLAIN, NOTHING, BIT(EINTR) | BIT(ENOMEM)),
    CALL(inotify_init1, PLAIN, NOTHING, BIT(EMFILE) | BIT(ENOMEM)),
    CALL(inotify_add_watch, PLAIN, NOTHING, BIT(ENOMEM) | BIT(ENOSPC)),
    CALL(signalfd4, PLAIN, NOTHING, BIT(EMFILE) | BIT(ENOMEM)),
    CALL(memfd_create, PLAIN, NOTHING, BIT(EMFILE) | BIT(ENOMEM)),
    CALL(eventfd2, PLAIN, NOTHING, BIT(EMFILE) | BIT(ENOMEM)),
    CALL(clone, PLAIN, NOTHING, BIT(EAGAIN) | BIT(ENOMEM)),
    CALL(clone3, PLAIN, NOTHING, BIT(EAGAIN) | BIT(ENOMEM)),
    CALL(execve, PLAIN, PATH0, BIT(EIO) | BIT(ENOMEM) | BIT(EMFILE) | BIT(EAGAIN)),
    CALL(execveat, PLAIN, PATH1, BIT(EIO) | BIT(ENOMEM) | BIT(EMFILE) | BIT(EAGAIN)),
    CALL(wait4, REAPS, NOTHING, 0),
    CALL(waitid, PLAIN, NOTHING, 0),
    CALL(nanosleep, PLAIN, NOTHING, BIT(EINTR)),
    CALL(clock_nanosleep, PLAIN, NOTHING, BIT(EINTR)),
    CALL(getrandom, PLAIN, NOTHING, BIT(EINTR)),
    CALL(brk, GROWS, NOTHING, BIT(ENOMEM)),
    CALL(mmap, PLAIN, NOTHING, BIT(ENOMEM)),
    CALL(mremap, PLAIN, NOTHING, BIT(ENOMEM)),
    CALL(mprotect, PLAIN, NOTHING, BIT(ENOMEM)),
    CALL(munmap, PLAIN, NOTHING, BIT(ENOMEM)),
    CALL(madvise, PLAIN, NOTHING, BIT(ENOMEM)),
    CALL(setresuid, PLAIN, NOTHING, BIT(EAGAIN)),
    CALL(setgroups, PLAIN, NOTHING, BIT(ENOMEM)),
    CALL(setresgid, PLAIN, NOTHING, 0),
    CALL(prctl, PLAIN, NOTHING, 0),
    CALL(capset, PLAIN, NOTHING, 0),
    CALL(prlimit64, PLAIN, NOTHING, 0),
    CALL(kill, PLAIN, NOTHING, 0),
    CALL(umask, PLAIN, NOTHING, 0),
    CALL(rt_sigaction, PLAIN, NOTHING, 0),
    CALL(rt_sigprocmask, PLAIN, NOTHING, 0),
    CALL(landlock_create_ruleset, PLAIN, NOTHING, BIT(ENOMEM) | BIT(EMFILE)),
    CALL(landlock_add_rule, PLAIN, NOTHING, BIT(ENOMEM)),
    CALL(landlock_restrict_self, PLAIN, NOTHING, BIT(ENOMEM)),
    CALL(exit, ENDS, NOTHING, 0),
    CALL(exit_group, ENDS, NOTHING, 0),
    CALL(rt_sigreturn, ENDS, NOTHING, 0),
#ifdef SYS_open /* what newer machines have only in the forms above */
    CALL(rename, PLAIN, PATH0, BIT(EIO) | FULL | BIT(ENOMEM)),
    CALL(link, PLAIN, PATH0, BIT(EIO) | FULL | BIT(ENOMEM)),
    CALL(unlink, PLAIN, PATH0, BIT(EIO) | BIT(ENOMEM)),
    CALL(rmdir, PLAIN, PATH0, BIT(EIO) | BIT(ENOMEM)),
    CALL(mkdir, PLAIN, PATH0, BIT(EIO) | FULL | BIT(ENOMEM)),
    CALL(stat, PLAIN, PATH0, BIT(EIO) | BIT(ENOMEM)),
    CALL(lstat, PLAIN, PATH0, BIT(EIO) | BIT(ENOMEM)),
    CALL(access, PLAIN, PATH0, BIT(EIO) | BIT(ENOMEM)),
    CALL(readlink, PLAIN, PATH0, BIT(EIO) | BIT(ENOMEM)),
    CALL(chmod, PLAIN, PATH0, BIT(EIO) | BIT(ENOMEM)),
    CALL(dup2, PLAIN, FD0, BIT(EMFILE) | BIT(EINTR)),
    CALL(poll, PLAIN, NOTHING, BIT(EINTR) | BIT(ENOMEM)),
    CALL(epoll_wait, PLAIN, NOTHING, BIT(EINTR)),
    CALL(alarm, PLAIN, NOTHING, 0),
    CALL(pipe, PLAIN, NOTHING, BIT(EMFILE) | BIT(ENOMEM)),
#endif
};

char const *fault_name(enum fault fault)
{
    return faults[fault].name;
}

bool fault_find(char const *name, enum fault *fault)
{
    for (int i = 0; i < FAULT_COUNT; i++)
        if (!strcmp(name, faults[i].name)) {
            *fault = (enum fault)i;
            return true;
        }
    return false;
}

int fault_errno(enum fault fault)
{
    return faults[fault].number;
}

static uint64_t vector_length(pid_t process, uint64_t address, uint64_t count)
{
    struct iovec vector[VECTOR_MAX];
    uint64_t sum = 0;
    if (count > VECTOR_MAX || !fault_read(process, address, vector, count * sizeof *vector))
        return 0;
    for (uint64_t i = 0; i < count; i++)
        sum += vector[i].iov_len;
    return sum;
}

/* How many bytes CALL would transfer at most; also where that stands. */
static uint64_t transfer_length(struct fault_point *point, struct fault_call const *call,
                                enum rule rule)
{
    struct msghdr header;
    switch (rule) {
    case READS_VECTOR:
    case WRITES_VECTOR:
        point->length = FAULT_LENGTH_VECTOR;
        return vector_length(call->process, call->arguments[1], call->arguments[2]);
    case RECEIVES:
    case SENDS:
        point->length = FAULT_LENGTH_HEADER;
        if (!fault_read(call->process, call->arguments[1], &header, sizeof header))
            return 0;
        return vector_length(call->process, (uint64_t)(uintptr_t)header.msg_iov, header.msg_iovlen);
    default:
        point->length = FAULT_LENGTH_ARGUMENT;
        return call->arguments[2];
    }
}

/* MSG_DONTWAIT stands in the flags of what sends and receives. */
static bool never_waits(struct fault_call const *call)
{
    switch (call->number) {
    case SYS_recvfrom:
    case SYS_sendto:
        return call->arguments[3] & MSG_DONTWAIT;
    case SYS_recvmsg:
    case SYS_sendmsg:
        return call->arguments[2] & MSG_DONTWAIT;
    default:
        return false;
    }
}

static unsigned int look_at_transfer(struct fault_point *point, struct fault_call const *call,
                                     enum rule rule)
{
    bool const writes = rule == WRITES || rule == WRITES_VECTOR || rule == SENDS;
    int64_t const offset = call->number == SYS_pread64 ? (int64_t)call->arguments[3] : -1;
    struct fault_descriptor const about =
        fault_descriptor(call->process, (int)call->arguments[0], offset);
    uint64_t length = transfer_length(point, call, rule);
    unsigned int possible = 0;
    if (!writes && about.unread >= 0 && (uint64_t)about.unread < length)
        length = (uint64_t)about.unread;
    if ((about.may_wait || never_waits(call)) && about.kind != FAULT_FILE)
        possible |= BIT(EAGAIN);
    switch (about.kind) {
    case FAULT_FILE:
        possible |= BIT(EIO) | SHORT | (writes ? FULL : 0);
        break;
    case FAULT_STREAM:
        possible |= SHORT | BIT(ENOMEM);
        break;
    case FAULT_PACKET:
        possible |= BIT(ENOMEM);
        break;
    case FAULT_PIPE: /* what fits PIPE_BUF is written whole or not at all */
        possible |= !writes || length > PIPE_BUF ? SHORT : 0;
        break;
    default:
        break;
    }
    if (length < 2)
        possible &= ~(unsigned int)SHORT;
    point->half = length / 2;
    if (point->half < 2)
        possible &= ~BIT(HALF); /* that is FAULT_ONE */
    return possible;
}

static unsigned int look_at_control(struct fault_call const *call)
{
    switch (call->arguments[1]) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
        return BIT(EMFILE);
    case F_SETLK:
    case F_OFD_SETLK:
        return BIT(EAGAIN);
    case F_SETLKW:
    case F_OFD_SETLKW:
        return BIT(EINTR);
    default:
        return 0;
    }
}

static unsigned int look_at_rule(struct fault_point *point, struct fault_call const *call,
                                 enum rule rule)
{
    switch (rule) {
    case READS:
    case WRITES:
    case READS_VECTOR:
    case WRITES_VECTOR:
    case RECEIVES:
    case SENDS:
        return look_at_transfer(point, call, rule);
    case OPENS:
        return call->arguments[2] & O_CREAT ? FULL : 0;
    case LOCKS:
        if (call->arguments[1] == LOCK_UN)
            return 0;
        return call->arguments[1] & LOCK_NB ? BIT(EAGAIN) : BIT(EINTR);
    case CONTROLS:
        return look_at_control(call);
    case WAITS:
        return fault_descriptor(call->process, (int)call->arguments[0], -1).may_wait ? BIT(EAGAIN)
                                                                                     : 0;
    case REAPS:
        return call->arguments[2] & WNOHANG ? 0 : BIT(EINTR);
    case CLOSES:
        point->performed = true;
        return 0;
    case GROWS:
        point->keeps_result = true;
        return 0;
    default:
        return 0;
    }
}

static void name_object(struct fault_point *point, struct fault_call const *call,
                        enum object object)
{
    char *const name = point->object;
    size_t const size = sizeof point->object;
    switch (object) {
    case FD0:
        fault_name_descriptor(name, size, call->process, (int)call->arguments[0]);
        break;
    case PATH0:
        fault_name_path(name, size, call->process, call->arguments[0]);
        break;
    case PATH1:
        fault_name_path(name, size, call->process, call->arguments[1]);
        break;
    case PATH3:
        fault_name_path(name, size, call->process, call->arguments[3]);
        break;
    default:
        break;
    }
}

/* An error of what is no file is not a disk's. */
static unsigned int without_disk(struct fault_call const *call, unsigned int errors)
{
    enum fault_descriptor_kind const kind =
        fault_descriptor(call->process, (int)call->arguments[0], -1).kind;
    bool const on_disk = kind == FAULT_FILE || kind == FAULT_FOLDER;
    return on_disk ? errors : errors & ~(BIT(EIO) | FULL);
}

static struct entry const *find_entry(uint64_t number)
{
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++)
        if ((uint64_t)entries[i].number == number)
            return entries + i;
    return NULL;
}

void fault_look(struct fault_point *point, struct fault_call const *call, bool named)
{
    struct entry const *const entry = find_entry(call->number);
    *point = (struct fault_point){.possible = KILLS};
    if (call->number == SYS_close && (uint32_t)call->arguments[0] == FAULT_ALLOCATION) {
        point->possible = BIT(ENOMEM);
        snprintf(point->call, sizeof point->call, "malloc");
        snprintf(point->object, sizeof point->object, "%llx",
                 (unsigned long long)call->arguments[2]);
        return;
    }
    if (!entry) {
        snprintf(point->call, sizeof point->call, "call-%llu", (unsigned long long)call->number);
        return;
    }
    snprintf(point->call, sizeof point->call, "%s", entry->name);
    unsigned int errors = entry->errors | look_at_rule(point, call, entry->rule);
    if (entry->object == FD0 && entry->rule != ENDS && errors & (BIT(EIO) | FULL) &&
        point->length == FAULT_LENGTH_NONE)
        errors = without_disk(call, errors);
    point->possible |= errors;
    if (entry->rule == ENDS)
        point->possible &= ~(BIT(KILL_AFTER) | BIT(KILL_ALL_AFTER));
    if (named)
        name_object(point, call, entry->object);
}
