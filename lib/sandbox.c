#include "lib/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/log.h"

#if defined(__x86_64__)
#define SANDBOX_ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define SANDBOX_ARCHITECTURE AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define SANDBOX_ARCHITECTURE AUDIT_ARCH_RISCV64
#else
#error "name this machine's AUDIT_ARCH_ here; EKIDEN_SANDBOX=off is a choice at run time only"
#endif

#define CALLS_MAX        100
#define LEAF_SIZE        3 /* compare, allow, kill */
#define INSTRUCTIONS_MAX (4 + CALLS_MAX * (LEAF_SIZE + 1))

static void die(char const *what)
{
    log_failure("sandbox-failed", what, errno);
    _exit(111);
}

static bool is_off(void)
{
#ifdef EKIDEN_SANITIZE
    return true;
#else
    char const *const setting = getenv("EKIDEN_SANDBOX");
    return setting && !strcmp(setting, "off");
#endif
}

struct program {
    struct sock_filter instructions[INSTRUCTIONS_MAX];
    unsigned short length;
};

static void emit(struct program *program, unsigned short code, unsigned char yes, unsigned char no,
                 unsigned int value)
{
    program->instructions[program->length++] =
        (struct sock_filter){.code = code, .jt = yes, .jf = no, .k = value};
}

/* Emits the decision for the sorted CALLS: halves until one is left. The jump over the left half
 * fits its 8 bits because CALLS_MAX / 2 leaves and nodes are at most 200 instructions. */
static void emit_tree(struct program *program, int const *calls, size_t count)
{
    if (count == 1) {
        emit(program, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, (unsigned int)calls[0]);
        emit(program, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW);
        emit(program, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_KILL_PROCESS);
        return;
    }
    size_t const half = count / 2;
    unsigned short const node = program->length;
    emit(program, BPF_JMP | BPF_JGE | BPF_K, 0, 0, (unsigned int)calls[half]);
    emit_tree(program, calls, half);
    program->instructions[node].jt = (unsigned char)(program->length - node - 1);
    emit_tree(program, calls + half, count - half);
}

static int compare(void const *left, void const *right)
{
    int const a = *(int const *)left, b = *(int const *)right;
    return (a > b) - (a < b);
}

static void attach(struct program *program)
{
    struct sock_fprog const filter = {.len = program->length, .filter = program->instructions};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0) != 0)
        die("system call filter (EKIDEN_SANDBOX=off goes without, where the kernel has none)");
}

/* Where CALL is made and the lower half of its argument NUMBER is one of VALUES, what is in LISTED
 * becomes of it, otherwise what is in ELSEWHERE. Other calls go on. */
static void emit_argument(struct program *program, unsigned int call, unsigned int number,
                          unsigned int const values[4], unsigned int listed, unsigned int elsewhere)
{
    unsigned int const half = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 4 : 0;
    unsigned int const place =
        (unsigned int)(offsetof(struct seccomp_data, args) + 8 * number) + half;
    emit(program, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr));
    emit(program, BPF_JMP | BPF_JEQ | BPF_K, 0, 7, call);
    emit(program, BPF_LD | BPF_W | BPF_ABS, 0, 0, place);
    for (unsigned char i = 0; i < 4; i++)
        emit(program, BPF_JMP | BPF_JEQ | BPF_K, (unsigned char)(4 - i), 0, values[i]);
    emit(program, BPF_RET | BPF_K, 0, 0, elsewhere);
    emit(program, BPF_RET | BPF_K, 0, 0, listed);
}

void sandbox_keep_apart(void)
{
    unsigned int const self = (unsigned int)getpid(), allow = SECCOMP_RET_ALLOW,
                       end = SECCOMP_RET_KILL_PROCESS;
    struct program program = {.length = 0};
    if (is_off())
        return;
    emit_argument(&program, SYS_tgkill, 0, (unsigned int[4]){self, self, self, self}, allow, end);
    emit_argument(&program, SYS_socket, 0, (unsigned int[4]){AF_INET, AF_INET6, AF_INET, AF_INET6},
                  allow, end);
    /* A descriptor sends what signal it is told to whom it is told. */
    emit_argument(&program, SYS_fcntl, 1,
                  (unsigned int[4]){F_SETOWN, F_SETSIG, F_SETOWN_EX, F_SETOWN}, end, allow);
    emit(&program, BPF_RET | BPF_K, 0, 0, allow);
    attach(&program);
}

void sandbox_allow_calls(int const *calls, size_t count)
{
    int sorted[CALLS_MAX];
    struct program program = {.length = 0};
    if (is_off())
        return;
    if (count >= CALLS_MAX)
        die("number of system calls");
    /* glibc's qsort asks how much memory there is before it sorts more than a KiB. Here, because no
     * test of a program sees it while the tables are small. */
    sorted[0] = SYS_sysinfo;
    memcpy(sorted + 1, calls, count * sizeof *calls);
    count++;
    qsort(sorted, count, sizeof *sorted, compare);
    emit(&program, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, arch));
    emit(&program, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, SANDBOX_ARCHITECTURE);
    emit(&program, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_KILL_PROCESS);
    emit(&program, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr));
    emit_tree(&program, sorted, count);
    attach(&program);
}

#define ACCESS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define ACCESS_WRITE                                                                               \
    (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG |                                 \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | ACCESS_REFER | ACCESS_TRUNCATE)
#define ACCESS_MAKE_DIRECTORY (LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_REMOVE_DIR)
#define ACCESS_MOVE_ANY                                                                            \
    (ACCESS_MAKE_DIRECTORY | LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_MAKE_FIFO |          \
     LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK)
#define ACCESS_REFER    (1ULL << 13) /* rename between folders, since ABI 2 */
#define ACCESS_TRUNCATE (1ULL << 14) /* since ABI 3 */
#define ACCESS_FIRST    ((1ULL << 13) - 1)

/* Without ACCESS_REFER (ABI 1) no file could be renamed from one folder to another: no fence then.
 */
static unsigned long long handled_accesses(void)
{
    long const version =
        syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (version < 2)
        return 0;
    return ACCESS_FIRST | ACCESS_REFER | (version >= 3 ? ACCESS_TRUNCATE : 0);
}

void sandbox_allow_paths(struct sandbox_path const *paths, size_t count)
{
    unsigned long long const handled = is_off() ? 0 : handled_accesses();
    if (!handled)
        return;
    struct landlock_ruleset_attr const attributes = {.handled_access_fs = handled};
    int const ruleset =
        (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0);
    if (ruleset < 0)
        die("landlock_create_ruleset");
    for (size_t i = 0; i < count; i++) {
        unsigned long long allowed = 0;
        if (paths[i].access & SANDBOX_READ)
            allowed |= ACCESS_READ;
        if (paths[i].access & SANDBOX_WRITE)
            allowed |= ACCESS_WRITE;
        if (paths[i].access & SANDBOX_MAKE_DIRECTORY)
            allowed |= ACCESS_MAKE_DIRECTORY;
        if (paths[i].access & SANDBOX_MOVE_ANY)
            allowed |= ACCESS_MOVE_ANY;
        struct landlock_path_beneath_attr const rule = {.allowed_access = allowed & handled,
                                                        .parent_fd = paths[i].directory};
        if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0)
            die("landlock_add_rule");
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
        die("landlock_restrict_self");
    close(ruleset);
}

static void limit(__rlimit_resource_t resource, uint64_t value, char const *what)
{
    struct rlimit now;
    if (getrlimit(resource, &now) != 0)
        die(what);
    rlim_t const wanted = value < now.rlim_max ? (rlim_t)value : now.rlim_max;
    struct rlimit const limits = {.rlim_cur = wanted, .rlim_max = wanted};
    if (setrlimit(resource, &limits) != 0)
        die(what);
}

void sandbox_limit(struct sandbox_limits const *limits)
{
#ifndef EKIDEN_SANITIZE /* the shadow memory is terabytes */
    if (limits->memory)
        limit(RLIMIT_DATA, limits->memory, "limit of memory");
    if (limits->address_space)
        limit(RLIMIT_AS, limits->address_space, "limit of address space");
#endif
    if (limits->descriptors)
        limit(RLIMIT_NOFILE, limits->descriptors, "limit of descriptors");
    if (limits->file_size != UINT64_MAX)
        limit(RLIMIT_FSIZE, limits->file_size, "limit of file size");
#ifndef EKIDEN_SANITIZE /* the leak checker is a process of its own */
    if (limits->processes != UINT64_MAX)
        limit(RLIMIT_NPROC, limits->processes, "limit of processes");
#endif
}
