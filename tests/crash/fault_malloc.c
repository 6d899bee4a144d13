/* Linked into the programs of the crash tests only (ld --wrap): each allocation is a system call
 * that does nothing, so that `fault` counts it like the others and can have it fail. */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/crash/fault_calls.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
int __real_posix_memalign(void **result, size_t alignment, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
int __wrap_posix_memalign(void **result, size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);

extern char const __executable_start[];

/* What the C library allocates before the program begins is not the program's matter: a static one
 * dies of SIGSEGV there (glibc 2.36, _dl_init_paths), before it has taken anything. */
static int begun;

__attribute__((constructor)) static void begin(void)
{
    begun = 1;
}

/* Outside of `fault` the call says EBADF, which is memory. */
static int may_allocate(size_t size, void const *caller)
{
    int const saved = errno;
    if (!begun)
        return 1;
    long const result = syscall(SYS_close, FAULT_ALLOCATION, size,
                                (uintptr_t)caller - (uintptr_t)__executable_start);
    int const refused = result != 0 && errno == ENOMEM;
    errno = refused ? ENOMEM : saved;
    return !refused;
}

void *__wrap_malloc(size_t size)
{
    return may_allocate(size, __builtin_return_address(0)) ? __real_malloc(size) : NULL;
}

void *__wrap_calloc(size_t count, size_t size)
{
    return may_allocate(size, __builtin_return_address(0)) ? __real_calloc(count, size) : NULL;
}

void *__wrap_realloc(void *old, size_t size)
{
    return may_allocate(size, __builtin_return_address(0)) ? __real_realloc(old, size) : NULL;
}

int __wrap_posix_memalign(void **result, size_t alignment, size_t size)
{
    return may_allocate(size, __builtin_return_address(0))
               ? __real_posix_memalign(result, alignment, size)
               : ENOMEM;
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return may_allocate(size, __builtin_return_address(0)) ? __real_aligned_alloc(alignment, size)
                                                           : NULL;
}
