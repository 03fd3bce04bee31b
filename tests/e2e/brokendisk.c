/* LD_PRELOAD shim: a disk that fails for some of a program's files, as the kernel tells of it.
 *
 *   BROKENDISK_FILES   a part of the paths of the files that lie on that disk
 *   BROKENDISK_ORDERS  a file that says what fails now, while it is there:
 *                        write ERRNO       whatever writes, grows or cuts a file
 *                        sync ERRNO        fsync and fdatasync
 *                        sync ERRNO once   the next one of these, which removes the orders
 *
 * gcc -O2 -shared -fPIC -o brokendisk.so brokendisk.c -ldl */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

/* Whether this operation on this file fails now, with errno set. */
static int fails(int fd, const char *operation) {
    const char *part = getenv("BROKENDISK_FILES"), *orders = getenv("BROKENDISK_ORDERS");
    char link[64], path[4096], what[16], once[16] = "";
    int number;
    if (!part || !orders)
        return 0;
    FILE *file = fopen(orders, "re");
    if (!file)
        return 0;
    int words = fscanf(file, "%15s %d %15s", what, &number, once);
    fclose(file);
    if (words < 2 || strcmp(what, operation) != 0)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    if (!strstr(path, part))
        return 0;
    /* Of several threads only one can remove the orders. */
    if (words == 3 && unlink(orders) != 0)
        return 0;
    errno = number;
    return 1;
}

#define BREAK(type, name, operation, failed, parameters, arguments)                                \
    type name parameters {                                                                         \
        static type (*real) parameters;                                                            \
        if (!real)                                                                                 \
            real = (type(*) parameters)dlsym(RTLD_NEXT, #name);                                    \
        return fails(fd, operation) ? (failed) : real arguments;                                   \
    }

BREAK(ssize_t, write, "write", -1, (int fd, const void *data, size_t size), (fd, data, size))
BREAK(ssize_t, pwrite, "write", -1, (int fd, const void *data, size_t size, off_t at),
      (fd, data, size, at))
BREAK(ssize_t, pwrite64, "write", -1, (int fd, const void *data, size_t size, off64_t at),
      (fd, data, size, at))
BREAK(int, ftruncate, "write", -1, (int fd, off_t size), (fd, size))
BREAK(int, ftruncate64, "write", -1, (int fd, off64_t size), (fd, size))
BREAK(int, fallocate, "write", -1, (int fd, int mode, off_t at, off_t size), (fd, mode, at, size))
BREAK(int, fallocate64, "write", -1, (int fd, int mode, off64_t at, off64_t size),
      (fd, mode, at, size))
BREAK(int, posix_fallocate, "write", errno, (int fd, off_t at, off_t size), (fd, at, size))
BREAK(int, posix_fallocate64, "write", errno, (int fd, off64_t at, off64_t size), (fd, at, size))
BREAK(int, fsync, "sync", -1, (int fd), (fd))
BREAK(int, fdatasync, "sync", -1, (int fd), (fd))
