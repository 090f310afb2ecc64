/* A disk that lags, for benches/lag.py: preloaded into a server (LD_PRELOAD), it makes the calls that reach
 * the disk take as long as they would there.
 *
 *     LAG_SWITCH   a path: calls lag while a file exists there; without it never
 *     LAG_MB_S     all writes to files of the append only file share so many million bytes a second
 *     LAG_SYNC_MS  each fsync and fdatasync takes so long; it does not reach the real disk then, whose own
 *                  pace would add to the figures
 *     LAG_COUNTS   a path: at the end of a process its calls that lagged are appended there
 *
 * A file is one of the append only file's if its path has ".aof" in it. Writes wait for their turn in one
 * queue, which the process shares with its children; waits of less than a millisecond are added up.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define FILES_MAX 65536
/* A shorter wait is left to the next write. */
#define WAIT_MIN_NS 1000000

/* Shared with child processes. */
struct disk {
    /* When the last write in the queue will be done, monotonic nanoseconds. */
    _Atomic int64_t free_at;
    _Atomic uint64_t writes, bytes, syncs;
};

static struct disk *disk;
static _Atomic char is_log[FILES_MAX];
static const char *switch_path, *counts;
static double ns_per_byte;
static int64_t sync_ns;

static int64_t now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec * INT64_C(1000000000) + at.tv_nsec;
}

static void sleep_until(int64_t at) {
    struct timespec until = {at / 1000000000, at % 1000000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) {
    }
}

/* Servers write their titles over their environment. */
static const char *copy_of(const char *name) {
    const char *value = getenv(name);
    return value ? strdup(value) : NULL;
}

__attribute__((constructor)) static void begin(void) {
    const char *rate = getenv("LAG_MB_S"), *sync = getenv("LAG_SYNC_MS");
    void *shared = mmap(NULL, sizeof *disk, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        return;
    }
    switch_path = copy_of("LAG_SWITCH");
    counts = copy_of("LAG_COUNTS");
    ns_per_byte = rate && atof(rate) > 0 ? 1000.0 / atof(rate) : 0;
    sync_ns = sync ? atoll(sync) * 1000000 : 0;
    disk = shared;
}

__attribute__((destructor)) static void end(void) {
    FILE *out = counts && disk ? fopen(counts, "a") : NULL;
    if (out) {
        fprintf(out, "%llu writes, %llu bytes, %llu syncs\n", (unsigned long long)disk->writes,
                (unsigned long long)disk->bytes, (unsigned long long)disk->syncs);
        fclose(out);
    }
}

static int lags(void) {
    int kept = errno, on = disk && switch_path && access(switch_path, F_OK) == 0;
    errno = kept;
    return on;
}

static void note_open(int fd, const char *path) {
    if (fd >= 0 && fd < FILES_MAX) {
        is_log[fd] = path && strstr(path, ".aof");
    }
}

static void wait_for_write(int fd, size_t bytes) {
    if (fd < 0 || fd >= FILES_MAX || !is_log[fd] || !lags()) {
        return;
    }
    int64_t cost = (int64_t)(bytes * ns_per_byte), free_at = disk->free_at, at, done;
    do {
        at = now();
        done = (free_at > at ? free_at : at) + cost;
    } while (!atomic_compare_exchange_weak(&disk->free_at, &free_at, done));
    disk->writes++;
    disk->bytes += bytes;
    if (done - at >= WAIT_MIN_NS) {
        sleep_until(done);
    }
}

static size_t total(const struct iovec *parts, int count) {
    size_t sum = 0;
    for (int n = 0; n < count; n++) {
        sum += parts[n].iov_len;
    }
    return sum;
}

/* The next definition of a function, libc's. */
#define REAL(result, name, ...)                                                    \
    static result (*real)(__VA_ARGS__);                                            \
    if (!real) {                                                                   \
        real = (result(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name);                     \
    }

#define MODE(flags)                                                                \
    mode_t mode = 0;                                                               \
    if ((flags) & (O_CREAT | O_TMPFILE)) {                                         \
        va_list rest;                                                              \
        va_start(rest, flags);                                                     \
        mode = va_arg(rest, mode_t);                                               \
        va_end(rest);                                                              \
    }

int open(const char *path, int flags, ...) {
    MODE(flags)
    REAL(int, "open", const char *, int, ...)
    int fd = real(path, flags, mode);
    note_open(fd, path);
    return fd;
}

int open64(const char *path, int flags, ...) {
    MODE(flags)
    REAL(int, "open64", const char *, int, ...)
    int fd = real(path, flags, mode);
    note_open(fd, path);
    return fd;
}

int openat(int dir, const char *path, int flags, ...) {
    MODE(flags)
    REAL(int, "openat", int, const char *, int, ...)
    int fd = real(dir, path, flags, mode);
    note_open(fd, path);
    return fd;
}

int openat64(int dir, const char *path, int flags, ...) {
    MODE(flags)
    REAL(int, "openat64", int, const char *, int, ...)
    int fd = real(dir, path, flags, mode);
    note_open(fd, path);
    return fd;
}

FILE *fopen(const char *path, const char *mode) {
    REAL(FILE *, "fopen", const char *, const char *)
    FILE *file = real(path, mode);
    if (file) {
        note_open(fileno(file), path);
    }
    return file;
}

FILE *fopen64(const char *path, const char *mode) {
    REAL(FILE *, "fopen64", const char *, const char *)
    FILE *file = real(path, mode);
    if (file) {
        note_open(fileno(file), path);
    }
    return file;
}

int close(int fd) {
    REAL(int, "close", int)
    note_open(fd, NULL);
    return real(fd);
}

ssize_t write(int fd, const void *bytes, size_t length) {
    REAL(ssize_t, "write", int, const void *, size_t)
    wait_for_write(fd, length);
    return real(fd, bytes, length);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    REAL(ssize_t, "writev", int, const struct iovec *, int)
    wait_for_write(fd, total(parts, count));
    return real(fd, parts, count);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at) {
    REAL(ssize_t, "pwrite", int, const void *, size_t, off_t)
    wait_for_write(fd, length);
    return real(fd, bytes, length, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t at) {
    REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t)
    wait_for_write(fd, length);
    return real(fd, bytes, length, at);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at) {
    REAL(ssize_t, "pwritev", int, const struct iovec *, int, off_t)
    wait_for_write(fd, total(parts, count));
    return real(fd, parts, count, at);
}

size_t fwrite(const void *bytes, size_t size, size_t count, FILE *file) {
    REAL(size_t, "fwrite", const void *, size_t, size_t, FILE *)
    wait_for_write(fileno(file), size * count);
    return real(bytes, size, count, file);
}

static int wait_for_sync(void) {
    if (sync_ns == 0 || !lags()) {
        return 0;
    }
    disk->syncs++;
    sleep_until(now() + sync_ns);
    return 1;
}

int fsync(int fd) {
    REAL(int, "fsync", int)
    return wait_for_sync() ? 0 : real(fd);
}

int fdatasync(int fd) {
    REAL(int, "fdatasync", int)
    return wait_for_sync() ? 0 : real(fd);
}
