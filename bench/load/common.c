/*
 * See common.h. The counters come from /proc and /sys; a process that ends between two looks is
 * counted with its parent, who has reaped it.
 */
#include "load/common.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

void die_errno(const char *what)
{
    char why[128];
    die(what, strerror_r(errno, why, sizeof(why)));
}

/* ---- Options */

void options_init(struct options *o, int argc, char **argv, int first)
{
    *o = (struct options){argc - first, argv + first, 0};
    if (o->argc < 0 || o->argc > 64 || o->argc % 2 != 0) {
        die("options", "expected pairs of --name value");
    }
}

const char *option_text(struct options *o, const char *name, const char *fallback)
{
    for (int i = 0; i < o->argc; i += 2) {
        if (strncmp(o->argv[i], "--", 2) == 0 && strcmp(o->argv[i] + 2, name) == 0) {
            o->used |= UINT64_C(1) << i;
            return o->argv[i + 1];
        }
    }
    if (fallback == NULL) {
        die(name, "this option is needed");
    }
    return fallback;
}

double option_real(struct options *o, const char *name, double fallback)
{
    const char *text = option_text(o, name, "");
    char *end = NULL;
    double value = *text != '\0' ? strtod(text, &end) : fallback;
    if (end != NULL && *end != '\0') {
        die(name, "expected a number");
    }
    return value;
}

uint64_t option_u64(struct options *o, const char *name, uint64_t fallback)
{
    return (uint64_t)option_real(o, name, (double)fallback);
}

void options_end(const struct options *o)
{
    for (int i = 0; i < o->argc; i += 2) {
        if ((o->used >> i & 1) == 0) {
            die(o->argv[i], "there is no such option in this mode");
        }
    }
}

/* ---- Clock and memory */

double now_s(void)
{
    return (double)now_ns() / 1e9;
}

void sleep_s(double seconds)
{
    struct timespec t = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&t, NULL);
}

static double usage_s(int who)
{
    struct rusage u;
    getrusage(who, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

double cpu_self_s(void)
{
    return usage_s(RUSAGE_SELF);
}

double cpu_thread_s(void)
{
    return usage_s(RUSAGE_THREAD);
}

void *take_memory(size_t size_bytes)
{
    size_t rounded = (size_bytes + 4095) / 4096 * 4096;
    void *p = aligned_alloc(4096, rounded > 0 ? rounded : 4096);
    if (p == NULL) {
        die("memory", "there is not enough");
    }
    memset(p, 0, rounded > 0 ? rounded : 4096);
    return p;
}

/* ---- Latencies */

void samples_init(struct samples *s, size_t capacity)
{
    *s = (struct samples){take_memory(capacity * sizeof(uint64_t)), 0, capacity};
}

void samples_deinit(struct samples *s)
{
    free(s->ns);
}

void samples_add(struct samples *s, uint64_t ns)
{
    if (s->count == s->capacity) {
        die("samples", "more than were planned: take fewer --seconds");
    }
    s->ns[s->count++] = ns;
}

static int by_value(const void *a, const void *b)
{
    const uint64_t *x = a;
    const uint64_t *y = b;
    return (*x > *y) - (*x < *y);
}

void samples_print(struct samples *s, const char *prefix)
{
    if (s->count == 0) {
        die("samples", "there are none");
    }
    qsort(s->ns, s->count, sizeof(*s->ns), by_value);
    static const struct {
        const char *name;
        double share;
    } points[] = {{"p50", 0.5}, {"p99", 0.99}, {"p999", 0.999}, {"max", 1}};
    for (size_t i = 0; i < ARRAY_LEN(points); i++) {
        size_t at = (size_t)(points[i].share * (double)s->count);
        at = at < s->count ? at : s->count - 1;
        printf(",\"%s%s_us\":%.1f", prefix, points[i].name, (double)s->ns[at] / 1e3);
    }
}

/* ---- The meter */

/* CPU seconds of a process; with its reaped children if `children`. -1: it is gone. */
static double process_cpu_s(const char *pid, bool children, int *parent)
{
    char path[64];
    char text[1024];
    snprintf(path, sizeof(path), "/proc/%.20s/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
    if (fd >= 0) {
        close(fd);
    }
    if (n <= 0) {
        return -1;
    }
    text[n] = '\0';
    char *p = strrchr(text, ')');
    if (p == NULL) {
        return -1;
    }
    p += 2; /* the state; the parent follows */
    double ticks = 0;
    for (int field = 3; field <= 17 && *p != '\0'; field++) {
        char *end;
        double value = strtod(p, &end);
        if (field == 4) {
            *parent = (int)value;
        }
        if (field == 14 || field == 15 || (children && field >= 16)) {
            ticks += value;
        }
        p += strcspn(p, " ");
        p += *p == ' ';
    }
    return ticks / (double)sysconf(_SC_CLK_TCK);
}

/* CPU of the broker, and of everything that is neither it, nor we, nor another program that the
 * same parent has started (a second load), nor the kernel's own threads. */
static void look_at_processes(const struct meter *m, double *broker, double *foreign)
{
    int self = (int)getpid();
    int above = (int)getppid();
    *broker = *foreign = 0;
    DIR *d = opendir("/proc");
    if (d == NULL) {
        die_errno("/proc");
    }
    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
        if (!isdigit((unsigned char)e->d_name[0])) {
            continue;
        }
        int pid = (int)strtol(e->d_name, NULL, 10);
        int parent = 0;
        double cpu = process_cpu_s(e->d_name, pid != self && pid != m->pid, &parent);
        if (cpu < 0 || pid == 2 || parent == 2 || pid == self || parent == self) {
            continue;
        }
        if (pid == m->pid) {
            *broker += cpu;
        } else if (parent != above) {
            *foreign += cpu;
        }
    }
    closedir(d);
}

static double machine_cpu_s(void)
{
    char line[512];
    FILE *f = fopen("/proc/stat", "r");
    if (f == NULL || fgets(line, sizeof(line), f) == NULL) {
        die_errno("/proc/stat");
    }
    fclose(f);
    double ticks = 0;
    char *p = line + 4;
    for (int field = 0; field < 7; field++) { /* user nice system idle iowait irq softirq */
        double value = strtod(p, &p);
        ticks += field == 3 || field == 4 ? 0 : value;
    }
    return ticks / (double)sysconf(_SC_CLK_TCK);
}

/* Bytes that the device of `path` has read (field 3 of its stat) or written (field 7). */
static uint64_t device_bytes(const char *path, int wanted)
{
    struct stat st;
    char name[128];
    char text[512] = "";
    if (path == NULL || stat(path, &st) != 0) {
        return 0;
    }
    snprintf(name, sizeof(name), "/sys/dev/block/%u:%u/stat", major(st.st_dev), minor(st.st_dev));
    FILE *f = fopen(name, "r");
    if (f == NULL) {
        return 0; /* a file system without a device */
    }
    char *p = fgets(text, sizeof(text), f);
    fclose(f);
    uint64_t value = 0;
    for (int field = 1; p != NULL && field <= wanted; field++) {
        value = strtoull(p, &p, 10);
    }
    return value * 512;
}

uint64_t device_written_bytes(const char *path)
{
    return device_bytes(path, 7);
}

/* A line of /proc/PID/status in KiB. */
static uint64_t status_kib(int pid, const char *key)
{
    char name[64];
    char line[256];
    uint64_t kib = 0;
    snprintf(name, sizeof(name), "/proc/%d/status", pid);
    FILE *f = fopen(name, "r");
    while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
        if (strncmp(line, key, strlen(key)) == 0) {
            kib = strtoull(line + strlen(key) + 1, NULL, 10);
        }
    }
    if (f != NULL) {
        fclose(f);
    }
    return kib;
}

void meter_sample(struct meter *m)
{
    if (m->pid > 0) {
        uint64_t anon = status_kib(m->pid, "RssAnon");
        uint64_t all = status_kib(m->pid, "VmRSS");
        m->anon_kib_max = anon > m->anon_kib_max ? anon : m->anon_kib_max;
        m->cached_kib_max = all - anon > m->cached_kib_max ? all - anon : m->cached_kib_max;
    }
}

void meter_start(struct meter *m, int pid, const char *path)
{
    *m = (struct meter){.pid = pid, .path = path};
    meter_sample(m);
    m->device_bytes = device_written_bytes(path);
    m->device_read_bytes = device_bytes(path, 3);
    m->machine_cpu_s = machine_cpu_s();
    m->client_cpu_s = cpu_self_s() + usage_s(RUSAGE_CHILDREN);
    look_at_processes(m, &m->broker_cpu_s, &m->foreign_cpu_s);
    m->seconds = now_s();
}

void meter_stop(struct meter *m)
{
    double broker, foreign;
    m->seconds = now_s() - m->seconds;
    look_at_processes(m, &broker, &foreign);
    m->broker_cpu_s = broker - m->broker_cpu_s;
    m->foreign_cpu_s = foreign > m->foreign_cpu_s ? foreign - m->foreign_cpu_s : 0;
    m->client_cpu_s = cpu_self_s() + usage_s(RUSAGE_CHILDREN) - m->client_cpu_s;
    m->machine_cpu_s = machine_cpu_s() - m->machine_cpu_s;
    m->device_bytes = device_written_bytes(m->path) - m->device_bytes;
    m->device_read_bytes = device_bytes(m->path, 3) - m->device_read_bytes;
    meter_sample(m);
}

void meter_print(const struct meter *m)
{
    printf(",\"seconds\":%.4f,\"client_cpu_s\":%.4f,\"machine_cpu_s\":%.3f,\"foreign_cores\":%.3f",
           m->seconds, m->client_cpu_s, m->machine_cpu_s, m->foreign_cpu_s / m->seconds);
    if (m->path != NULL) {
        printf(",\"device_bytes\":%llu,\"device_read_bytes\":%llu",
               (unsigned long long)m->device_bytes, (unsigned long long)m->device_read_bytes);
    }
    if (m->pid > 0) {
        printf(",\"broker_cpu_s\":%.3f,\"anon_mib\":%.1f,\"mapped_mib\":%.1f", m->broker_cpu_s,
               (double)m->anon_kib_max / 1024, (double)m->cached_kib_max / 1024);
    }
}

double drain(const char *path, double limit_s)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || syncfs(fd) != 0) {
        die_errno(path);
    }
    close(fd);
    double began = now_s();
    double last = began;
    uint64_t before = device_written_bytes(path);
    while (now_s() - last < 0.5 && now_s() - began < limit_s) {
        sleep_s(0.05);
        uint64_t after = device_written_bytes(path);
        if (after - before > 256u * 1024) { /* less is the journal's own housekeeping */
            last = now_s();
        }
        before = after;
    }
    return last;
}

/* ---- Sockets and payloads */

static int dial_unix(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(a.sun_path)) {
        die(path, "the name is too long for a socket");
    }
    memcpy(a.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)(const void *)&a, sizeof(a)) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

int dial(const char *address)
{
    int fd = *address == '/' ? dial_unix(address) : frame_dial(address, 0, true);
    if (fd < 0) {
        die_errno(address);
    }
    return fd;
}

bool read_all(int fd, void *p, size_t n)
{
    for (uint8_t *at = p; n > 0;) {
        ssize_t got = read(fd, at, n);
        if (got <= 0) {
            return false;
        }
        at += got;
        n -= (size_t)got;
    }
    return true;
}

bool write_all(int fd, const void *p, size_t n)
{
    for (const uint8_t *at = p; n > 0;) {
        ssize_t put = write(fd, at, n);
        if (put <= 0) {
            return false;
        }
        at += put;
        n -= (size_t)put;
    }
    return true;
}

void make_payload(char *out, size_t n, unsigned seed)
{
    char head[128];
    int len =
        snprintf(head, sizeof(head),
                 "{\"eventType\":\"order.placed\",\"orderId\":\"%08x\",\"amount\":%u,\"note\":\"",
                 seed * 2654435761u, seed % 9999);
    size_t used = (size_t)len < n ? (size_t)len : n;
    memcpy(out, head, used);
    for (size_t i = used; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        out[i] = (char)('a' + (seed >> 24) % 26);
    }
    if (n > 2) {
        memcpy(out + n - 2, "\"}", 2);
    }
}
