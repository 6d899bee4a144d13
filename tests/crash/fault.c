/* fault: runs a command, counts the system calls of all its processes with one counter, and has one
 * fault happen at one of them.
 *
 *   fault [ -t trace ] [ -u uid:gid ] [ -n number -f fault [ -p place ] ] [ -c control ] -- command
 *
 * Each line of TRACE: `call NUMBER ROLE CALL OBJECT FAULTS` (not when a fault is to happen: then
 * `hit` with the fault instead of FAULTS, or `unfit` where that call cannot have it), `died ROLE
 * SIGNAL` for a process that a signal ended which was not ours, `end COUNT`. Tabs between fields.
 * The counter starts with the command's execve. With PLACE (`ROLE CALL OBJECT`, tabs between them)
 * NUMBER is that among the calls there, so that a fault finds its call when processes take turns in
 * another order than they did before.
 *
 * CONTROL is a descriptor: a stream socket through which each line `NUMBER FAULT TRACE PLACE`
 * starts a new trace and count (NUMBER 0: no fault; PLACE with the tab before it may be missing),
 * and is answered by `COUNT`, that of the calls before it; the line `?` is answered by it, and
 * changes nothing.
 *
 * SIGTERM goes on to the command. Whatever ends this process ends all that it traces. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/crash/fault_calls.h"
#include "tests/crash/fault_process.h"

enum {
    PROCESSES_MAX = 1024,
    VECTOR_MAX = 64,
    OPTIONS = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
              PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL,
};

/* What is done to a call between its entry and its exit. */
struct change {
    bool at_exit, all; /* kill there */
    bool restores;
    int error; /* the result */
    unsigned long long arguments[FAULT_ARGUMENTS];
    uint64_t vector; /* address of what was changed in memory, 0: nothing */
    size_t vectors;
    struct iovec saved[VECTOR_MAX];
};

struct tracee {
    pid_t pid; /* 0: a free place */
    bool killed;
    char role[17];
    struct change change;
};

static struct tracee tracees[PROCESSES_MAX];
static unsigned int tracee_count;
static pid_t command;
static int command_status;
static bool counting, ending;  /* all are to die */
static uint64_t count, wanted; /* 0: no fault */
static char const *place;      /* NULL: any */
static uint64_t place_count;
static enum fault fault;
static FILE *trace;
static volatile sig_atomic_t terminated;

static _Noreturn void die(char const *what)
{
    perror(what);
    _exit(111);
}

static struct tracee *find(pid_t pid)
{
    struct tracee *free_one = NULL;
    for (unsigned int i = 0; i < PROCESSES_MAX; i++) {
        if (tracees[i].pid == pid)
            return tracees + i;
        if (!tracees[i].pid && !free_one)
            free_one = tracees + i;
    }
    if (!free_one)
        die("too many processes");
    *free_one = (struct tracee){.pid = pid};
    fault_role(free_one->role, sizeof free_one->role, pid);
    tracee_count++;
    if (ending) { /* forked, and not seen before the others were killed */
        free_one->killed = true;
        kill(pid, SIGKILL);
    }
    return free_one;
}

static void end_all(void)
{
    ending = true;
    for (unsigned int i = 0; i < PROCESSES_MAX; i++)
        if (tracees[i].pid) {
            tracees[i].killed = true;
            kill(tracees[i].pid, SIGKILL);
        }
}

static void end(struct tracee *tracee, bool all)
{
    if (all) {
        end_all();
        return;
    }
    tracee->killed = true;
    kill(tracee->pid, SIGKILL);
}

/* --- changing a call --- */

/* Every call that can fail does so, without an effect, when all its arguments are ~0; and no filter
 * of system calls finds anything strange in its number. */
static void spoil(struct tracee *tracee, struct user_regs_struct *registers, int error)
{
    for (unsigned int i = 0; i < FAULT_ARGUMENTS; i++) {
        tracee->change.arguments[i] = *fault_argument(registers, i);
        *fault_argument(registers, i) = ~0ULL;
    }
    tracee->change.restores = true;
    tracee->change.error = error;
    fault_registers_set(tracee->pid, registers);
}

static void shorten_vector(struct tracee *tracee, uint64_t address, uint64_t pieces, uint64_t most)
{
    struct change *const change = &tracee->change;
    struct iovec vector[VECTOR_MAX];
    if (pieces > VECTOR_MAX || !fault_read(tracee->pid, address, vector, pieces * sizeof *vector))
        return;
    memcpy(change->saved, vector, pieces * sizeof *vector);
    for (uint64_t i = 0; i < pieces; i++) {
        if (vector[i].iov_len > most)
            vector[i].iov_len = most;
        most -= vector[i].iov_len;
    }
    if (fault_write(tracee->pid, address, vector, pieces * sizeof *vector)) {
        change->vector = address;
        change->vectors = pieces;
    }
}

static void shorten(struct tracee *tracee, struct user_regs_struct *registers,
                    struct fault_point const *point, uint64_t most)
{
    struct msghdr header;
    uint64_t const second = *fault_argument(registers, 1);
    switch (point->length) {
    case FAULT_LENGTH_ARGUMENT:
        for (unsigned int i = 0; i < FAULT_ARGUMENTS; i++)
            tracee->change.arguments[i] = *fault_argument(registers, i);
        *fault_argument(registers, 2) = most;
        tracee->change.restores = true;
        fault_registers_set(tracee->pid, registers);
        break;
    case FAULT_LENGTH_VECTOR:
        shorten_vector(tracee, second, *fault_argument(registers, 2), most);
        break;
    case FAULT_LENGTH_HEADER:
        if (fault_read(tracee->pid, second, &header, sizeof header))
            shorten_vector(tracee, (uint64_t)(uintptr_t)header.msg_iov, header.msg_iovlen, most);
        break;
    case FAULT_LENGTH_NONE:
        break;
    }
}

static void strike(struct tracee *tracee, struct user_regs_struct *registers,
                   struct fault_point const *point)
{
    struct change *const change = &tracee->change;
    switch (fault) {
    case FAULT_KILL_BEFORE:
    case FAULT_KILL_ALL_BEFORE:
        end(tracee, fault == FAULT_KILL_ALL_BEFORE);
        break;
    case FAULT_KILL_AFTER:
    case FAULT_KILL_ALL_AFTER:
        change->at_exit = true;
        change->all = fault == FAULT_KILL_ALL_AFTER;
        break;
    case FAULT_HALF:
        shorten(tracee, registers, point, point->half);
        break;
    case FAULT_ONE:
        shorten(tracee, registers, point, 1);
        break;
    default:
        if (point->performed)
            change->error = fault_errno(fault);
        else
            spoil(tracee, registers, point->keeps_result ? 0 : fault_errno(fault));
    }
}

/* --- stops --- */

static void print_faults(unsigned int possible)
{
    char const *between = "";
    for (int i = 0; i < FAULT_COUNT; i++)
        if (possible & 1u << i) {
            fprintf(trace, "%s%s", between, fault_name((enum fault)i));
            between = ",";
        }
}

static void note(struct tracee const *tracee, struct fault_point const *point, char const *what)
{
    if (!trace)
        return;
    fprintf(trace, "%s\t%llu\t%s\t%s\t%s\t", what, (unsigned long long)count, tracee->role,
            point->call, point->object);
    if (*what == 'c')
        print_faults(point->possible);
    else
        fputs(fault_name(fault), trace);
    fputc('\n', trace);
    if (*what != 'c')
        fflush(trace);
}

static bool is_at_place(struct tracee const *tracee, struct fault_point const *point)
{
    char here[256];
    snprintf(here, sizeof here, "%s\t%s\t%s", tracee->role, point->call, point->object);
    return !strcmp(here, place);
}

/* Counts a call. True when it has to be looked at. */
static bool counts(void)
{
    if (!counting || !trace)
        return false;
    count++;
    return !wanted || place || count == wanted;
}

static void enter(struct tracee *tracee, struct __ptrace_syscall_info const *info)
{
    struct fault_call call = {.process = tracee->pid, .number = info->entry.nr};
    struct fault_point point;
    struct user_regs_struct registers;
    tracee->change = (struct change){.error = 0};
    if (!counts())
        return;
    memcpy(call.arguments, info->entry.args, sizeof call.arguments);
    fault_look(&point, &call, true);
    if (!wanted) {
        note(tracee, &point, "call");
        return;
    }
    if (place && (!is_at_place(tracee, &point) || ++place_count != wanted))
        return;
    if (!(point.possible & 1u << fault) || !fault_registers(tracee->pid, &registers)) {
        note(tracee, &point, "unfit");
        return;
    }
    note(tracee, &point, "hit");
    strike(tracee, &registers, &point);
}

static void leave(struct tracee *tracee, bool named)
{
    struct change *const change = &tracee->change;
    struct user_regs_struct registers;
    if (named) /* prctl may have changed it */
        fault_role(tracee->role, sizeof tracee->role, tracee->pid);
    if (change->at_exit)
        end(tracee, change->all);
    if (change->vector)
        fault_write(tracee->pid, change->vector, change->saved,
                    change->vectors * sizeof *change->saved);
    if ((change->restores || change->error) && fault_registers(tracee->pid, &registers)) {
        for (unsigned int i = 0; change->restores && i < FAULT_ARGUMENTS; i++)
            if (fault_argument(&registers, i) != fault_result(&registers))
                *fault_argument(&registers, i) = change->arguments[i];
        if (change->error)
            *fault_result(&registers) = (unsigned long long)-(long long)change->error;
        fault_registers_set(tracee->pid, &registers);
    }
    *change = (struct change){.error = 0};
}

static void look_at_call(struct tracee *tracee)
{
    static uint64_t numbers[PROCESSES_MAX];
    uint64_t *const number = numbers + (tracee - tracees);
    struct __ptrace_syscall_info info;
    if (ptrace(PTRACE_GET_SYSCALL_INFO, tracee->pid, (void *)sizeof info, &info) <= 0)
        return;
    if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
        *number = info.entry.nr;
        enter(tracee, &info);
    } else if (info.op == PTRACE_SYSCALL_INFO_EXIT)
        leave(tracee, *number == SYS_prctl);
}

static void go_on(pid_t pid, int signal)
{
    ptrace(PTRACE_SYSCALL, pid, NULL, (void *)(intptr_t)signal);
}

/* A stop that is no signal for the process itself. */
static void look_at_event(struct tracee *tracee, int event, int signal)
{
    if (event == PTRACE_EVENT_EXEC) {
        counting = true;
        fault_role(tracee->role, sizeof tracee->role, tracee->pid);
    }
    if (event == PTRACE_EVENT_STOP && signal != SIGTRAP)
        ptrace(PTRACE_LISTEN, tracee->pid, NULL, NULL); /* it was stopped, as by a shell */
    else
        go_on(tracee->pid, 0);
}

static void lose(struct tracee *tracee, int status)
{
    if (tracee->pid == command)
        command_status = status;
    if (WIFSIGNALED(status) && !tracee->killed && trace) {
        fprintf(trace, "died\t%s\t%d\n", tracee->role, WTERMSIG(status));
        fflush(trace);
    }
    tracee->pid = 0;
    tracee_count--;
}

static void handle(pid_t pid, int status)
{
    struct tracee *const tracee = find(pid);
    if (WIFEXITED(status) || WIFSIGNALED(status)) {
        lose(tracee, status);
        return;
    }
    int const signal = WSTOPSIG(status), event = status >> 16;
    if (signal == (SIGTRAP | 0x80)) {
        look_at_call(tracee);
        go_on(pid, 0);
    } else if (event)
        look_at_event(tracee, event, signal);
    else
        go_on(pid, signal);
}

/* --- control --- */

static void start_trace(char const *path)
{
    if (trace) {
        fprintf(trace, "end\t%llu\n", (unsigned long long)count);
        fclose(trace);
    }
    trace = path ? fopen(path, "we") : NULL;
    if (path && !trace)
        die(path);
}

/* False when nobody controls any more. */
static bool take_order(int control)
{
    static char asked_place[256];
    char line[1024], name[32], path[400], answer[32];
    unsigned long long number;
    int used = 0;
    ssize_t const length = read(control, line, sizeof line - 1);
    if (length <= 0)
        return false;
    line[length - 1] = 0; /* without its line end */
    int const size = snprintf(answer, sizeof answer, "%llu\n", (unsigned long long)count);
    if (*line == '?')
        return write(control, answer, (size_t)size) == size;
    if (sscanf(line, "%llu %31s %399[^\t]%n", &number, name, path, &used) != 3 ||
        (number && !fault_find(name, &fault)))
        die(line);
    start_trace(path);
    count = place_count = 0;
    wanted = number;
    snprintf(asked_place, sizeof asked_place, "%s", line[used] ? line + used + 1 : "");
    place = *asked_place ? asked_place : NULL;
    return write(control, answer, (size_t)size) == size;
}

static void catch (int signal)
{
    if (signal == SIGTERM)
        terminated = 1;
}

static void run(int control)
{
    sigset_t none;
    sigemptyset(&none);
    for (;;) {
        int status;
        pid_t const pid = waitpid(-1, &status, __WALL | WNOHANG);
        if (pid > 0) {
            handle(pid, status);
            continue;
        }
        if (!tracee_count)
            return;
        if (terminated) {
            terminated = 0;
            kill(command, SIGTERM);
        }
        struct pollfd wait = {.fd = control, .events = POLLIN};
        if (ppoll(&wait, 1, NULL, &none) > 0 && !take_order(control))
            control = -1;
    }
}

/* --- start --- */

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = catch};
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGCHLD);
    sigaddset(&blocked, SIGTERM);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    sigaction(SIGCHLD, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static void become(char const *user)
{
    unsigned int uid, gid;
    if (sscanf(user, "%u:%u", &uid, &gid) != 2 || setgroups(0, NULL) != 0 ||
        setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, uid) != 0)
        die(user);
}

/* The child waits to be traced before it executes ARGUMENTS. */
static pid_t start(char **arguments, char const *user, int control)
{
    int go[2];
    char byte;
    if (pipe2(go, O_CLOEXEC) != 0)
        die("pipe");
    pid_t const child = fork();
    if (child < 0)
        die("fork");
    if (child == 0) {
        sigset_t none;
        close(go[1]);
        if (control >= 0)
            close(control);
        if (read(go[0], &byte, 1) != 1)
            _exit(111);
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        signal(SIGCHLD, SIG_DFL);
        signal(SIGTERM, SIG_DFL);
        if (user)
            become(user);
        execvp(arguments[0], arguments);
        die(arguments[0]);
    }
    close(go[0]);
    if (ptrace(PTRACE_SEIZE, child, NULL, (void *)OPTIONS) != 0 ||
        ptrace(PTRACE_INTERRUPT, child, NULL, NULL) != 0)
        die("ptrace");
    find(child);
    if (write(go[1], "", 1) != 1)
        die("write");
    close(go[1]);
    return child;
}

int main(int argc, char **argv)
{
    char const *user = NULL, *path = NULL;
    int control = -1;
    for (int option; (option = getopt(argc, argv, "+t:u:n:f:p:c:")) >= 0;)
        switch (option) {
        case 't':
            path = optarg;
            break;
        case 'u':
            user = optarg;
            break;
        case 'n':
            wanted = strtoull(optarg, NULL, 10);
            break;
        case 'f':
            if (!fault_find(optarg, &fault))
                die(optarg);
            break;
        case 'p':
            place = optarg;
            break;
        case 'c':
            control = atoi(optarg);
            break;
        default:
            return 100;
        }
    if (optind == argc)
        return 100;
    start_trace(path);
    catch_signals();
    command = start(argv + optind, user, control);
    if (control >= 0)
        fcntl(control, F_SETFD, FD_CLOEXEC);
    run(control);
    start_trace(NULL);
    return WIFEXITED(command_status) ? WEXITSTATUS(command_status) : 128 + WTERMSIG(command_status);
}
