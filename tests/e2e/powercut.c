/* LD_PRELOAD shim: a record of all that a program has written to some of its files, in order.
 *
 *   POWERCUT_FILES  a part of the paths of these files
 *   POWERCUT_LOG    where the record goes: for each step one byte for its kind, the length of the
 *                   file's name, an offset, a length, then the name, and for a write its data
 *                     W write   T cut to a length   S fsync or fdatasync has returned   U removed
 *
 * A write is on record before it is done, and a sync after: what the record shows as synced is.
 *
 * gcc -O2 -shared -fPIC -o powercut.so powercut.c -ldl */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

struct head {
    int64_t kind, name, offset, length;
};

static void note(const char *path, char kind, int64_t offset, int64_t length, const void *data) {
    static int log = -1;
    static ssize_t (*real)(int, const struct iovec *, int);
    const char *part = getenv("POWERCUT_FILES"), *place = getenv("POWERCUT_LOG");
    if (!part || !place || !strstr(path, part) || strstr(path, ".lock"))
        return;
    if (!real)
        real = (ssize_t(*)(int, const struct iovec *, int))dlsym(RTLD_NEXT, "writev");
    if (log < 0)
        log = open(place, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    struct head head = {kind, (int64_t)strlen(name), offset, length};
    struct iovec parts[] = {{&head, sizeof head},
                            {(void *)name, (size_t)head.name},
                            {(void *)data, data ? (size_t)length : 0}};
    if (real(log, parts, 3) < 0)
        abort();
}

static void note_fd(int fd, char kind, int64_t offset, int64_t length, const void *data) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size < 0)
        return;
    path[size] = 0;
    note(path, kind, offset, length, data);
}

#define REAL(type, name, parameters)                                                               \
    static type(*real) parameters;                                                                 \
    if (!real)                                                                                     \
        real = (type(*) parameters)dlsym(RTLD_NEXT, #name)

#define PWRITE(name, offset_type)                                                                  \
    ssize_t name(int fd, const void *data, size_t size, offset_type at) {                          \
        REAL(ssize_t, name, (int, const void *, size_t, offset_type));                             \
        note_fd(fd, 'W', at, (int64_t)size, data);                                                 \
        return real(fd, data, size, at);                                                           \
    }
#define CUT(name, offset_type)                                                                     \
    int name(int fd, offset_type size) {                                                           \
        REAL(int, name, (int, offset_type));                                                       \
        note_fd(fd, 'T', 0, size, NULL);                                                           \
        return real(fd, size);                                                                     \
    }
#define SYNC(name)                                                                                 \
    int name(int fd) {                                                                             \
        REAL(int, name, (int));                                                                    \
        int result = real(fd);                                                                     \
        if (result == 0)                                                                           \
            note_fd(fd, 'S', 0, 0, NULL);                                                          \
        return result;                                                                             \
    }

PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)
CUT(ftruncate, off_t)
CUT(ftruncate64, off64_t)
SYNC(fsync)
SYNC(fdatasync)

ssize_t write(int fd, const void *data, size_t size) {
    REAL(ssize_t, write, (int, const void *, size_t));
    note_fd(fd, 'W', lseek(fd, 0, SEEK_CUR), (int64_t)size, data);
    return real(fd, data, size);
}

int unlink(const char *path) {
    REAL(int, unlink, (const char *));
    int result = real(path);
    if (result == 0)
        note(path, 'U', 0, 0, NULL);
    return result;
}
