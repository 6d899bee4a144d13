/* Which faults a system call can have: what its manual page names for the kind of descriptor that
 * it is about. So a broken promise is a finding, and not the work of an impossible world. */
#ifndef EKIDEN_FAULT_CALLS_H
#define EKIDEN_FAULT_CALLS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum fault {
    FAULT_KILL_BEFORE,
    FAULT_KILL_AFTER,
    FAULT_KILL_ALL_BEFORE,
    FAULT_KILL_ALL_AFTER,
    FAULT_EIO,
    FAULT_ENOSPC,
    FAULT_EDQUOT,
    FAULT_EINTR,
    FAULT_EAGAIN,
    FAULT_EMFILE,
    FAULT_ENOMEM,
    FAULT_HALF, /* transfers half of what it could */
    FAULT_ONE,  /* one byte */
    FAULT_COUNT
};

struct fault_call {
    pid_t process;
    uint64_t number, arguments[6];
};

/* Where the length of a transfer stands. */
enum fault_length {
    FAULT_LENGTH_NONE,
    FAULT_LENGTH_ARGUMENT,
    FAULT_LENGTH_VECTOR,
    FAULT_LENGTH_HEADER
};

struct fault_point {
    unsigned int possible; /* bits: 1 << enum fault */
    enum fault_length length;
    uint64_t half;     /* bytes to transfer under FAULT_HALF */
    bool performed;    /* an error comes although the call was carried out: close */
    bool keeps_result; /* the kernel's own result says that it failed: brk */
    char call[24], object[96];
};

/* A number with which a test build says that it allocates memory (fault_malloc.c): close(MAGIC,
 * size, place), which every filter of system calls allows and which does nothing. */
#define FAULT_ALLOCATION 0x80adf00du

char const *fault_name(enum fault fault);

/* The fault called NAME; false when there is none. */
bool fault_find(char const *name, enum fault *fault);

/* The errno of FAULT; 0 when it is no error. */
int fault_errno(enum fault fault);

/* What may happen at CALL. NAMED: also what it is about. */
void fault_look(struct fault_point *point, struct fault_call const *call, bool named);

#endif
