/* A traced process: its registers, its memory, its descriptors. Root sees all of it; others only
 * while the process is dumpable, so what cannot be seen is not touched. */
#ifndef EKIDEN_FAULT_PROCESS_H
#define EKIDEN_FAULT_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/user.h>

enum { FAULT_ARGUMENTS = 6 };

enum fault_descriptor_kind {
    FAULT_UNKNOWN, /* not open, or not to be seen */
    FAULT_FILE,
    FAULT_FOLDER,
    FAULT_STREAM, /* a socket whose bytes have no borders */
    FAULT_PACKET, /* a socket of messages: no short transfers */
    FAULT_PIPE,
    FAULT_OTHER,
};

struct fault_descriptor {
    enum fault_descriptor_kind kind;
    bool may_wait;  /* EAGAIN is an answer: non-blocking, or with a time limit */
    int64_t unread; /* bytes that are there to be read; -1: not known */
};

/* The state of PROCESS's DESCRIPTOR; OFFSET as in pread, or -1 for the file's own position. */
struct fault_descriptor fault_descriptor(pid_t process, int descriptor, int64_t offset);

/* The registers at a stop. False when the process is gone. */
bool fault_registers(pid_t process, struct user_regs_struct *registers);
bool fault_registers_set(pid_t process, struct user_regs_struct const *registers);

/* Where system call argument INDEX and the result are. */
unsigned long long *fault_argument(struct user_regs_struct *registers, unsigned int index);
unsigned long long *fault_result(struct user_regs_struct *registers);

/* Copies LENGTH bytes from or to ADDRESS in PROCESS. False when not all of it could be. */
bool fault_read(pid_t process, uint64_t address, void *bytes, size_t length);
bool fault_write(pid_t process, uint64_t address, void const *bytes, size_t length);

/* What a descriptor or the path at ADDRESS is called, with ids and numbers made alike, so that
 * points of different runs can be compared; NUL-terminated. */
void fault_name_descriptor(char *name, size_t size, pid_t process, int descriptor);
void fault_name_path(char *name, size_t size, pid_t process, uint64_t address);

/* What `ps` would call it: programs name their children. */
void fault_role(char *role, size_t size, pid_t process);

#endif
