/* LD_PRELOAD shim: adds SLOWSYNC_US microseconds to every fsync/fdatasync, to look at a slower
 * disk's effect. gcc -O2 -shared -fPIC -o slowsync.so src/slowsync.c -ldl */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>
static int us = -1;
static void d(void) {
    if (us < 0) {
        char *e = getenv("SLOWSYNC_US");
        us = e ? atoi(e) : 0;
    }
    if (us)
        usleep(us);
}
int fsync(int fd) {
    static int (*f)(int);
    if (!f)
        f = dlsym(RTLD_NEXT, "fsync");
    d();
    return f(fd);
}
int fdatasync(int fd) {
    static int (*f)(int);
    if (!f)
        f = dlsym(RTLD_NEXT, "fdatasync");
    d();
    return f(fd);
}
