/*
 * Records: what was told about them, and the judgement of what is read. See common_model.h.
 *
 * For every offset of a partition there is one word: who is there (writer, batch, index) and who
 * told so (acknowledgement, consumer, an earlier reading). For every batch there is one row. The
 * word is never changed to another record, so "renumbered" is one comparison.
 */
#include "common_model_int.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BY_ACK  (1ull << 60)
#define BY_SEEN (1ull << 61)
#define BY_READ (1ull << 62)
#define GONE    (1ull << 63) /* told, then taken back by a power cut, as relaxed ones may */
#define BY      (BY_ACK | BY_SEEN | BY_READ | GONE)

static const char *const names[] = {
#define MODEL_NAME(name, text) #name,
    MODEL_KINDS(MODEL_NAME)
#undef MODEL_NAME
};
static const char *const texts[] = {
#define MODEL_TEXT(name, text) text,
    MODEL_KINDS(MODEL_TEXT)
#undef MODEL_TEXT
};

const char *model_kind_name(enum model_kind kind)
{
    return names[kind];
}

void *model_more(void *p, size_t *cap, size_t want, size_t size)
{
    if (want <= *cap) {
        return p;
    }
    size_t cap_new = *cap < 256 ? 256 : *cap;
    while (cap_new < want) {
        cap_new *= 2;
    }
    uint8_t *more = realloc(p, cap_new * size);
    if (more == NULL) {
        fputs("crash test: out of memory\n", stderr);
        abort();
    }
    memset(more + *cap * size, 0, (cap_new - *cap) * size);
    *cap = cap_new;
    return more;
}

struct model *model_create(const char *history, bool quiet)
{
    struct model *m = calloc(1, sizeof(*m));
    if (m == NULL) {
        abort();
    }
    pthread_mutex_init(&m->mutex, NULL);
    m->quiet = quiet;
    m->fd = history == NULL ? -1 : open(history, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (history != NULL && m->fd < 0) {
        perror(history);
        abort();
    }
    return m;
}

void model_destroy(struct model *m)
{
    for (uint32_t i = 0; i < m->part_count; i++) {
        free(m->parts[i].told);
    }
    for (uint32_t i = 0; i < m->writer_count; i++) {
        free(m->writers[i].batches);
    }
    if (m->fd >= 0) {
        close(m->fd);
    }
    pthread_mutex_destroy(&m->mutex);
    free(m);
}

void model_line(struct model *m, const char *fmt, ...)
{
    if (m->fd < 0) {
        return;
    }
    char line[512];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof(line) - 1, fmt, ap);
    va_end(ap);
    n = n < (int)sizeof(line) - 1 ? n : (int)sizeof(line) - 2;
    line[n] = '\n';
    if (write(m->fd, line, (size_t)n + 1) != n + 1) {
        perror("crash test: history");
        abort();
    }
}

void model_violation_locked(struct model *m, enum model_kind kind, const char *fmt, ...)
{
    char text[400];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    model_line(m, "VIOLATION %s %s", names[kind], text);
    /* The first few say what is wrong; thousands would hide them. */
    if (++m->counts[kind] <= 5 && !m->quiet) {
        printf("VIOLATION %s (%s): %s\n", names[kind], texts[kind], text);
        fflush(stdout);
    }
}

void model_violation(struct model *m, enum model_kind kind, const char *fmt, ...)
{
    char text[400];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    pthread_mutex_lock(&m->mutex);
    model_violation_locked(m, kind, "%s", text);
    pthread_mutex_unlock(&m->mutex);
}

void model_note(struct model *m, const char *fmt, ...)
{
    char text[400];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    pthread_mutex_lock(&m->mutex);
    model_line(m, "# %s", text);
    pthread_mutex_unlock(&m->mutex);
}

uint64_t model_count_of(struct model *m, enum model_kind kind)
{
    pthread_mutex_lock(&m->mutex);
    uint64_t n = m->counts[kind];
    pthread_mutex_unlock(&m->mutex);
    return n;
}

uint64_t model_violations(struct model *m)
{
    uint64_t n = 0;
    for (int i = 0; i < MODEL_KIND_COUNT; i++) {
        n += model_count_of(m, (enum model_kind)i);
    }
    return n;
}

void model_totals_get(struct model *m, struct model_totals *out)
{
    pthread_mutex_lock(&m->mutex);
    *out = m->totals;
    pthread_mutex_unlock(&m->mutex);
}

/* ---- Names ------------------------------------------------------------------------------------
 */

uint32_t model_part_add(struct model *m, const char *topic, int32_t index, bool relaxed)
{
    if (m->part_count == MODEL_PARTS) {
        abort();
    }
    struct model_part *p = &m->parts[m->part_count];
    (void)snprintf(p->topic, sizeof(p->topic), "%s", topic);
    p->index = index;
    p->relaxed = relaxed;
    model_line(m, "part %u %s %d%s", m->part_count, topic, index, relaxed ? " relaxed" : "");
    return m->part_count++;
}

uint32_t model_part_count(const struct model *m)
{
    return m->part_count;
}

const char *model_part_topic(const struct model *m, uint32_t part)
{
    return m->parts[part].topic;
}

int32_t model_part_index(const struct model *m, uint32_t part)
{
    return m->parts[part].index;
}

bool model_part_relaxed(const struct model *m, uint32_t part)
{
    return m->parts[part].relaxed;
}

uint32_t model_writer_add(struct model *m)
{
    if (m->writer_count == MODEL_WRITERS) {
        abort();
    }
    return m->writer_count++;
}

static uint64_t id_of(uint32_t writer, uint32_t batch, uint32_t index)
{
    return (uint64_t)(writer + 1) << 48 | (uint64_t)batch << 16 | index;
}

void model_key(uint32_t writer, uint32_t batch, uint32_t index, uint32_t size,
               char out[MODEL_KEY_SIZE + 1])
{
    (void)snprintf(out, MODEL_KEY_SIZE + 1, "%04x%08x%04x%08x", writer & 0xffff, batch,
                   index & 0xffff, size);
}

void model_value(uint32_t writer, uint32_t batch, uint32_t index, uint32_t size, uint8_t *out)
{
    uint64_t x = id_of(writer, batch, index) * 0x9E3779B97F4A7C15u + size;
    for (uint32_t i = 0; i < size; i += 8) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        memcpy(out + i, &x, size - i < 8 ? size - i : 8);
    }
}

struct named {
    uint32_t writer, batch, index, size;
};

static bool key_parse(struct str key, struct named *out)
{
    uint64_t v[4] = {0};
    static const size_t widths[4] = {4, 8, 4, 8};
    if (key.n != MODEL_KEY_SIZE) {
        return false;
    }
    const char *p = key.p;
    for (int f = 0; f < 4; f++) {
        for (size_t i = 0; i < widths[f]; i++, p++) {
            const char *digits = "0123456789abcdef";
            const char *at = *p == '\0' ? NULL : strchr(digits, *p);
            if (at == NULL) {
                return false;
            }
            v[f] = v[f] << 4 | (uint64_t)(at - digits);
        }
    }
    *out = (struct named){(uint32_t)v[0], (uint32_t)v[1], (uint32_t)v[2], (uint32_t)v[3]};
    return true;
}

static bool value_is_right(const struct named *n, struct str value)
{
    if (value.p == NULL || value.n != n->size) {
        return false;
    }
    uint64_t x = id_of(n->writer, n->batch, n->index) * 0x9E3779B97F4A7C15u + n->size;
    for (uint32_t i = 0; i < n->size; i += 8) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        if (memcmp(value.p + i, &x, n->size - i < 8 ? n->size - i : 8) != 0) {
            return false;
        }
    }
    return true;
}

/* ---- Before the crash -------------------------------------------------------------------------
 */

uint32_t model_send(struct model *m, uint32_t writer, uint32_t part, uint32_t records)
{
    pthread_mutex_lock(&m->mutex);
    struct model_writer *w = &m->writers[writer];
    w->batches = model_more(w->batches, &w->cap, w->count + 1u, sizeof(*w->batches));
    uint32_t batch = w->count++;
    w->batches[batch] = (struct model_batch){
        .part = part, .records = records, .state = MODEL_UNKNOWN, .offset = -1};
    m->totals.sent++;
    model_line(m, "send %u %u %u %u", writer, batch, part, records);
    pthread_mutex_unlock(&m->mutex);
    return batch;
}

void model_send_again(struct model *m, uint32_t writer, uint32_t batch)
{
    pthread_mutex_lock(&m->mutex);
    struct model_batch *b = &m->writers[writer].batches[batch];
    if (b->state == MODEL_ABSENT) {
        b->state = MODEL_UNKNOWN;
        if (batch < m->writers[writer].settled) {
            m->writers[writer].settled = batch;
        }
    }
    model_line(m, "again %u %u", writer, batch);
    pthread_mutex_unlock(&m->mutex);
}

bool model_is_stored(struct model *m, uint32_t writer, uint32_t batch)
{
    pthread_mutex_lock(&m->mutex);
    enum model_state state = m->writers[writer].batches[batch].state;
    pthread_mutex_unlock(&m->mutex);
    return state == MODEL_OK || state == MODEL_PRESENT;
}

/* Notes that `id` is at `offset`; false if somebody else is. */
static bool tell(struct model *m, uint32_t part, int64_t offset, uint64_t id, uint64_t by)
{
    struct model_part *p = &m->parts[part];
    p->told = model_more(p->told, &p->told_cap, (size_t)offset + 1, sizeof(*p->told));
    uint64_t had = p->told[offset];
    if (had != 0 && ((had & ~BY) != id || (had & GONE) != 0)) {
        uint64_t old = had & ~BY;
        model_violation_locked(
            m, MODEL_RENUMBERED,
            "%s/%d offset %lld: writer %u batch %u was told, now it is writer %u batch %u%s",
            p->topic, p->index, (long long)offset, (unsigned)(old >> 48) - 1,
            (unsigned)(old >> 16 & 0xffffffffu), (unsigned)(id >> 48) - 1,
            (unsigned)(id >> 16 & 0xffffffffu),
            (had & GONE) != 0 ? " (the first was taken back by a power cut)" : "");
        return false;
    }
    p->told[offset] = had | id | by;
    p->told_count = offset + 1 > p->told_count ? offset + 1 : p->told_count;
    return true;
}

bool model_ok(struct model *m, uint32_t writer, uint32_t batch, int64_t base_offset)
{
    pthread_mutex_lock(&m->mutex);
    if (m->dark) {
        model_line(m, "late %u %u %lld", writer, batch, (long long)base_offset);
        pthread_mutex_unlock(&m->mutex);
        return false;
    }
    struct model_batch *b = &m->writers[writer].batches[batch];
    model_line(m, "ok %u %u %lld", writer, batch, (long long)base_offset);
    m->totals.acked++;
    /* A retry of a batch that is there is answered with its offset; 2^40 records in one partition
     * are not written in a test. */
    if (base_offset < 0 || base_offset > 1ll << 40) {
        model_violation_locked(m, MODEL_PROTOCOL, "writer %u batch %u: acknowledged at offset %lld",
                               writer, batch, (long long)base_offset);
    } else if (b->offset >= 0 && b->offset != base_offset) {
        model_violation_locked(m, MODEL_DOUBLED,
                               "writer %u batch %u is at %lld, its retry was acknowledged at %lld",
                               writer, batch, (long long)b->offset, (long long)base_offset);
    } else {
        for (uint32_t i = 0; i < b->records; i++) {
            if (!tell(m, b->part, base_offset + i, id_of(writer, batch, i), BY_ACK)) {
                break;
            }
        }
        b->offset = base_offset;
        struct model_part *p = &m->parts[b->part];
        int64_t end = base_offset + b->records;
        p->acked_end = end > p->acked_end ? end : p->acked_end;
    }
    b->state = MODEL_OK;
    pthread_mutex_unlock(&m->mutex);
    return true;
}

void model_refused(struct model *m, uint32_t writer, uint32_t batch, int16_t code)
{
    pthread_mutex_lock(&m->mutex);
    model_line(m, "refused %u %u %d", writer, batch, code);
    if (!m->dark) {
        m->writers[writer].batches[batch].state = MODEL_REFUSED_BATCH;
        m->totals.refused++;
    }
    pthread_mutex_unlock(&m->mutex);
}

void model_doubt(struct model *m, uint32_t writer, uint32_t batch)
{
    pthread_mutex_lock(&m->mutex);
    model_line(m, "doubt %u %u", writer, batch);
    m->writers[writer].batches[batch].doubt = true;
    pthread_mutex_unlock(&m->mutex);
}

int64_t model_trim(struct model *m, uint32_t part, uint64_t salt)
{
    pthread_mutex_lock(&m->mutex);
    struct model_part *p = &m->parts[part];
    int64_t from = p->start_asked, offset = -1;
    if (p->acked_end > from) {
        offset = from + 1 + (int64_t)(salt % (uint64_t)(p->acked_end - from));
        p->start_asked = offset;
        model_line(m, "trim %u %lld", part, (long long)offset);
    }
    pthread_mutex_unlock(&m->mutex);
    return offset;
}

void model_trimmed(struct model *m, uint32_t part, int64_t offset, int64_t start)
{
    pthread_mutex_lock(&m->mutex);
    struct model_part *p = &m->parts[part];
    model_line(m, "trimmed %u %lld", part, (long long)offset);
    if (!m->dark) {
        if (start < offset || (start > offset && !m->retention)) {
            model_violation_locked(m, MODEL_PROTOCOL,
                                   "%s/%d: deleted up to %lld, it begins at %lld", p->topic,
                                   p->index, (long long)offset, (long long)start);
        }
        p->start_told = offset > p->start_told ? offset : p->start_told;
        m->totals.trims++;
    }
    pthread_mutex_unlock(&m->mutex);
}

/* The batch that a record names, or NULL after a violation. */
static struct model_batch *batch_of(struct model *m, uint32_t part, int64_t offset, struct str key,
                                    struct str value, struct named *n)
{
    const struct model_part *p = &m->parts[part];
    if (!key_parse(key, n) || n->writer >= m->writer_count ||
        n->batch >= m->writers[n->writer].count) {
        model_violation_locked(m, MODEL_INVENTED, "%s/%d offset %lld: key '%.*s'", p->topic,
                               p->index, (long long)offset, (int)(key.n > 40 ? 40 : key.n),
                               key.p == NULL ? "" : key.p);
        return NULL;
    }
    struct model_batch *b = &m->writers[n->writer].batches[n->batch];
    if (b->part != part || n->index >= b->records) {
        model_violation_locked(m, MODEL_INVENTED,
                               "%s/%d offset %lld: writer %u batch %u was sent elsewhere", p->topic,
                               p->index, (long long)offset, n->writer, n->batch);
        return NULL;
    }
    if (!value_is_right(n, value)) {
        model_violation_locked(m, MODEL_VALUE, "%s/%d offset %lld: writer %u batch %u record %u",
                               p->topic, p->index, (long long)offset, n->writer, n->batch,
                               n->index);
    }
    return b;
}

void model_seen(struct model *m, uint32_t part, int64_t offset, struct str key, struct str value)
{
    struct named n;
    pthread_mutex_lock(&m->mutex);
    const struct model_batch *b = m->dark ? NULL : batch_of(m, part, offset, key, value, &n);
    if (b != NULL) {
        if (b->state == MODEL_REFUSED_BATCH) {
            model_violation_locked(m, MODEL_REFUSED, "%s/%d offset %lld was seen",
                                   m->parts[part].topic, m->parts[part].index, (long long)offset);
        }
        IGNORE_RESULT(tell(m, part, offset, id_of(n.writer, n.batch, n.index), BY_SEEN));
        model_line(m, "seen %u %lld %u %u %u", part, (long long)offset, n.writer, n.batch, n.index);
    }
    m->totals.seen++;
    pthread_mutex_unlock(&m->mutex);
}

void model_end_told(struct model *m, uint32_t part, int64_t end)
{
    pthread_mutex_lock(&m->mutex);
    struct model_part *p = &m->parts[part];
    if (end > p->end_told && !m->dark) {
        p->end_told = end;
        model_line(m, "end %u %lld", part, (long long)end);
    }
    pthread_mutex_unlock(&m->mutex);
}

void model_dark(struct model *m)
{
    pthread_mutex_lock(&m->mutex);
    m->dark = true;
    model_line(m, "dark");
    pthread_mutex_unlock(&m->mutex);
}

bool model_is_dark(struct model *m)
{
    pthread_mutex_lock(&m->mutex);
    bool dark = m->dark;
    pthread_mutex_unlock(&m->mutex);
    return dark;
}

/* ---- After it ---------------------------------------------------------------------------------
 */

void model_crashed(struct model *m, const char *how)
{
    pthread_mutex_lock(&m->mutex);
    m->dark = false;
    m->after_cut = m->after_cut || strcmp(how, "cut") == 0;
    model_line(m, "crash %s", how);
    pthread_mutex_unlock(&m->mutex);
}

void model_start_read(struct model *m, uint32_t part, int64_t start)
{
    pthread_mutex_lock(&m->mutex);
    struct model_part *p = &m->parts[part];
    if (start < p->start_told) {
        model_violation_locked(m, MODEL_START_BACK, "%s/%d begins at %lld, deleted up to %lld",
                               p->topic, p->index, (long long)start, (long long)p->start_told);
    } else if (start > p->start_asked && !m->retention) {
        model_violation_locked(m, MODEL_START_INVENTED, "%s/%d begins at %lld, deleted up to %lld",
                               p->topic, p->index, (long long)start, (long long)p->start_asked);
    } else {
        /* What was unknown is known now, for ever. */
        p->retained = start > p->start_asked ? start : p->retained;
        p->start_told = p->start_asked = start;
    }
    pthread_mutex_unlock(&m->mutex);
}

int64_t model_read_begin(struct model *m, uint32_t part, bool everything)
{
    pthread_mutex_lock(&m->mutex);
    struct model_part *p = &m->parts[part];
    if (everything || (p->relaxed && m->after_cut)) {
        p->judged = 0;
        memset(p->order, 0, sizeof(p->order));
    }
    p->judged = p->judged > p->start_told ? p->judged : p->start_told;
    p->next = p->judged;
    int64_t from = p->next;
    pthread_mutex_unlock(&m->mutex);
    return from;
}

/* Offsets that a reading passed over: what was told about them must be excused. */
static void passed_over(struct model *m, struct model_part *p, int64_t from, int64_t to)
{
    bool excused = p->relaxed && m->after_cut;
    for (int64_t o = from; o < to; o++) {
        uint64_t had = o < p->told_count ? p->told[o] : 0;
        if (had == 0 || (had & GONE) != 0) {
            continue;
        }
        uint32_t writer = (uint32_t)((had & ~BY) >> 48) - 1;
        uint32_t batch = (uint32_t)(had >> 16);
        if (excused) {
            p->told[o] |= GONE;
            m->writers[writer].batches[batch].state = MODEL_ABSENT;
            m->totals.given_up++;
            continue;
        }
        enum model_kind kind = (had & BY_SEEN) != 0 ? MODEL_TAKEN_BACK : MODEL_LOST;
        model_violation_locked(m, kind, "%s/%d offset %lld: writer %u batch %u", p->topic, p->index,
                               (long long)o, writer, batch);
    }
}

static void read_one(struct model *m, uint32_t part, int64_t offset, const struct named *n,
                     struct model_batch *b)
{
    struct model_part *p = &m->parts[part];
    switch (b->state) {
    case MODEL_REFUSED_BATCH:
        model_violation_locked(m, MODEL_REFUSED, "%s/%d offset %lld: writer %u batch %u", p->topic,
                               p->index, (long long)offset, n->writer, n->batch);
        break;
    case MODEL_ABSENT:
        model_violation_locked(m, MODEL_RETURNED, "%s/%d offset %lld: writer %u batch %u", p->topic,
                               p->index, (long long)offset, n->writer, n->batch);
        break;
    case MODEL_UNKNOWN:
    case MODEL_OK:
    case MODEL_PRESENT:
        break;
    }
    int64_t base = offset - n->index;
    if (b->offset >= 0 && b->offset != base) {
        model_violation_locked(m, MODEL_DOUBLED, "%s/%d: writer %u batch %u is at %lld and at %lld",
                               p->topic, p->index, n->writer, n->batch, (long long)b->offset,
                               (long long)base);
    }
    b->offset = b->offset < 0 ? base : b->offset;
    b->found = n->index == b->found ? b->found + 1 : (n->index == 0 ? 1 : b->found);
    uint64_t place = ((uint64_t)n->batch << 16 | n->index) + 1;
    if (place <= p->order[n->writer]) {
        model_violation_locked(m, MODEL_REORDERED,
                               "%s/%d offset %lld: writer %u batch %u record %u", p->topic,
                               p->index, (long long)offset, n->writer, n->batch, n->index);
    }
    p->order[n->writer] = place;
    IGNORE_RESULT(tell(m, part, offset, id_of(n->writer, n->batch, n->index), BY_READ));
}

void model_read(struct model *m, uint32_t part, int64_t offset, struct str key, struct str value)
{
    struct named n;
    pthread_mutex_lock(&m->mutex);
    struct model_part *p = &m->parts[part];
    m->totals.read++;
    if (offset < p->next) {
        model_violation_locked(m, MODEL_GAP, "%s/%d: offset %lld after %lld", p->topic, p->index,
                               (long long)offset, (long long)p->next - 1);
    } else {
        if (offset > p->next) {
            passed_over(m, p, p->next, offset);
            if (!p->relaxed) {
                model_violation_locked(m, MODEL_GAP, "%s/%d: offset %lld follows %lld", p->topic,
                                       p->index, (long long)offset, (long long)p->next - 1);
            }
        }
        p->next = offset + 1;
        struct model_batch *b = batch_of(m, part, offset, key, value, &n);
        if (b != NULL) {
            read_one(m, part, offset, &n, b);
        }
    }
    pthread_mutex_unlock(&m->mutex);
}

void model_read_end(struct model *m, uint32_t part, int64_t end)
{
    pthread_mutex_lock(&m->mutex);
    struct model_part *p = &m->parts[part];
    passed_over(m, p, p->next, p->told_count);
    if (end < p->end_told) {
        model_violation_locked(m, MODEL_END_BACK, "%s/%d: it was %lld, now %lld", p->topic,
                               p->index, (long long)p->end_told, (long long)end);
    }
    p->end_told = end > p->end_told ? end : p->end_told;
    p->judged = end > p->next ? end : p->next;
    pthread_mutex_unlock(&m->mutex);
}

/* The unknown batches of a writer: there, whole, and a prefix of what was sent to that partition.
 */
static void settle_writer(struct model *m, uint32_t writer)
{
    struct model_writer *w = &m->writers[writer];
    uint32_t absent[MODEL_PARTS]; /* number of the first absent batch + 1 */
    memset(absent, 0, sizeof(absent));
    for (uint32_t i = w->settled; i < w->count; i++) {
        struct model_batch *b = &w->batches[i];
        if (b->state == MODEL_UNKNOWN && b->offset < 0) {
            b->state = MODEL_ABSENT;
            m->totals.absent++;
            if (!b->doubt) {
                absent[b->part] = absent[b->part] == 0 ? i + 1 : absent[b->part];
            }
            continue;
        }
        bool stored = b->state == MODEL_UNKNOWN || b->state == MODEL_OK;
        bool may_be_gone = m->parts[b->part].relaxed && m->after_cut;
        if (stored && b->found != 0 && b->found != b->records) {
            model_violation_locked(m, MODEL_TORN, "writer %u batch %u: %u of %u records", writer, i,
                                   b->found, b->records);
        }
        if (stored && absent[b->part] != 0 && !may_be_gone) {
            model_violation_locked(
                m, MODEL_HOLE, "writer %u, %s/%d: batch %u is there, batch %u is not", writer,
                m->parts[b->part].topic, m->parts[b->part].index, i, absent[b->part] - 1);
        }
        if (b->state == MODEL_UNKNOWN) {
            b->state = MODEL_PRESENT;
            m->totals.present++;
        }
    }
    w->settled = w->count;
}

void model_settle(struct model *m)
{
    pthread_mutex_lock(&m->mutex);
    for (uint32_t i = 0; i < m->writer_count; i++) {
        settle_writer(m, i);
    }
    m->after_cut = false;
    model_line(m, "settled");
    pthread_mutex_unlock(&m->mutex);
}
