/* Lets one call to the file system go wrong in a process that is started with this library in
 * LD_PRELOAD. What the environment says:
 *
 *   RUSSET_FAULT_CALL   open, write, sync, truncate, rename or unlink
 *   RUSSET_FAULT_NTH    which call of that kind, from 0, since it was armed
 *   RUSSET_FAULT_KIND   an errno's number, "short", "kill-before" or "kill-after"
 *   RUSSET_FAULT_PATH   only files whose path holds this text, but no log
 *   RUSSET_FAULT_ARM    armed from the moment on when this file exists; when the call has
 *                       come, the file has a companion with the ending ".hit"
 *   RUSSET_SLOW_SYNC_MS while it is armed, every fsync and fdatasync takes so much longer
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static atomic_long seen;

static int is_armed(void) {
    const char *arm = getenv("RUSSET_FAULT_ARM");
    struct stat found;
    return arm && stat(arm, &found) == 0;
}

static int (*real_open(void))(const char *, int, ...) {
    static int (*real)(const char *, int, ...);
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "open64");
    return real;
}

static void tell_hit(void) {
    char name[4096];
    snprintf(name, sizeof name, "%s.hit", getenv("RUSSET_FAULT_ARM"));
    int fd = real_open()(name, O_CREAT | O_WRONLY, 0600);
    if (fd >= 0) close(fd);
}

/* Whether this call is the one. */
static int is_it(const char *call, const char *path) {
    const char *wanted = getenv("RUSSET_FAULT_CALL");
    const char *part = getenv("RUSSET_FAULT_PATH");
    const char *nth = getenv("RUSSET_FAULT_NTH");
    if (!wanted || !part || !nth || strcmp(wanted, call) != 0) return 0;
    if (!path || !strstr(path, part) || strstr(path, "/log") || !is_armed()) return 0;
    if (atomic_fetch_add(&seen, 1) != atol(nth)) return 0;
    tell_hit();
    return 1;
}

static int is_it_fd(const char *call, int fd) {
    char link[64], path[4096];
    const char *wanted = getenv("RUSSET_FAULT_CALL");
    if (!wanted || strcmp(wanted, call) != 0) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, sizeof path - 1);
    if (len < 0) return 0;
    path[len] = 0;
    return is_it(call, path);
}

static int is_kind(const char *kind) {
    return strcmp(getenv("RUSSET_FAULT_KIND"), kind) == 0;
}

/* -1 with the error, or no return at all; 0: the call is to be made, and what follows it
 * decided by `after`. */
static int before(void) {
    if (is_kind("kill-before")) raise(SIGKILL);
    if (is_kind("kill-after") || is_kind("short")) return 0;
    errno = atoi(getenv("RUSSET_FAULT_KIND"));
    return -1;
}

static void after(void) {
    if (is_kind("kill-after")) raise(SIGKILL);
}

#define REAL(type, name, ...)                                             \
    static type (*real)(__VA_ARGS__);                                     \
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, name)

ssize_t write(int fd, const void *bytes, size_t len) {
    REAL(ssize_t, "write", int, const void *, size_t);
    if (!is_it_fd("write", fd)) return real(fd, bytes, len);
    if (before() < 0) return -1;
    ssize_t done = real(fd, bytes, is_kind("short") ? len / 2 : len);
    after();
    return done;
}

/* A disk that takes its time. */
static void slow_down(void) {
    const char *ms = getenv("RUSSET_SLOW_SYNC_MS");
    if (ms && is_armed()) usleep((useconds_t)atol(ms) * 1000);
}

#define ON_FD(name, call)                                                 \
    int name(int fd) {                                                    \
        REAL(int, #name, int);                                            \
        slow_down();                                                      \
        if (!is_it_fd(call, fd)) return real(fd);                         \
        if (before() < 0) return -1;                                      \
        int done = real(fd);                                              \
        after();                                                          \
        return done;                                                      \
    }

ON_FD(fsync, "sync")
ON_FD(fdatasync, "sync")

int ftruncate64(int fd, off64_t len) {
    REAL(int, "ftruncate64", int, off64_t);
    if (!is_it_fd("truncate", fd)) return real(fd, len);
    if (before() < 0) return -1;
    int done = real(fd, len);
    after();
    return done;
}

int rename(const char *from, const char *to) {
    REAL(int, "rename", const char *, const char *);
    if (!is_it("rename", to)) return real(from, to);
    if (before() < 0) return -1;
    int done = real(from, to);
    after();
    return done;
}

int unlink(const char *path) {
    REAL(int, "unlink", const char *);
    if (!is_it("unlink", path)) return real(path);
    if (before() < 0) return -1;
    int done = real(path);
    after();
    return done;
}

int open64(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    mode_t mode = va_arg(more, mode_t);
    va_end(more);
    if (!is_it("open", path)) return real_open()(path, flags, mode);
    if (before() < 0) return -1;
    int done = real_open()(path, flags, mode);
    after();
    return done;
}
