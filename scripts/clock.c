/* The time of day, off by as many seconds as a file says: what soak.py preloads a daemon with.
 *
 * CLOCK_OFFSET names the file, a 64-bit integer that may change at any time. Other clocks run on.
 * (libfaketime, which does more, hangs in programs that have jemalloc for their allocator: it asks for
 * memory before it can say what the time is, and jemalloc for the time.) */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* Until the file is there, as when the allocator begins, the time is right. */
static const volatile int64_t *offset;

__attribute__((constructor)) static void map_offset(void) {
    const char *path = getenv("CLOCK_OFFSET");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *mapped = file < 0 ? MAP_FAILED : mmap(NULL, sizeof *offset, PROT_READ, MAP_SHARED, file, 0);
    if (mapped == MAP_FAILED) {
        perror("CLOCK_OFFSET");
        _exit(1);
    }
    close(file);
    offset = mapped;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int result = syscall(SYS_clock_gettime, clock, now);
    if (result == 0 && offset && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += *offset;
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    int result = syscall(SYS_gettimeofday, now, zone);
    if (result == 0 && offset)
        now->tv_sec += *offset;
    return result;
}

/* What is waited for until a time of day is waited for by this one: jemalloc's threads do that. */
int pthread_cond_timedwait(pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict until) {
    /* The other clock counts seconds since the machine was started. */
    if (until->tv_sec < 1000000000)
        return pthread_cond_clockwait(cond, mutex, CLOCK_MONOTONIC, until);
    struct timespec right = *until;
    if (offset)
        right.tv_sec -= *offset;
    return pthread_cond_clockwait(cond, mutex, CLOCK_REALTIME, &right);
}

time_t time(time_t *store) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (store)
        *store = now.tv_sec;
    return now.tv_sec;
}
