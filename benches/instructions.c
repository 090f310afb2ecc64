/* Preloaded into the server whose instructions are counted (instructions.py), so that two runs do
 * the same, on a busy machine, too.
 *
 *     random source    repeats itself: keys fall into the same buckets
 *     the loop's time  goes by what it does, 20 microseconds for each look at a clock, and by what
 *                      it sleeps: keys expire, and cron runs, at the same places
 *
 * Helper threads have the kernel's time. */
#define _GNU_SOURCE
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static uint64_t nanos; /* Of the loop. */

static int is_loop(void) { return syscall(SYS_gettid) == getpid(); }

ssize_t getrandom(void *to, size_t length, unsigned flags) {
    static uint64_t state = 42;
    unsigned char *bytes = to;
    (void)flags;
    for (size_t i = 0; i < length; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        bytes[i] = state >> 56;
    }
    return length;
}

int clock_gettime(clockid_t clock, struct timespec *to) {
    static time_t began;
    int wall = clock == CLOCK_REALTIME;
    if ((!wall && clock != CLOCK_MONOTONIC) || !is_loop())
        return syscall(SYS_clock_gettime, clock, to);
    if (!wall && !began) {
        syscall(SYS_clock_gettime, clock, to);
        began = to->tv_sec;
    }
    nanos += 20000;
    to->tv_sec = (wall ? 1800000000 : began) + nanos / 1000000000;
    to->tv_nsec = nanos % 1000000000;
    return 0;
}

int epoll_wait(int poll, struct epoll_event *events, int most, int timeout_ms) {
    int ready = syscall(SYS_epoll_pwait, poll, events, most, timeout_ms, NULL, 0);
    if (ready == 0 && timeout_ms > 0)
        nanos += timeout_ms * 1000000ull;
    return ready;
}
