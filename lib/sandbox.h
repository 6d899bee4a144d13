/* What a process may still do after it dropped its privilege: limits, system calls, file system.
 * Everything is inherited by fork, so a template pays once for all its sessions.
 *
 * With EKIDEN_SANDBOX=off in the environment (valgrind, a kernel without seccomp) and in a
 * sanitizer build the system call filter and Landlock are left out; in all other cases a kernel
 * that has no seccomp is an error, because nobody should believe in a fence that is not there. */
#ifndef EKIDEN_SANDBOX_H
#define EKIDEN_SANDBOX_H

#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

/* Attaches a filter that allows the COUNT system calls in CALLS (numbers, any order) and sysinfo,
 * which the C library makes on its own account (qsort), and ends the process for all others
 * (SIGSYS: the parent logs it). The filter is a binary tree, so that a call costs a few
 * comparisons. Dies with exit 111 on failure. */
void sandbox_allow_calls(int const *calls, size_t count);

/* For a process that asks name servers, shares its user with others, and is not to reach them: it
 * can send a signal to itself only (by tgkill, as abort does; the other calls must not be allowed),
 * not make a descriptor send one (fcntl), and have sockets of the internet only. Before
 * sandbox_allow_calls, and not for one that forks. Dies with exit 111 on failure. */
void sandbox_keep_apart(void);

/* What each process needs that talks on the descriptors it has: them, the clock, memory, the end.
 * For a list of CALLS. Newer C libraries use the newer twin of some calls; both are listed. */
#ifdef SYS_poll
#define SANDBOX_OLD_CALLS SYS_poll, SYS_time,
#else
#define SANDBOX_OLD_CALLS
#endif
#define SANDBOX_TALK_CALLS                                                                         \
    SANDBOX_OLD_CALLS SYS_read, SYS_write, SYS_close, SYS_ppoll, SYS_sendmsg, SYS_recvmsg,         \
        SYS_brk, SYS_mmap, SYS_munmap, SYS_mremap, SYS_madvise, SYS_exit, SYS_exit_group,          \
        SYS_rt_sigreturn, SYS_rt_sigprocmask, SYS_clock_gettime, SYS_gettimeofday, SYS_getrandom,  \
        SYS_restart_syscall, SYS_futex, SYS_getpid, SYS_gettid

enum sandbox_access {
    SANDBOX_READ = 1,  /* open files for reading, list folders */
    SANDBOX_WRITE = 2, /* create, write, rename, remove files */
    SANDBOX_MAKE_DIRECTORY = 4,
    SANDBOX_MOVE_ANY = 8 /* rename folders, links, FIFOs, sockets and devices as well */
};

struct sandbox_path {
    int directory; /* a descriptor opened before */
    unsigned int access;
};

/* Allows the file system below the COUNT descriptors only (Landlock); none for COUNT 0. Silently
 * weaker on kernels without Landlock: it is the second fence behind uid and modes. */
void sandbox_allow_paths(struct sandbox_path const *paths, size_t count);

/* Limits: private writable memory in bytes (0: leave), all memory with program and stack (0: leave;
 * for a process that maps no large tables), descriptors, file size in bytes (0: none may be
 * written; UINT64_MAX: leave), processes more than this one (0: fork fails; UINT64_MAX: leave). */
struct sandbox_limits {
    uint64_t memory, address_space, descriptors, file_size, processes;
};
void sandbox_limit(struct sandbox_limits const *limits);

#endif
