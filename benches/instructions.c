/* Preloaded into the server whose instructions are counted (instructions.py), so that two runs do
 * the same, on a busy machine, too.
 *
 *     random source    repeats itself: keys fall into the same buckets
 *     the loop's time  goes by what it does, 20 microseconds for each look at a clock, and by what
 *                      it sleeps: keys expire, and cron runs, at the same places
 *     SIGPROF          starts the counting, and ends it: before, the server runs several times as
 *                      fast
 *
 * Helper threads have the kernel's time. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>
#include <valgrind/callgrind.h>

static uint64_t nanos; /* Of the loop. */

static int is_loop(void) { return syscall(SYS_gettid) == getpid(); }

static volatile sig_atomic_t asked, counts;

static void ask(int signal) {
    (void)signal;
    asked = 1;
}

/* Not in the handler itself: callgrind follows calls, and loses its way there. */
static void start_or_end(void) {
    asked = 0;
    counts = !counts;
    if (counts)
        CALLGRIND_START_INSTRUMENTATION;
    else
        CALLGRIND_STOP_INSTRUMENTATION;
}

__attribute__((constructor)) static void await_signal(void) {
    struct sigaction action = {.sa_handler = ask, .sa_flags = SA_RESTART};
    sigaction(SIGPROF, &action, NULL);
}

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
    if (asked)
        start_or_end();
    if (ready == 0 && timeout_ms > 0)
        nanos += timeout_ms * 1000000ull;
    return ready;
}
