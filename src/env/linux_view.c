/*
 * Small reads of a file without a system call each: a file that is often asked for a few bytes of
 * what is in the page cache is mapped, and they are copied from there.
 *
 * What is not in memory must not be touched, for the thread would wait for the device. So the
 * mapping is looked at in blocks, and what mincore said of one is believed for VIEW_TRUST_MS. A
 * page that is taken away meanwhile costs one wait, no more: bytes are right whenever they come.
 * What reads cannot give at all (the device fails, the file was cut behind our back) arrives as
 * SIGBUS while copying; it is caught, and the caller reads as if there were no mapping, and gets
 * the error from there.
 *
 * Bytes are always copied: what was checked must not change after the check.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <ucontext.h>

#include "core/check.h"
#include "core/mem.h"
#include "env/linux_int.h"

#define VIEW_PAGE       4096u
#define VIEW_BLOCK      (64u * VIEW_PAGE) /* a bit for each page */
#define VIEW_STEP       (16u << 20)       /* a mapping covers a multiple of it: files grow */
#define VIEW_BYTES_MAX  (16ull << 30)     /* of all mappings: 32 MiB of page tables */
#define VIEW_READS      64                /* a file that was asked so often is mapped */
#define VIEW_READ_BYTES (64u << 10)       /* more at once is worth a system call */
#define VIEW_TRUST_MS   250
#define VIEW_LINE       64u /* of the processor's caches */

struct view_block {
    uint64_t resident;
    uint64_t looked_ms; /* 0: never */
};

/* ---- A copy that may fail ------------------------------------------------------------------- */

static _Thread_local sigjmp_buf *volatile copying; /* where to go on when it fails */
static struct sigaction before;

static void on_bus(int signal_number, siginfo_t *info, void *context)
{
    (void)signal_number;
    (void)info;
    if (copying != NULL) {
        /* Runtimes that stand between (ThreadSanitizer's does) block all signals meanwhile. */
        (void)pthread_sigmask(SIG_SETMASK, &((ucontext_t *)context)->uc_sigmask, NULL);
        siglongjmp(*copying, 1);
    }
    (void)sigaction(SIGBUS, &before, NULL); /* not ours: it comes again */
}

void linux_view_start(void)
{
    struct sigaction act = {.sa_sigaction = on_bus, .sa_flags = SA_SIGINFO}, old;
    sigemptyset(&act.sa_mask);
    CHECK(sigaction(SIGBUS, &act, &old) == 0);
    if (old.sa_sigaction != on_bus) {
        before = old;
    }
}

static bool copy(void *to, const uint8_t *from, size_t n)
{
    sigjmp_buf here;
    if (sigsetjmp(here, 0) != 0) {
        copying = NULL;
        return false;
    }
    copying = &here;
    atomic_signal_fence(memory_order_seq_cst);
    memcpy(to, from, n);
    atomic_signal_fence(memory_order_seq_cst);
    copying = NULL;
    return true;
}

/* ---- The mapping ----------------------------------------------------------------------------- */

static uint64_t now_ms(void)
{
    struct timespec t;
    CHECK(clock_gettime(CLOCK_MONOTONIC_COARSE, &t) == 0);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000 + 1;
}

static void view_drop(struct linux_file *f)
{
    struct linux_view *v = &f->view;
    if (v->at != NULL) {
        munmap(v->at, v->size);
        f->env->view_bytes -= v->size;
    }
    mem_free(v->blocks);
    v->at = NULL;
    v->blocks = NULL;
    v->size = 0;
}

/* Nor is it tried again with each read. */
static bool view_not_now(struct linux_view *v)
{
    v->file_size = v->file_size < v->size ? v->file_size : v->size;
    v->asked = 0;
    return false;
}

/* Maps all of the file, anew if it has grown. False: it is not to be. */
static bool view_make(struct linux_file *f)
{
    struct linux_view *v = &f->view;
    struct stat st;
    if (fstat(f->fd, &st) != 0) {
        return false;
    }
    v->file_size = (uint64_t)st.st_size;
    const size_t wanted = ((size_t)v->file_size + VIEW_STEP - 1) / VIEW_STEP * VIEW_STEP;
    if (wanted <= v->size) {
        return v->size > 0;
    }
    /* What there is stays until the larger one is there: it still answers for the older part. */
    if (atomic_fetch_add(&f->env->view_bytes, wanted) + wanted > VIEW_BYTES_MAX) {
        f->env->view_bytes -= wanted;
        return view_not_now(v);
    }
    struct view_block *blocks = mem_zalloc(wanted / VIEW_BLOCK, sizeof(*blocks));
    void *at = blocks == NULL ? MAP_FAILED : mmap(NULL, wanted, PROT_READ, MAP_SHARED, f->fd, 0);
    if (at == MAP_FAILED) {
        v->refused = v->size == 0 && blocks != NULL;
        mem_free(blocks);
        f->env->view_bytes -= wanted;
        return view_not_now(v);
    }
    view_drop(f);
    v->blocks = blocks;
    (void)madvise(at, wanted, MADV_RANDOM); /* a page that went away brings no others with it */
    v->at = at;
    v->size = wanted;
    return true;
}

/* The bits of the pages of [offset, end) that lie in block `i`. */
static uint64_t pages_of(size_t i, uint64_t offset, uint64_t end)
{
    const uint64_t begin = (uint64_t)i * VIEW_BLOCK;
    const uint64_t first = offset > begin ? (offset - begin) / VIEW_PAGE : 0;
    const uint64_t last = end < begin + VIEW_BLOCK ? (end - 1 - begin) / VIEW_PAGE : 63;
    return (UINT64_MAX << first) & (UINT64_MAX >> (63 - last));
}

static bool in_memory(struct linux_view *v, uint64_t offset, uint64_t end)
{
    const uint64_t now = now_ms();
    for (size_t i = offset / VIEW_BLOCK; (uint64_t)i * VIEW_BLOCK < end; i++) {
        struct view_block *b = &v->blocks[i];
        if (now - b->looked_ms > VIEW_TRUST_MS) {
            unsigned char pages[VIEW_BLOCK / VIEW_PAGE];
            if (mincore(v->at + i * VIEW_BLOCK, VIEW_BLOCK, pages) != 0) {
                return false;
            }
            b->resident = 0;
            b->looked_ms = now;
            for (size_t k = 0; k < sizeof(pages); k++) {
                b->resident |= (uint64_t)(pages[k] & 1) << k;
            }
        }
        const uint64_t wanted = pages_of(i, offset, end);
        if ((b->resident & wanted) != wanted) {
            return false;
        }
    }
    return true;
}

bool linux_file_peek(struct env_file *file, void *p, size_t n, uint64_t offset)
{
    struct linux_file *f = linux_file_of(file);
    struct linux_view *v = &f->view;
    const uint64_t end = offset + n;
    if (f->direct || n == 0 || n > VIEW_READ_BYTES || end < offset) {
        return false;
    }
    pthread_mutex_lock(&v->lock);
    bool ok = !v->refused;
    if (ok && (v->size == 0 || end > v->file_size)) {
        ok = ++v->asked > VIEW_READS && view_make(f) && end <= v->file_size;
    }
    ok = ok && in_memory(v, offset, end) && copy(p, v->at + offset, n);
    pthread_mutex_unlock(&v->lock);
    return ok;
}

/* A prefetch never faults, wherever it points to. */
void linux_file_soon(struct env_file *file, uint64_t offset, size_t n)
{
    struct linux_view *v = &linux_file_of(file)->view;
    pthread_mutex_lock(&v->lock);
    if (offset < v->size && n <= v->size - offset) {
        for (size_t i = 0; i < n; i += VIEW_LINE) {
            __builtin_prefetch(v->at + offset + i);
        }
    }
    pthread_mutex_unlock(&v->lock);
}

void linux_view_note(struct linux_file *f, uint64_t offset, size_t n)
{
    struct linux_view *v = &f->view;
    if (n == 0 || n > VIEW_READ_BYTES) {
        return;
    }
    pthread_mutex_lock(&v->lock);
    for (size_t i = offset / VIEW_BLOCK;
         offset + n <= v->size && (uint64_t)i * VIEW_BLOCK < offset + n; i++) {
        v->blocks[i].resident |= pages_of(i, offset, offset + n);
    }
    pthread_mutex_unlock(&v->lock);
}

void linux_view_cut(struct linux_file *f, uint64_t size)
{
    pthread_mutex_lock(&f->view.lock);
    f->view.file_size = size < f->view.file_size ? size : f->view.file_size;
    pthread_mutex_unlock(&f->view.lock);
}

void linux_view_init(struct linux_file *f)
{
    CHECK(pthread_mutex_init(&f->view.lock, NULL) == 0); /* Linux: it cannot fail */
}

void linux_view_forget(struct linux_file *f)
{
    pthread_mutex_lock(&f->view.lock);
    view_drop(f);
    f->view.asked = 0;
    pthread_mutex_unlock(&f->view.lock);
}

void linux_view_deinit(struct linux_file *f)
{
    view_drop(f);
    pthread_mutex_destroy(&f->view.lock);
}
