/* loadgen - closed-loop HTTP/1.1 load generator for signed webhooks (one thread, epoll, loopback
 * only)
 *
 * BUILD   gcc -O2 -o loadgen loadgen.c
 *
 * USAGE   loadgen --port P --corpus FILE [options]
 *   --port P            server port; the address is always 127.0.0.1 (never anything else)
 *   --path /p           URL path                               (default /webhooks/parley)
 *   --host H            Host header text                       (default 127.0.0.1)
 *   --corpus FILE       TSV made by mkreqs.py, one request a line:  t  key  sig  bodysig  body
 *                         t       unix seconds that were signed
 *                         key     idempotency key (uuid)
 *                         sig     hex(hmac_sha256(secret, "<t>.<body>"))     <- Parley / Stripe
 * form bodysig hex(hmac_sha256(secret, body))             <- GitHub / adnanh-webhook form body raw
 * JSON body (one line)
 *   --header 'N: v'     repeatable; {t} {key} {sig} {bodysig} are replaced per request, e.g.
 *                         --header 'Authorization: Parley-Signature=t={t},v1={sig}'
 *                         --header 'Idempotency-Key: {key}'
 *                         --header 'X-Hub-Signature-256: sha256={bodysig}'
 *                       (Content-Type: application/json and Content-Length are always sent)
 *   -c N                concurrent keep-alive connections      (default 16)
 *   -d S                seconds measured                       (default 4)
 *   -n N                stop after N answered requests          (default 0 = no limit; needs corpus
 * or --wrap)
 *   --warmup S          seconds before measuring starts        (default 0)
 *   --offset K          first corpus line used                 (default 0) so later runs stay
 * unique
 *   --wrap              reuse the corpus from --offset when it is used up (NOT unique any more)
 *   --cpu K             pin to processor K
 *   --acklog FILE       write the key of each request that got a 2xx (also in warm-up): compare it
 * with the server's store after kill -9 to prove "acked implies durable"
 *   --timeout S         per-request timeout, counted as an error (default 10)
 *
 * All requests are rendered to memory before the clock starts, so signing and formatting cost
 * nothing at run time. Each connection has one request in flight (no pipelining). Latency = write()
 * of the request to the last byte of the answer being parsed. Content-Length, chunked, 204/304 and
 * Connection: close answers are understood.
 *
 * OUTPUT  one JSON line: accepted/s (2xx per second in the measured window), p50/p99/max/mean
 * latency in us, non2xx, errors (connect/reset/timeout), status counts, acked_total (warm-up
 * included), used (corpus lines consumed: add it to --offset for the next run), loadgen's own cpu
 * seconds. Exit 0, or 2 on bad usage.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}
static void die(const char *m) {
    fprintf(stderr, "loadgen: %s\n", m);
    exit(2);
}
typedef struct {
    const char *p;
    int len;
    const char *key;
    int keylen;
} req_t;
typedef struct {
    int fd;
    int connecting;
    int req;
    int sent;
    double t0;
    char *buf;
    int n;
    int cap;
} conn_t;
static req_t *R;
static int NR, nextr, off0, wrap_, usedn;
static char *acked;
static int port;
static int ep;
static double *L;
static size_t nL, cL;
static int conns = 16;
static conn_t *C;
static double dur = 4, warm = 0, tmo = 10;
static long maxn = 0;
static long ok_, non2, err_, answered, ackedtotal;
static long st[600];
static double tstart, tmeas, tend;
static int measuring, stopping;
static int live;
static void addlat(double v) {
    if (nL == cL) {
        cL = cL ? cL * 2 : 1 << 16;
        L = realloc(L, cL * sizeof *L);
    }
    L[nL++] = v;
}
static int take(void) {
    if (nextr >= NR) {
        if (!wrap_)
            return -1;
        nextr = off0;
    }
    usedn++;
    return nextr++;
}
static void do_connect(conn_t *c) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd < 0)
        die("socket");
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct sockaddr_in a = {0};
    a.sin_family = AF_INET;
    a.sin_port = htons(port);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int r = connect(fd, (void *)&a, sizeof a);
    c->fd = fd;
    c->connecting = 1;
    c->n = 0;
    struct epoll_event e = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c};
    epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
    if (r < 0 && errno != EINPROGRESS) {
    }
}
static void mod(conn_t *c, int ev) {
    struct epoll_event e = {.events = ev, .data.ptr = c};
    epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &e);
}
static void closec(conn_t *c) {
    if (c->fd >= 0) {
        close(c->fd);
        c->fd = -1;
    }
}
static void pump(conn_t *c) {
    req_t *q = &R[c->req];
    while (c->sent < q->len) {
        ssize_t w = write(c->fd, q->p + c->sent, q->len - c->sent);
        if (w > 0)
            c->sent += w;
        else if (w < 0 && errno == EAGAIN) {
            mod(c, EPOLLIN | EPOLLOUT);
            return;
        } else
            return;
    }
}
static void startreq(conn_t *c) {
    if (stopping) {
        closec(c);
        return;
    }
    int r = take();
    if (r < 0) {
        stopping = 1;
        c->req = -1;
        closec(c);
        return;
    }
    c->req = r;
    c->sent = 0;
    c->n = 0;
    c->t0 = now();
    live++;
    pump(c);
}
static int errs_row;
static void fail(conn_t *c) {
    if (c->req >= 0) {
        live--;
        if (measuring && !stopping)
            err_++;
        else if (!measuring)
            err_++;
    } else
        err_++;
    c->req = -1;
    closec(c);
    if (++errs_row > 2000) {
        stopping = 1;
        return;
    }
    if (!stopping)
        do_connect(c);
}
static char *hdr(char *h, char *end, const char *name) {
    size_t l = strlen(name);
    for (char *p = h; p < end;) {
        char *e = memmem(p, end - p, "\r\n", 2);
        if (!e)
            break;
        if ((size_t)(e - p) > l && p[l] == ':' && !strncasecmp(p, name, l)) {
            p += l + 1;
            while (*p == ' ')
                p++;
            return p;
        }
        p = e + 2;
    }
    return 0;
}
/* returns total length of a complete response, 0 if incomplete, -1 if it ends with the connection
 */
static int complete(conn_t *c, int *status, int *close_) {
    c->buf[c->n] = 0;
    char *e = memmem(c->buf, c->n, "\r\n\r\n", 4);
    if (!e)
        return 0;
    if (c->n < 12)
        return 0;
    *status = atoi(c->buf + 9);
    char *b = e + 4;
    char *cn = hdr(c->buf, e + 2, "Connection");
    *close_ = cn && !strncasecmp(cn, "close", 5);
    if (*status == 204 || *status == 304)
        return b - c->buf;
    char *cl = hdr(c->buf, e + 2, "Content-Length");
    if (cl) {
        int need = b - c->buf + atoi(cl);
        return c->n >= need ? need : 0;
    }
    char *te = hdr(c->buf, e + 2, "Transfer-Encoding");
    if (te && !strncasecmp(te, "chunked", 7)) {
        char *p = b, *end = c->buf + c->n;
        for (;;) {
            char *q = memmem(p, end - p, "\r\n", 2);
            if (!q)
                return 0;
            long s = strtol(p, 0, 16);
            q += 2;
            if (q + s + 2 > end)
                return 0;
            p = q + s + 2;
            if (!s)
                return p - c->buf;
        }
    }
    return -1;
}
static void done(conn_t *c, int status, int close_) {
    double t = now();
    live--;
    errs_row = 0;
    if (status >= 200 && status < 300) {
        acked[c->req] = 1;
        ackedtotal++;
    }
    if (measuring && t <= tend) {
        answered++;
        if (status >= 0 && status < 600)
            st[status]++;
        if (status >= 200 && status < 300) {
            ok_++;
            addlat((t - c->t0) * 1e6);
        } else
            non2++;
        if (maxn && answered >= maxn)
            stopping = 1;
    }
    c->req = -1;
    if (close_) {
        closec(c);
        if (!stopping)
            do_connect(c);
    } else
        startreq(c);
}
static int cmp(const void *a, const void *b) {
    double x = *(double *)a, y = *(double *)b;
    return x < y ? -1 : x > y;
}
int main(int argc, char **argv) {
    const char *path = "/webhooks/parley", *host = "127.0.0.1", *corpus = 0, *acklog = 0;
    const char *H[32];
    int nh = 0, cpu = -1;
    for (int i = 1; i < argc; i++) {
        char *a = argv[i];
#define ARG (++i < argc ? argv[i] : (die("missing value"), ""))
        if (!strcmp(a, "--port"))
            port = atoi(ARG);
        else if (!strcmp(a, "--path"))
            path = ARG;
        else if (!strcmp(a, "--host"))
            host = ARG;
        else if (!strcmp(a, "--corpus"))
            corpus = ARG;
        else if (!strcmp(a, "--header")) {
            if (nh < 32)
                H[nh++] = ARG;
        } else if (!strcmp(a, "-c"))
            conns = atoi(ARG);
        else if (!strcmp(a, "-d"))
            dur = atof(ARG);
        else if (!strcmp(a, "-n"))
            maxn = atol(ARG);
        else if (!strcmp(a, "--warmup"))
            warm = atof(ARG);
        else if (!strcmp(a, "--offset"))
            off0 = atoi(ARG);
        else if (!strcmp(a, "--wrap"))
            wrap_ = 1;
        else if (!strcmp(a, "--cpu"))
            cpu = atoi(ARG);
        else if (!strcmp(a, "--acklog"))
            acklog = ARG;
        else if (!strcmp(a, "--timeout"))
            tmo = atof(ARG);
        else
            die("unknown option (usage: see the head of loadgen.c)");
    }
    if (!port || !corpus || conns < 1 || conns > 4096)
        die("usage: loadgen --port P --corpus FILE [--path] [--header]... [-c N] [-d S]; see the "
            "head of loadgen.c");
    signal(SIGPIPE, SIG_IGN);
    if (cpu >= 0) {
        cpu_set_t s;
        CPU_ZERO(&s);
        CPU_SET(cpu, &s);
        sched_setaffinity(0, sizeof s, &s);
    }
    FILE *f = fopen(corpus, "rb");
    if (!f)
        die("cannot open corpus");
    struct stat sb;
    fstat(fileno(f), &sb);
    char *data = malloc(sb.st_size + 1);
    if (fread(data, 1, sb.st_size, f) != (size_t)sb.st_size)
        die("read");
    data[sb.st_size] = 0;
    fclose(f);
    long lineno = 0;
    int R0 = 0;
    int cap = 1 << 16;
    R = malloc(cap * sizeof *R);
    for (char *p = data; *p;) {
        char *e = strchr(p, '\n');
        if (!e)
            e = p + strlen(p);
        char *fld[5];
        int fl[5];
        char *q = p;
        int k = 0;
        if (maxn && !wrap_) {
            long ln = lineno++;
            if (ln < off0) {
                R0++;
                if (!*e)
                    break;
                p = e + 1;
                continue;
            }
            if (ln >= off0 + 2 * maxn + 20000)
                break;
        }
        for (; k < 5; k++) {
            fld[k] = q;
            char *t = k < 4 ? memchr(q, '\t', e - q) : e;
            if (!t)
                break;
            fl[k] = t - q;
            q = t + 1;
        }
        if (k == 5) {
            if (NR == cap) {
                cap *= 2;
                R = realloc(R, cap * sizeof *R);
            }
            char tmp[8192];
            int n = snprintf(tmp, sizeof tmp,
                             "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: "
                             "application/json\r\nContent-Length: %d\r\n",
                             path, host, fl[4]);
            for (int h = 0; h < nh; h++) {
                for (const char *s = H[h]; *s && n < 7000;) {
                    const char *nm[] = {"{t}", "{key}", "{sig}", "{bodysig}"};
                    int m = -1;
                    for (int z = 0; z < 4; z++)
                        if (!strncmp(s, nm[z], strlen(nm[z])))
                            m = z;
                    if (m >= 0) {
                        memcpy(tmp + n, fld[m], fl[m]);
                        n += fl[m];
                        s += strlen(nm[m]);
                    } else
                        tmp[n++] = *s++;
                }
                tmp[n++] = '\r';
                tmp[n++] = '\n';
            }
            tmp[n++] = '\r';
            tmp[n++] = '\n';
            char *b = malloc(n + fl[4]);
            memcpy(b, tmp, n);
            memcpy(b + n, fld[4], fl[4]);
            R[NR].p = b;
            R[NR].len = n + fl[4];
            R[NR].key = fld[1];
            R[NR].keylen = fl[1];
            NR++;
        }
        if (!*e)
            break;
        p = e + 1;
    }
    if (R0) {
        off0 -= R0;
    }
    if (off0 >= NR)
        die("offset past the corpus");
    acked = calloc(NR, 1);
    nextr = off0;
    ep = epoll_create1(0);
    C = calloc(conns, sizeof *C);
    for (int i = 0; i < conns; i++) {
        C[i].cap = 1 << 16;
        C[i].buf = malloc(C[i].cap + 1);
        C[i].req = -1;
        do_connect(&C[i]);
    }
    tstart = now();
    tmeas = tstart + warm;
    tend = tmeas + dur;
    measuring = warm <= 0;
    double tlast = tstart, sweep = tstart;
    struct epoll_event ev[512];
    for (;;) {
        double t = now();
        if (!measuring && t >= tmeas) {
            measuring = 1;
            tmeas = t;
            tend = t + dur;
            ok_ = non2 = answered = err_ = 0;
            nL = 0;
            memset(st, 0, sizeof st);
        }
        if (t >= tend && !stopping) {
            stopping = 1;
            tlast = t;
        }
        if (stopping) {
            if (!tlast || tlast == tstart)
                tlast = t;
            if (live <= 0 || t > tlast + tmo)
                break;
        }
        if (t - sweep > 0.25) {
            sweep = t;
            for (int i = 0; i < conns; i++)
                if (C[i].req >= 0 && t - C[i].t0 > tmo)
                    fail(&C[i]);
        }
        int n = epoll_wait(ep, ev, 512, 20);
        for (int i = 0; i < n; i++) {
            conn_t *c = ev[i].data.ptr;
            if (c->fd < 0)
                continue;
            if (c->connecting) {
                int e = 0;
                socklen_t l = sizeof e;
                getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &e, &l);
                if (e || (ev[i].events & EPOLLERR)) {
                    fail(c);
                    continue;
                }
                if (!(ev[i].events & EPOLLOUT))
                    continue;
                c->connecting = 0;
                mod(c, EPOLLIN);
                startreq(c);
                continue;
            }
            if ((ev[i].events & EPOLLOUT) && c->req >= 0) {
                mod(c, EPOLLIN);
                pump(c);
            }
            if (ev[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
                ssize_t r = read(c->fd, c->buf + c->n, c->cap - c->n);
                if (r < 0 && errno == EAGAIN)
                    continue;
                if (r <= 0) {
                    int s = 0, cl = 0;
                    if (r == 0 && c->req >= 0 && c->n > 0 && complete(c, &s, &cl) == -1) {
                        done(c, s, 1);
                        continue;
                    }
                    if (c->req < 0) {
                        closec(c);
                        if (!stopping)
                            do_connect(c);
                    } else
                        fail(c);
                    continue;
                }
                c->n += r;
                if (c->req < 0) {
                    c->n = 0;
                    continue;
                }
                int s = 0, cl = 0;
                int k = complete(c, &s, &cl);
                if (k > 0)
                    done(c, s, cl);
            }
        }
    }
    double t1 = stopping && tlast < tend ? tlast : tend;
    double secs = t1 - tmeas;
    if (secs <= 0)
        secs = 1e-9;
    qsort(L, nL, sizeof *L, cmp);
    double sum = 0;
    for (size_t i = 0; i < nL; i++)
        sum += L[i];
    struct rusage ru;
    getrusage(RUSAGE_SELF, &ru);
    printf("{\"conns\":%d,\"secs\":%.3f,\"accepted\":%ld,\"accepted_per_s\":%.1f,\"p50_us\":%.0f,"
           "\"p99_us\":%.0f,\"max_us\":%.0f,\"mean_us\":%.0f,\"non2xx\":%ld,\"errors\":%ld,\"acked_"
           "total\":%ld,\"used\":%d,\"loadgen_cpu_s\":%.2f,\"status\":{",
           conns, secs, ok_, ok_ / secs, nL ? L[nL / 2] : 0, nL ? L[(size_t)(nL * .99)] : 0,
           nL ? L[nL - 1] : 0, nL ? sum / nL : 0, non2, err_, ackedtotal, usedn,
           ru.ru_utime.tv_sec + ru.ru_utime.tv_usec * 1e-6 + ru.ru_stime.tv_sec +
               ru.ru_stime.tv_usec * 1e-6);
    int first = 1;
    for (int i = 0; i < 600; i++)
        if (st[i]) {
            printf("%s\"%d\":%ld", first ? "" : ",", i, st[i]);
            first = 0;
        }
    printf("}}\n");
    if (acklog) {
        FILE *g = fopen(acklog, "wb");
        for (int i = 0; i < NR; i++)
            if (acked[i])
                fprintf(g, "%.*s\n", R[i].keylen, R[i].key);
        fclose(g);
    }
    return 0;
}
