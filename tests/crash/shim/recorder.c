/*
 * A library to preload (LD_PRELOAD): what the process does to the files of one folder goes into a
 * log, in its order and with its data, and chosen calls fail as a bad disk would let them fail.
 *
 * It owns nothing else: calls on other files pass untouched. A call that would change a file of the
 * folder past this library ends the process, so that no log is silently incomplete. A sync is
 * written down and not carried out: the log is the disk.
 *
 *   RECORDER_FOLDER   the folder, without a slash at its end and with links resolved
 *   RECORDER_LOG      the log, outside of the folder; appended to
 *   RECORDER_EIO      "n": the n-th sync fails with EIO, "n+": so does every later one
 *   RECORDER_ONLY     only syncs of files whose name ends so are counted and fail
 *   RECORDER_ROOM     files may grow by so many bytes together, then ENOSPC
 *
 * SQLite's -shm files are left out: they are no part of what must survive. Files that end with
 * .jsonl are written down, but never fail: they are the test's own.
 *
 * A record: head, then `size` bytes of data. Numbers are the machine's.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { CREATE = 1, WRITE, TRUNCATE, SYNC, SYNC_FAILED, SYNC_FOLDER, UNLINK, RENAME };

struct head {
    uint32_t kind;
    uint32_t size;
    uint64_t file;  /* inode */
    uint64_t value; /* offset of a write, length, or how long the log was when a sync began */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const char *folder;
static size_t folder_size;
static int log_file = -1;
static long eio_at, syncs;
static int eio_stays;
static const char *only = "";
static long long room = -1;

#define REAL(name) ((__typeof__(&name))real(#name))

static void *real(const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    if (!found) abort();
    return found;
}

static void stop(const char *why) {
    fprintf(stderr, "recorder: %s\n", why);
    abort();
}

__attribute__((constructor)) static void begin(void) {
    folder = getenv("RECORDER_FOLDER");
    if (!folder) return;
    folder_size = strlen(folder);
    const char *log = getenv("RECORDER_LOG");
    if (log) {
        log_file = REAL(open)(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (log_file < 0) stop("the log cannot be opened");
    }
    const char *eio = getenv("RECORDER_EIO");
    if (eio) {
        eio_at = atol(eio);
        eio_stays = strchr(eio, '+') != NULL;
    }
    if (getenv("RECORDER_ONLY")) only = getenv("RECORDER_ONLY");
    if (getenv("RECORDER_ROOM")) room = atoll(getenv("RECORDER_ROOM"));
}

static int ends_with(const char *text, const char *end) {
    size_t a = strlen(text), b = strlen(end);
    return a >= b && strcmp(text + a - b, end) == 0;
}

/* The name within the folder; "" is the folder itself, NULL what is none of ours. */
static const char *within(const char *path) {
    if (!folder || strncmp(path, folder, folder_size) != 0) return NULL;
    const char *rest = path + folder_size;
    if (*rest == 0) return rest;
    return *rest == '/' && !ends_with(rest, "-shm") && !ends_with(rest, " (deleted)") ? rest + 1 : NULL;
}

static const char *name_of(int fd, char *buffer) {
    if (!folder) return NULL;
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, buffer, PATH_MAX - 1);
    if (size <= 0) return NULL;
    buffer[size] = 0;
    return within(buffer);
}

static uint64_t inode_of(int fd) {
    struct stat found;
    if (fstat(fd, &found) != 0) stop("a file cannot be asked");
    return found.st_ino;
}

static uint64_t log_size(void) {
    struct stat found;
    return log_file >= 0 && fstat(log_file, &found) == 0 ? (uint64_t)found.st_size : 0;
}

/* One call, so that a process that dies leaves whole records. */
static void note(enum kind kind, uint64_t file, uint64_t value, const void *data, size_t size) {
    if (log_file < 0) return;
    struct head head = {kind, (uint32_t)size, file, value};
    struct iovec parts[2] = {{&head, sizeof head}, {(void *)data, size}};
    if (REAL(writev)(log_file, parts, 2) != (ssize_t)(sizeof head + size)) stop("the log is full");
}

static ssize_t refuse(int error) {
    pthread_mutex_unlock(&lock);
    errno = error;
    return -1;
}

/* Whether a write up to there finds room; takes what it needs. */
static int has_room(int fd, const char *name, uint64_t end) {
    if (room < 0 || ends_with(name, ".jsonl")) return 1;
    struct stat found;
    if (fstat(fd, &found) != 0) stop("a file cannot be asked");
    long long growth = (long long)end - (long long)found.st_size;
    if (growth <= 0) return 1;
    if (growth > room) return 0;
    room -= growth;
    return 1;
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) {
    char buffer[PATH_MAX];
    const char *name = name_of(fd, buffer);
    if (!name) return REAL(pwrite)(fd, data, size, offset);
    pthread_mutex_lock(&lock);
    if (!has_room(fd, name, (uint64_t)offset + size)) return refuse(ENOSPC);
    ssize_t written = REAL(pwrite)(fd, data, size, offset);
    if (written > 0) note(WRITE, inode_of(fd), (uint64_t)offset, data, (size_t)written);
    pthread_mutex_unlock(&lock);
    return written;
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) {
    return pwrite(fd, data, size, offset);
}

ssize_t write(int fd, const void *data, size_t size) {
    char buffer[PATH_MAX];
    const char *name = fd == log_file ? NULL : name_of(fd, buffer);
    if (!name) return REAL(write)(fd, data, size);
    pthread_mutex_lock(&lock);
    int whence = (fcntl(fd, F_GETFL) & O_APPEND) ? SEEK_END : SEEK_CUR;
    if (!has_room(fd, name, (uint64_t)lseek(fd, 0, whence) + size)) return refuse(ENOSPC);
    ssize_t written = REAL(write)(fd, data, size);
    if (written > 0) {
        off_t end = lseek(fd, 0, SEEK_CUR);
        note(WRITE, inode_of(fd), (uint64_t)(end - written), data, (size_t)written);
    }
    pthread_mutex_unlock(&lock);
    return written;
}

int ftruncate(int fd, off_t size) {
    char buffer[PATH_MAX];
    const char *name = name_of(fd, buffer);
    if (!name) return REAL(ftruncate)(fd, size);
    pthread_mutex_lock(&lock);
    struct stat before;
    if (fstat(fd, &before) != 0) stop("a file cannot be asked");
    int done = REAL(ftruncate)(fd, size);
    if (done == 0 && room >= 0 && size < before.st_size) room += before.st_size - size;
    if (done == 0) note(TRUNCATE, inode_of(fd), (uint64_t)size, NULL, 0);
    pthread_mutex_unlock(&lock);
    return done;
}

int ftruncate64(int fd, off64_t size) { return ftruncate(fd, size); }

static int sync_file(int fd, const char *name) {
    pthread_mutex_lock(&lock);
    uint64_t began = log_size();
    int fails = 0;
    if (eio_at && *name && ends_with(name, only) && !ends_with(name, ".jsonl")) {
        syncs += 1;
        fails = syncs == eio_at || (eio_stays && syncs > eio_at);
    }
    note(fails ? SYNC_FAILED : *name ? SYNC : SYNC_FOLDER, inode_of(fd), began, NULL, 0);
    if (fails) return (int)refuse(EIO);
    pthread_mutex_unlock(&lock);
    return 0;
}

int fsync(int fd) {
    char buffer[PATH_MAX];
    const char *name = name_of(fd, buffer);
    return name ? sync_file(fd, name) : REAL(fsync)(fd);
}

int fdatasync(int fd) {
    char buffer[PATH_MAX];
    const char *name = name_of(fd, buffer);
    return name ? sync_file(fd, name) : REAL(fdatasync)(fd);
}

static int open_and_note(int at, const char *path, int flags, mode_t mode) {
    if (!folder || !(flags & (O_CREAT | O_TRUNC))) return REAL(openat)(at, path, flags, mode);
    pthread_mutex_lock(&lock);
    int is_new = faccessat(at, path, F_OK, 0) != 0;
    int fd = REAL(openat)(at, path, flags, mode);
    char buffer[PATH_MAX];
    const char *name = fd < 0 ? NULL : name_of(fd, buffer);
    if (name && is_new) note(CREATE, inode_of(fd), 0, name, strlen(name));
    else if (name && (flags & O_TRUNC)) note(TRUNCATE, inode_of(fd), 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    return fd;
}

#define MODE_OF(flags, mode)                                                                       \
    mode_t mode = 0;                                                                               \
    if ((flags) & (O_CREAT | O_TMPFILE)) {                                                         \
        va_list rest;                                                                              \
        va_start(rest, flags);                                                                     \
        mode = va_arg(rest, mode_t);                                                               \
        va_end(rest);                                                                              \
    }

int open(const char *path, int flags, ...) {
    MODE_OF(flags, mode)
    return open_and_note(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    MODE_OF(flags, mode)
    return open_and_note(AT_FDCWD, path, flags, mode);
}

int openat(int at, const char *path, int flags, ...) {
    MODE_OF(flags, mode)
    return open_and_note(at, path, flags, mode);
}

int openat64(int at, const char *path, int flags, ...) {
    MODE_OF(flags, mode)
    return open_and_note(at, path, flags, mode);
}

int unlink(const char *path) {
    char buffer[PATH_MAX];
    const char *name = folder && realpath(path, buffer) ? within(buffer) : NULL;
    if (!name) return REAL(unlink)(path);
    pthread_mutex_lock(&lock);
    int done = REAL(unlink)(path);
    if (done == 0) note(UNLINK, 0, 0, name, strlen(name));
    pthread_mutex_unlock(&lock);
    return done;
}

int rename(const char *from, const char *to) {
    char before[PATH_MAX], after[PATH_MAX], both[2 * PATH_MAX];
    const char *old = folder && realpath(from, before) ? within(before) : NULL;
    if (!old) return REAL(rename)(from, to);
    pthread_mutex_lock(&lock);
    int done = REAL(rename)(from, to);
    if (done == 0) {
        const char *new = realpath(to, after) ? within(after) : NULL;
        if (!new) stop("a file left the folder");
        int size = snprintf(both, sizeof both, "%s%c%s", old, 0, new);
        note(RENAME, 0, 0, both, (size_t)size);
    }
    pthread_mutex_unlock(&lock);
    return done;
}

/* What nobody uses here, and what would get past the log. */
static void must_not_be_ours(int fd, const char *call) {
    char buffer[PATH_MAX];
    if (fd != log_file && name_of(fd, buffer)) stop(call);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    must_not_be_ours(fd, "writev is not written down");
    return REAL(writev)(fd, parts, count);
}

int posix_fallocate(int fd, off_t offset, off_t size) {
    must_not_be_ours(fd, "posix_fallocate is not written down");
    return REAL(posix_fallocate)(fd, offset, size);
}

ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t size, unsigned flags) {
    must_not_be_ours(out, "copy_file_range is not written down");
    return REAL(copy_file_range)(in, from, out, to, size, flags);
}
