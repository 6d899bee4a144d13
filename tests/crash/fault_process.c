#include "tests/crash/fault_process.h"

#include <ctype.h>
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#define ID_LENGTH 10 /* longer words with digits in them are ids and times */

static int copy_descriptor(pid_t process, int descriptor)
{
    int const handle = (int)syscall(SYS_pidfd_open, process, 0);
    if (handle < 0)
        return -1;
    int const copy = (int)syscall(SYS_pidfd_getfd, handle, descriptor, 0);
    close(handle);
    return copy;
}

static bool has_time_limit(int socket)
{
    static int const options[] = {SO_RCVTIMEO, SO_SNDTIMEO};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        struct timeval limit = {0};
        socklen_t size = sizeof limit;
        if (getsockopt(socket, SOL_SOCKET, options[i], &limit, &size) == 0 &&
            (limit.tv_sec || limit.tv_usec))
            return true;
    }
    return false;
}

static void look_at_socket(struct fault_descriptor *found, int socket)
{
    int type = 0;
    socklen_t size = sizeof type;
    getsockopt(socket, SOL_SOCKET, SO_TYPE, &type, &size);
    found->kind = type == SOCK_STREAM ? FAULT_STREAM : FAULT_PACKET;
    found->may_wait = found->may_wait || has_time_limit(socket);
}

struct fault_descriptor fault_descriptor(pid_t process, int descriptor, int64_t offset)
{
    struct fault_descriptor found = {.kind = FAULT_UNKNOWN, .unread = -1};
    struct stat status;
    int waiting;
    int const copy = descriptor < 0 ? -1 : copy_descriptor(process, descriptor);
    if (copy < 0)
        return found;
    found.may_wait = fcntl(copy, F_GETFL) & O_NONBLOCK;
    if (fstat(copy, &status) != 0)
        found.kind = FAULT_OTHER;
    else if (S_ISREG(status.st_mode)) {
        found.kind = FAULT_FILE;
        int64_t const place = offset >= 0 ? offset : lseek(copy, 0, SEEK_CUR);
        found.unread = place < status.st_size ? status.st_size - place : 0;
    } else if (S_ISDIR(status.st_mode))
        found.kind = FAULT_FOLDER;
    else if (S_ISSOCK(status.st_mode))
        look_at_socket(&found, copy);
    else
        found.kind = S_ISFIFO(status.st_mode) ? FAULT_PIPE : FAULT_OTHER;
    if ((found.kind == FAULT_STREAM || found.kind == FAULT_PIPE) &&
        ioctl(copy, FIONREAD, &waiting) == 0 && waiting > 0)
        found.unread = waiting;
    close(copy);
    return found;
}

bool fault_registers(pid_t process, struct user_regs_struct *registers)
{
    struct iovec area = {.iov_base = registers, .iov_len = sizeof *registers};
    return ptrace(PTRACE_GETREGSET, process, (void *)NT_PRSTATUS, &area) == 0;
}

bool fault_registers_set(pid_t process, struct user_regs_struct const *registers)
{
    struct iovec area = {.iov_base = (void *)registers, .iov_len = sizeof *registers};
    return ptrace(PTRACE_SETREGSET, process, (void *)NT_PRSTATUS, &area) == 0;
}

#if defined(__x86_64__)
unsigned long long *fault_argument(struct user_regs_struct *registers, unsigned int index)
{
    unsigned long long *const places[FAULT_ARGUMENTS] = {&registers->rdi, &registers->rsi,
                                                         &registers->rdx, &registers->r10,
                                                         &registers->r8,  &registers->r9};
    return places[index];
}

unsigned long long *fault_result(struct user_regs_struct *registers)
{
    return &registers->rax;
}
#elif defined(__aarch64__)
unsigned long long *fault_argument(struct user_regs_struct *registers, unsigned int index)
{
    return &registers->regs[index];
}

unsigned long long *fault_result(struct user_regs_struct *registers)
{
    return &registers->regs[0];
}
#else
#error "name the registers of system calls here"
#endif

static int open_memory(pid_t process, int flags)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/%d/mem", (int)process);
    return open(path, flags | O_CLOEXEC);
}

bool fault_read(pid_t process, uint64_t address, void *bytes, size_t length)
{
    struct iovec const here = {.iov_base = bytes, .iov_len = length};
    struct iovec const there = {.iov_base = (void *)(uintptr_t)address, .iov_len = length};
    return process_vm_readv(process, &here, 1, &there, 1, 0) == (ssize_t)length;
}

/* Not process_vm_writev: what is constant in the program has to be changed as well. */
bool fault_write(pid_t process, uint64_t address, void const *bytes, size_t length)
{
    int const memory = open_memory(process, O_RDWR);
    if (memory < 0)
        return false;
    ssize_t const written = pwrite(memory, bytes, length, (off_t)address);
    close(memory);
    return written == (ssize_t)length;
}

/* A word of letters and digits becomes `*` when it is an id; other numbers become `N`. */
static void make_alike(char *name)
{
    char *to = name;
    for (char const *from = name; *from;) {
        size_t length = 0, digits = 0;
        while (isalnum((unsigned char)from[length]))
            digits += isdigit((unsigned char)from[length++]) != 0;
        if (!length)
            *to++ = isprint((unsigned char)*from) && *from != ' ' ? *from : '?', from++;
        else if (length >= ID_LENGTH && digits)
            *to++ = '*', from += length;
        else
            for (; length; length--, from++)
                if (!isdigit((unsigned char)*from))
                    *to++ = *from;
                else if (to == name || to[-1] != 'N')
                    *to++ = 'N';
    }
    *to = 0;
}

/* The last two names of a path say enough. */
static void shorten(char *path)
{
    char const *from = path + strlen(path);
    for (unsigned int names = 0; from > path && names < 2; names += *from == '/')
        from--;
    memmove(path, from, strlen(from) + 1);
}

void fault_name_descriptor(char *name, size_t size, pid_t process, int descriptor)
{
    char path[48];
    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)process, descriptor);
    ssize_t const length = readlink(path, name, size - 1);
    name[length > 0 ? length : 0] = 0;
    if (*name == '/')
        shorten(name);
    make_alike(name);
}

void fault_name_path(char *name, size_t size, pid_t process, uint64_t address)
{
    size_t length = 0;
    while (length < size - 1 && fault_read(process, address + length, name + length, 1) &&
           name[length])
        length++;
    name[length] = 0;
    shorten(name);
    make_alike(name);
}

void fault_role(char *role, size_t size, pid_t process)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/%d/comm", (int)process);
    int const file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t const length = file < 0 ? 0 : read(file, role, size - 1);
    role[length > 0 ? length - 1 : 0] = 0; /* without its line end */
    if (file >= 0)
        close(file);
}
