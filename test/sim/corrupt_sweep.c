/*
 * The corruption sweep: data directories made by the real store, broker and groups on the simulated
 * disk; then every block of every file is harmed in every way, one harm at a time, and a start on
 * it must end in one of four outcomes: what was derived is rebuilt or nobody misses it (a full read
 * is equal), the range answers an error that names it and everything else is served, or the start
 * is refused with a reason. Never other bytes, never a shorter log, never silence; common_corrupt.h
 * has the one exception. `leat verify`'s code looks first and must come to the same end. On every
 * other disk the scrub goes over everything before anybody reads, and must leave nothing for a read
 * to find.
 *
 * Four directories: killed with frames that only the ring has; stopped; stopped, started and killed
 * before the next checkpoint; the same so small that an image is one block, whose older version is
 * a whole older image. Older copies of their files were taken on the way.
 *
 *   corrupt_sweep [--seed N] [--share I/N] [--sample N] [--only N] [--fault NAME] [-v]
 *
 * --sample N: every N-th harm; --share I/N: the I-th of N processes; --only N: one harm, told
 * about;
 * --fault NAME: a fault is planted into the store, and not finding it is the failure.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common_corrupt.h"
#include "core/log.h"

enum { FILES = 256, COPIES = 6, BLOCK = 4096 };

struct copy_file {
    char path[COR_PATH];
    uint8_t *bytes;
    uint64_t size;
};
struct copy { /* of a whole data directory */
    struct copy_file files[FILES];
    uint32_t count;
};
struct scenario {
    const char *name;
    struct env *env;
    struct env_sim_disk *disk;
    struct cor_model model;
    struct cor_layout layout;
    struct copy now, older[COPIES];
    uint32_t older_count;
};
enum harm_kind { FLIP, ZERO, CUT, SWAP, SWAP_ALIGNED, OLD, OLDEST, FOREIGN, KINDS };
static const char *const kind_names[KINDS] = {"bit flipped",    "zeroed",           "cut off there",
                                              "swapped",        "swapped, aligned", "older version",
                                              "oldest version", "from another file"};

static struct {
    uint64_t seed, sample, only, share, shares;
    bool verbose;
    const char *fault;
} opt = {.seed = 1, .sample = 1, .only = UINT64_MAX, .shares = 1};
static uint64_t numbered, tried[KINDS], outcomes[COR_OUTCOMES], damaged, missing, failed;

/* ---- Copies of a directory ------------------------------------------------------------------ */

struct listing {
    struct env *env;
    struct copy *to;
    const char *dir;
    char subdirs[32][COR_PATH];
    uint32_t subdir_count;
};

static bool copy_one(void *ctx, const char *name, bool is_dir)
{
    struct listing *l = ctx;
    char path[2 * COR_PATH];
    (void)snprintf(path, sizeof(path), "%s/%.100s", l->dir, name);
    if (strlen(path) >= COR_PATH || l->subdir_count == ARRAY_LEN(l->subdirs) ||
        l->to->count == FILES) {
        abort();
    }
    memcpy(is_dir ? l->subdirs[l->subdir_count++] : l->to->files[l->to->count++].path, path,
           COR_PATH);
    return true;
}

static void copy_dir(struct env *env, const char *dir, struct copy *to)
{
    struct listing l = {.env = env, .to = to, .dir = dir};
    struct ectx ec;
    if (env_dir_list(env, dir, copy_one, &l, &ec) != ERR_OK) {
        abort();
    }
    for (uint32_t i = 0; i < l.subdir_count; i++) {
        copy_dir(env, l.subdirs[i], to);
    }
}

static void copy_take(struct env *env, struct copy *to)
{
    copy_dir(env, COR_DIR, to);
    for (uint32_t i = 0; i < to->count; i++) {
        struct copy_file *f = &to->files[i];
        const uint8_t *bytes = env_sim_file_bytes(env, f->path, &f->size);
        f->bytes = malloc(f->size + 1);
        if (bytes == NULL || f->bytes == NULL) {
            abort();
        }
        memcpy(f->bytes, bytes, f->size);
    }
}

static const struct copy_file *copy_find(const struct copy *c, const char *path)
{
    for (uint32_t i = 0; i < c->count; i++) {
        if (strcmp(c->files[i].path, path) == 0) {
            return &c->files[i];
        }
    }
    return NULL;
}

static void copy_free(struct copy *c)
{
    for (uint32_t i = 0; i < c->count; i++) {
        free(c->files[i].bytes);
    }
}

/* ---- Making the directories ----------------------------------------------------------------- */

static void remember(struct scenario *s)
{
    if (s->older_count == COPIES) {
        abort();
    }
    copy_take(s->env, &s->older[s->older_count++]);
}

static void some_batches(struct cor_node *n, struct cor_model *m, uint32_t rounds)
{
    for (uint32_t i = 0; i < rounds && !m->bad; i++) {
        cor_produce(n, m, 0, 0, 20, 8, (int)(i % 2));
        cor_produce(n, m, 1, (int)(i % 2), 100 + (uint32_t)cor_rnd(m, 700), 3, (int)(i % 3) - 1);
        if (i % 3 == 0) {
            cor_produce(n, m, 1, (int)cor_rnd(m, 2), 2500, 2, -1);
            cor_produce(n, m, 2, 0, 3000, 1, 2);
        }
        if (i % 4 == 1) {
            cor_produce(n, m, 3, 0, 300, 2, -1);
            cor_commit(n, m, (int)cor_rnd(m, 3), 0, (int)cor_rnd(m, 2), (int64_t)m->uid);
        }
    }
}

static void start(struct scenario *s, struct cor_node *n)
{
    if (cor_start(n, s->env) != ERR_OK) {
        cor_bad(&s->model, "starting: %s", n->ec.text);
    }
    cor_small_segments(n);
}

/* As it was during the first start: the meta file does not say "ready" yet. */
static void remember_first_start(struct scenario *s)
{
    struct meta meta;
    remember(s);
    struct copy *c = &s->older[s->older_count - 1];
    for (uint32_t i = 0; i < c->count; i++) {
        if (strcmp(c->files[i].path, COR_DIR "/meta") == 0 &&
            meta_decode(c->files[i].bytes, &meta)) {
            meta.ready = false;
            meta_encode(&meta, c->files[i].bytes);
        }
    }
}

/* One topic, a few batches, three images; the last one is that of the second start. */
static void small_life(struct scenario *s, struct cor_node *n)
{
    struct cor_model *m = &s->model;
    start(s, n);
    remember_first_start(s);
    cor_topic_make(n, m, "tiny", 1, false);
    cor_produce(n, m, 0, 0, 20, 8, -1);
    cor_checkpoint(n);
    remember(s);
    cor_produce(n, m, 0, 0, 3000, 2, -1);
    cor_stop(n, false);
    start(s, n);
    cor_topic_make(n, m, "late", 1, false);
    cor_produce(n, m, 1, 0, 100, 3, -1);
    cor_produce(n, m, 0, 0, 100, 3, -1);
    cor_commit(n, m, 0, 0, 0, 5);
    cor_id(n, m);
    cor_produce(n, m, 0, 0, 3000, 1, -1);
    cor_stop(n, true);
}

static void first_life(struct scenario *s, struct cor_node *n)
{
    struct cor_model *m = &s->model;
    start(s, n);
    remember_first_start(s);
    cor_topic_make(n, m, "tiny", 1, false);
    cor_topic_make(n, m, "mixed", 2, false);
    cor_topic_make(n, m, "large", 1, false);
    cor_topic_make(n, m, "relaxed", 1, true);
    cor_small_segments(n);
    for (int i = 0; i < 3; i++) {
        cor_id(n, m);
    }
    some_batches(n, m, 30);
    cor_checkpoint(n);
    remember(s);
    some_batches(n, m, 20);
    cor_checkpoint(n);
    some_batches(n, m, 10);
    cor_stop(n, false);
    remember(s);
    start(s, n);
    some_batches(n, m, 15);
    cor_checkpoint(n);
    remember(s);
}

/* What only frames of the ring have: all kinds of facts, and batches alone and together. */
static void last_frames(struct scenario *s, struct cor_node *n)
{
    struct cor_model *m = &s->model;
    some_batches(n, m, 3);
    cor_topic_make(n, m, "late", 1, false);
    cor_produce(n, m, 4, 0, 60, 3, -1);
    cor_topic_alter(n, m, 1, 600000);
    cor_id(n, m); /* a lease: the start before this one gave the last one up */
    cor_produce(n, m, 4, 0, 4000, 2, -1);
    cor_commit(n, m, 1, 0, 0, 1000000);
    cor_produce(n, m, 1, 1, 900, 20, 0); /* several groups of one unit */
    cor_produce(n, m, 2, 0, 6000, 3, 2);
    cor_commit(n, m, 1, 1, 1, 1000001);
    cor_produce(n, m, 0, 0, 30, 5, 1);
    cor_produce(n, m, 1, 0, 200, 2, -1);
}

static void large_life(struct scenario *s, struct cor_node *n, int which)
{
    first_life(s, n);
    some_batches(n, &s->model, 8);
    cor_checkpoint(n);
    some_batches(n, &s->model, 3);
    if (which == 0) {
        cor_checkpoint(n);
        last_frames(s, n);
    } else {
        cor_stop(n, false);
        if (which == 2) {
            remember(s);
            start(s, n);
            last_frames(s, n);
        }
    }
    if (which != 1) {
        cor_stop(n, true);
    }
}

static void build(struct scenario *s, int which, uint64_t seed)
{
    static const char *const names[] = {"killed", "stopped", "killed soon after a stop", "small"};
    struct cor_node n;
    struct cor_model *m = &s->model;
    const struct env_sim_config cfg = {.seed = seed, .write_ns = 20000, .sync_ns = 100000};
    if (env_sim_create(&cfg, &s->env) != ERR_OK) {
        abort();
    }
    s->name = names[which];
    m->rng = seed * 1000003 + (uint64_t)which;
    if (which == 3) {
        small_life(s, &n);
    } else {
        large_life(s, &n, which);
    }
    copy_take(s->env, &s->now);
    s->disk = env_sim_disk_save(s->env);
    cor_layout_read(s->env, m, &s->layout);
    for (int t = 0; t < m->topic_count; t++) {
        for (int p = 0; p < m->topics[t].parts; p++) {
            for (uint32_t i = 0; i < m->topics[t].part[p].n; i++) {
                const struct cor_batch *b = &m->topics[t].part[p].b[i];
                if (b->seg[0] == '\0' && !b->in_ring) {
                    cor_bad(m, "%s: nobody knows where offset %lld is", m->topics[t].name,
                            (long long)b->b.base);
                }
            }
        }
    }
    if (which != 1 && m->topics[m->topic_count - 1].made.from < s->layout.position) {
        cor_bad(m, "the ring has too little: a checkpoint came between");
    }
    if (!m->bad) { /* nothing is harmed: nothing may be found */
        const struct cor_harm none = {.path = "none"};
        struct cor_verdict v;
        cor_judge(s->env, m, &s->layout, &none, false, &v);
        if (v.outcome != COR_HARMLESS) {
            cor_bad(m, "the unharmed directory is not");
        }
    }
}

/* ---- Harming -------------------------------------------------------------------------------- */

static bool put_block(struct scenario *s, const struct copy_file *f, uint64_t at,
                      const uint8_t *with, uint64_t n)
{
    uint64_t size;
    uint8_t *bytes = env_sim_file_bytes(s->env, f->path, &size);
    n = at + n > size ? size - at : n;
    if (bytes == NULL || memcmp(bytes + at, with, n) == 0) {
        return false;
    }
    memcpy(bytes + at, with, n);
    return true;
}

static bool harm_swap(struct scenario *s, const struct copy_file *f, uint64_t at, bool aligned,
                      struct cor_harm *h)
{
    const uint64_t blocks = f->size / BLOCK, block = at / BLOCK;
    if (blocks < 2 || block >= blocks) {
        return false;
    }
    /* Three blocks on, an index has its entries at the same places again. */
    uint64_t other = aligned ? block + 3 : run_mix(at + opt.seed) % blocks;
    other = other == block ? (other + 1) % blocks : other;
    if (other >= blocks) {
        return false;
    }
    h->also_from = other * BLOCK;
    h->also_to = h->also_from + BLOCK;
    return put_block(s, f, at, f->bytes + h->also_from, BLOCK) &&
           put_block(s, f, h->also_from, f->bytes + at, BLOCK);
}

static bool harm_older(struct scenario *s, const struct copy_file *f, uint64_t at, bool oldest)
{
    for (uint32_t k = 0; k < s->older_count; k++) {
        const struct copy *c = &s->older[oldest ? k : s->older_count - 1 - k];
        const struct copy_file *o = copy_find(c, f->path);
        if (o == NULL || o->size <= at) {
            continue;
        }
        uint8_t block[BLOCK];
        memcpy(block, f->bytes + at, f->size - at < BLOCK ? f->size - at : BLOCK);
        memcpy(block, o->bytes + at, o->size - at < BLOCK ? o->size - at : BLOCK);
        if (put_block(s, f, at, block, BLOCK)) {
            return true;
        }
    }
    return false;
}

static bool harm_foreign(struct scenario *s, const struct copy_file *f, uint64_t at)
{
    const char *suffix = strrchr(f->path, '.');
    for (uint32_t k = 0; k < s->now.count; k++) {
        const struct copy_file *o = &s->now.files[(k + at / BLOCK) % s->now.count];
        const char *its = strrchr(o->path, '.');
        const bool kin = suffix != NULL ? its != NULL && strcmp(its, suffix) == 0
                                        : its == NULL && o->path[3] == f->path[3];
        if (kin && o != f && o->size >= at + BLOCK && f->size >= at + BLOCK) {
            return put_block(s, f, at, o->bytes + at, BLOCK);
        }
    }
    return false;
}

/* false: this harm changes nothing here. */
static bool harm(struct scenario *s, const struct copy_file *f, uint64_t at, enum harm_kind kind,
                 struct cor_harm *h)
{
    static const uint8_t zeros[BLOCK];
    const uint64_t n = f->size - at < BLOCK ? f->size - at : BLOCK;
    struct env_file *file;
    struct ectx ec;
    uint64_t size;
    *h = (struct cor_harm){.from = at, .to = at + n};
    memcpy(h->path, f->path, sizeof(h->path));
    switch (kind) {
    case FLIP: {
        const uint64_t r = run_mix(at * 31 + opt.seed);
        h->from = at + r % n;
        h->to = h->from + 1;
        env_sim_file_bytes(s->env, f->path, &size)[h->from] ^= (uint8_t)(1u << (r >> 32) % 8);
        return true;
    }
    case ZERO:
        return put_block(s, f, at, zeros, n);
    case CUT:
        h->to = UINT64_MAX;
        if (env_file_open(s->env, f->path, ENV_READ | ENV_WRITE, &file, &ec) != ERR_OK ||
            env_file_truncate(file, at, &ec) != ERR_OK) {
            abort();
        }
        env_file_close(file);
        return true;
    case SWAP:
        return harm_swap(s, f, at, false, h);
    case SWAP_ALIGNED:
        return harm_swap(s, f, at, true, h);
    case OLD:
        return harm_older(s, f, at, false);
    case OLDEST:
        return harm_older(s, f, at, true);
    case FOREIGN:
        return harm_foreign(s, f, at);
    case KINDS:
        break;
    }
    return false;
}

static void one(struct scenario *s, const struct copy_file *f, uint64_t at, enum harm_kind kind)
{
    static const char *const words[COR_OUTCOMES] = {"refused", "quarantined", "torn tail",
                                                    "harmless"};
    struct cor_harm h;
    struct cor_verdict v = {0};
    env_sim_disk_restore(s->env, s->disk);
    if (!harm(s, f, at, kind, &h)) {
        return;
    }
    s->model.bad = false;
    tried[kind]++;
    cor_judge(s->env, &s->model, &s->layout, &h, run_mix(numbered) % 2 == 0, &v);
    outcomes[v.outcome]++;
    damaged += v.damaged_batches;
    missing += v.missing_batches;
    if (s->model.bad) {
        failed++;
        printf("%s number %llu, seed %llu, %s: %s, byte %llu %s: %s\n",
               opt.fault != NULL ? "  found:" : "FAIL", (unsigned long long)numbered,
               (unsigned long long)opt.seed, s->name, f->path, (unsigned long long)at,
               kind_names[kind], s->model.why);
        (void)fflush(stdout);
    } else if (opt.verbose) {
        printf("  %llu %s: %s, byte %llu %s: %s, %u batches damaged, %u missing\n",
               (unsigned long long)numbered, s->name, f->path, (unsigned long long)at,
               kind_names[kind], words[v.outcome], v.damaged_batches, v.missing_batches);
    }
}

/* A planted fault is found with the first. */
static uint64_t failures_max(void)
{
    return opt.fault != NULL ? 1 : 20;
}

static void sweep(struct scenario *s)
{
    for (uint32_t i = 0; i < s->now.count && failed < failures_max(); i++) {
        const struct copy_file *f = &s->now.files[i];
        /* Nothing is in these. The reserve has no block of its own: one is enough. */
        const uint64_t size = strcmp(f->path, COR_DIR "/reserve") == 0 ? BLOCK : f->size;
        for (uint64_t at = 0; at < size; at += BLOCK) {
            for (int kind = 0; kind < KINDS && failed < failures_max(); kind++) {
                const uint64_t number = ++numbered;
                if (opt.only != UINT64_MAX ? number == opt.only
                                           : run_mix(number * 977 + opt.seed) % opt.sample == 0 &&
                                                 number / opt.sample % opt.shares == opt.share) {
                    one(s, f, at, (enum harm_kind)kind);
                }
            }
        }
    }
}

#ifdef LEAT_DEBUG
static const struct {
    const char *name;
    bool *on;
} faults[] = {
    {"believe-old-meta", &store_faults.believe_old_meta},
    {"believe-old-image", &store_faults.believe_old_image},
    {"drop-orphans", &store_faults.drop_orphans},
    {"forget-quarantine", &store_faults.forget_quarantine},
    {"reuse-after-damage", &store_faults.reuse_after_damage},
};

static bool plant(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
        if (strcmp(faults[i].name, name) == 0) {
            *faults[i].on = true;
            return true;
        }
    }
    return false;
}
#else
static bool plant(const char *name)
{
    (void)name;
    return false;
}
#endif

static bool parse(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        char *end;
        uint64_t *into = strcmp(argv[i], "--seed") == 0     ? &opt.seed
                         : strcmp(argv[i], "--sample") == 0 ? &opt.sample
                         : strcmp(argv[i], "--only") == 0   ? &opt.only
                         : strcmp(argv[i], "--share") == 0  ? &opt.share
                                                            : NULL;
        if (strcmp(argv[i], "-v") == 0) {
            opt.verbose = true;
        } else if (strcmp(argv[i], "--fault") == 0) {
            opt.fault = value;
            i++;
        } else if (into == NULL) {
            return false;
        } else {
            *into = strtoull(value, &end, 10);
            if (into == &opt.share && *end == '/') {
                opt.shares = strtoull(end + 1, NULL, 10);
            }
            i++;
        }
    }
    return opt.sample > 0 && opt.shares > 0 && opt.share < opt.shares;
}

int main(int argc, char **argv)
{
    if (!parse(argc, argv)) {
        fprintf(stderr, "usage: corrupt_sweep [--seed N] [--share I/N] [--sample N] [--only N] "
                        "[--fault NAME] [-v]\n");
        return 2;
    }
    if (opt.fault != NULL && !plant(opt.fault)) {
        fprintf(stderr, "corrupt_sweep: no fault is called %s (debug build?)\n", opt.fault);
        return 2;
    }
    log_set(opt.only != UINT64_MAX ? LOG_LEVEL_INFO : LOG_LEVEL_NONE, LOG_FORMAT_TEXT);
    opt.verbose = opt.verbose || opt.only != UINT64_MAX;
    for (int i = 0; i < 4 && failed < failures_max(); i++) {
        const int which = (i + 3) % 4; /* the small one first */
        struct scenario *s = calloc(1, sizeof(*s));
        if (s == NULL) {
            abort();
        }
        build(s, which, opt.seed);
        if (s->model.bad) {
            printf("FAIL seed %llu, %s: %s\n", (unsigned long long)opt.seed, s->name, s->model.why);
            failed++;
        } else {
            sweep(s);
        }
        for (uint32_t k = 0; k < s->older_count; k++) {
            copy_free(&s->older[k]);
        }
        copy_free(&s->now);
        env_sim_disk_free(s->disk);
        env_destroy(s->env);
        free(s);
    }
    printf("corrupt_sweep: harms:");
    for (int k = 0; k < KINDS; k++) {
        printf(" %llu %s%s", (unsigned long long)tried[k], kind_names[k], k + 1 < KINDS ? "," : "");
    }
    printf("; %llu harmless, %llu quarantined, %llu refused, %llu like a torn tail; %llu batches "
           "damaged, %llu cut off\n",
           (unsigned long long)outcomes[COR_HARMLESS],
           (unsigned long long)outcomes[COR_QUARANTINED], (unsigned long long)outcomes[COR_REFUSED],
           (unsigned long long)outcomes[COR_CUT], (unsigned long long)damaged,
           (unsigned long long)missing);
    if (opt.fault != NULL) {
        printf(failed > 0 ? "  caught %s\n" : "  MISSED %s\n", opt.fault);
        return failed > 0 ? 0 : 1;
    }
    return failed == 0 ? 0 : 1;
}
