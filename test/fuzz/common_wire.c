/*
 * Messages by the tables of src/wire: made, changed in one place, walked. Nothing here knows a
 * message; names of fields only choose between likely values.
 */
#include <string.h>

#include "core/mem.h"
#include "fuzz/common.h"
#include "wire/walk.h"

#define WORK_BYTES (4u << 20)

/* ---- Values --------------------------------------------------------------------------------- */

static bool named(const struct wire_field *f, const char *part)
{
    return strstr(f->name, part) != NULL;
}

static struct str pick(struct fuzz_source *s, const char *const *from, uint32_t n)
{
    return str_of(from[fuzz_below(s, n)]);
}
#define PICK(s, list) pick(s, list, (uint32_t)ARRAY_LEN(list))

static struct str make_string(const struct wire_field *f, struct fuzz_source *s, struct arena *a)
{
    static const char *const topics[] = {"t", "u", "v", "nobody", "", "a/b", "__consumer_offsets"};
    static const char *const groups[] = {"g", "h", "", "nobody"};
    static const char *const members[] = {FUZZ_MEMBER_ID, FUZZ_MEMBER_ID, FUZZ_MEMBER_ID, "", "x"};
    static const char *const keys[] = {
        "retention.ms",           "retention.bytes", "segment.bytes",    "cleanup.policy",
        "max.message.bytes",      "leat.durability", "compression.type", "segment.ms",
        "message.timestamp.type", "num.partitions",  "nothing",          "",
        "log.retention.ms"};
    static const char *const values[] = {
        "1",       "-1",   "1048576",       "os", "fsync", "delete",
        "compact", "gzip", "LogAppendTime", "x",  "",      "true"};
    static const char *const protocols[] = {"consumer", "range", "roundrobin", "uniform", ""};
    uint32_t how = fuzz_below(s, 16);
    if (how == 15) {
        return fuzz_bytes(s, a, fuzz_below(s, 20));
    }
    if (how == 14) { /* at and beyond the limit of names */
        char *p = arena_alloc(a, 260);
        size_t n = 248 + fuzz_below(s, 4);
        if (p != NULL) {
            memset(p, 'n', n);
        }
        return str_make(p == NULL ? "" : p, p == NULL ? 0 : n);
    }
    if (named(f, "member_id")) {
        return PICK(s, members);
    }
    if (named(f, "instance")) {
        return fuzz_below(s, 2) == 0 ? STR_LIT("static") : STR_LIT("");
    }
    if (named(f, "group") || named(f, "coordinator_key") || strcmp(f->name, "key") == 0) {
        return PICK(s, groups);
    }
    if (named(f, "protocol")) {
        return PICK(s, protocols);
    }
    if (named(f, "config") || named(f, "keys")) {
        return PICK(s, keys);
    }
    if (named(f, "value")) {
        return PICK(s, values);
    }
    return fuzz_below(s, 8) == 7 ? PICK(s, keys) : PICK(s, topics);
}

static int64_t make_number(const struct wire_field *f, struct fuzz_source *s)
{
    bool learnt = named(f, "generation") || named(f, "session_id") || named(f, "producer_id");
    if (learnt && fuzz_below(s, 4) != 3) {
        return FUZZ_GENERATION;
    }
    if (named(f, "error_code") && fuzz_below(s, 8) < 7) {
        return fuzz_below(s, 4) == 3 ? (int64_t)fuzz_below(s, 130) - 1 : 0;
    }
    if (strcmp(f->name, "port") == 0 && fuzz_below(s, 8) < 7) {
        return 9092;
    }
    if (named(f, "_ms") && fuzz_below(s, 4) != 3) {
        return fuzz_below(s, 2) == 0 ? 30000 : (int64_t)fuzz_below(s, 100);
    }
    if (named(f, "bytes") && fuzz_below(s, 4) != 3) {
        return fuzz_below(s, 2) == 0 ? 1 << 20 : (int64_t)fuzz_below(s, 400);
    }
    if ((named(f, "partitions") || named(f, "count")) && fuzz_below(s, 8) != 7) {
        return fuzz_below(s, 5);
    }
    if (named(f, "epoch") && fuzz_below(s, 2) == 0) {
        return (int64_t)fuzz_below(s, 3) - 1;
    }
    return fuzz_number(s);
}

static void make_records(struct fuzz_source *s, struct arena *a, struct wire_records *out)
{
    struct buf b;
    buf_init(&b, 1u << 20);
    uint32_t n = fuzz_below(s, 8);
    n = n == 7 ? 2 : n == 6 ? 0 : 1;
    for (uint32_t i = 0; i < n; i++) {
        fuzz_batch_make(s, &b);
    }
    if (fuzz_below(s, 16) == 15 && b.n > 0) {
        b.p[fuzz_below(s, (uint32_t)b.n)] ^= (uint8_t)(1 + fuzz_below(s, 255));
    }
    struct str kept = arena_str(a, str_make(b.n > 0 ? (const char *)b.p : "", b.n));
    *out = (struct wire_records){.p = (const uint8_t *)kept.p,
                                 .n = kept.p == NULL ? 0 : (int64_t)kept.n};
    buf_deinit(&b);
}

static void make_fixed(const struct wire_field *f, struct fuzz_source *s, void *at)
{
    int64_t v;
    if (f->type == WIRE_UUID) {
        struct uuid *u = at;
        memset(u, 0, sizeof(*u));
        uint32_t how = fuzz_below(s, 8);
        u->b[0] = how < 6 ? FUZZ_UUID_BYTE : how == 6 ? 0 : fuzz_u8(s);
        u->b[1] = (uint8_t)fuzz_below(s, 3);
        return;
    }
    v = make_number(f, s);
    switch (walk_size(f)) {
    case 1: {
        uint8_t byte = (uint8_t)(f->type == WIRE_BOOL ? v & 1 : v);
        memcpy(at, &byte, 1);
        break;
    }
    case 2: {
        int16_t v16 = (int16_t)v;
        memcpy(at, &v16, 2);
        break;
    }
    case 4: {
        int32_t v32 = (int32_t)v;
        memcpy(at, &v32, 4);
        break;
    }
    default:
        memcpy(at, &v, 8);
        break;
    }
}

/* A subscription or an assignment of Kafka's consumer, or any bytes. */
static struct str make_blob(struct fuzz_source *s, struct arena *a)
{
    static const uint8_t subscription[] = {0,   1,   0,   0,   0, 1, 0, 1, 't',
                                           255, 255, 255, 255, 0, 0, 0, 0};
    static const uint8_t assignment[] = {0, 0, 0, 0, 0, 1, 0,   1,   't', 0,  0,
                                         0, 1, 0, 0, 0, 0, 255, 255, 255, 255};
    switch (fuzz_below(s, 4)) {
    case 0:
        return str_make(subscription, sizeof(subscription));
    case 1:
        return str_make(assignment, sizeof(assignment));
    case 2:
        return STR_LIT("");
    default:
        return fuzz_bytes(s, a, fuzz_below(s, 40));
    }
}

static bool make_value(const struct wire_field *f, int16_t version, struct fuzz_source *s,
                       struct arena *a, void *at)
{
    switch ((enum wire_type)f->type) {
    case WIRE_STRING:
        *(struct str *)at = make_string(f, s, a);
        return true;
    case WIRE_BYTES:
        *(struct str *)at = make_blob(s, a);
        return true;
    case WIRE_RECORDS:
        make_records(s, a, at);
        return true;
    case WIRE_STRUCT:
        return fuzz_wire_make(f->message, version, s, a, at);
    case WIRE_BOOL:
    case WIRE_INT8:
    case WIRE_INT16:
    case WIRE_UINT16:
    case WIRE_INT32:
    case WIRE_UINT32:
    case WIRE_INT64:
    case WIRE_FLOAT64:
    case WIRE_UUID:
        make_fixed(f, s, at);
        return true;
    }
    return true;
}

/* ---- Fields --------------------------------------------------------------------------------- */

static void *get_pointer(void *in, const struct wire_field *f)
{
    void *p;
    memcpy(&p, walk_at(in, f->offset), sizeof(p));
    return p;
}

static void set_pointer(void *in, const struct wire_field *f, void *p)
{
    memcpy(walk_at(in, f->offset), &p, sizeof(p));
}

static int32_t *count_of(void *in, const struct wire_field *f)
{
    return walk_at(in, f->count_offset);
}

static bool make_array(const struct wire_field *f, int16_t version, struct fuzz_source *s,
                       struct arena *a, void *in)
{
    static const int32_t counts[] = {1, 1, 1, 1, 2, 2, 3, 0, -1, 40};
    int32_t n = counts[fuzz_below(s, ARRAY_LEN(counts))];
    if (n < 0 && !walk_has(f->nullable, version)) {
        n = 0;
    }
    if (n > 3 && f->type == WIRE_STRUCT && fuzz_below(s, 4) != 3) {
        n = 3; /* else they multiply */
    }
    size_t size = walk_size(f);
    char *p = n < 0 ? NULL : arena_alloc(a, (size_t)n * size + 1);
    if (n >= 0 && p == NULL) {
        return false;
    }
    for (int32_t i = 0; i < n; i++) {
        if (!make_value(f, version, s, a, p + (size_t)i * size)) {
            return false;
        }
    }
    set_pointer(in, f, p);
    *count_of(in, f) = n < 0 ? -1 : n;
    return true;
}

static bool make_field(const struct wire_field *f, int16_t version, struct fuzz_source *s,
                       struct arena *a, void *in)
{
    if ((f->flags & WIRE_ARRAY) != 0) {
        return make_array(f, version, s, a, in);
    }
    bool null = walk_has(f->nullable, version) && fuzz_below(s, 4) == 3;
    if ((f->flags & WIRE_POINTER) != 0) {
        void *p = null ? NULL : arena_alloc(a, f->message->size);
        if (!null && (p == NULL || !fuzz_wire_make(f->message, version, s, a, p))) {
            return false;
        }
        set_pointer(in, f, p);
        return true;
    }
    if (null && (f->type == WIRE_STRING || f->type == WIRE_BYTES)) {
        *(struct str *)walk_at(in, f->offset) = STR_NULL;
        return true;
    }
    if (null && f->type == WIRE_RECORDS) {
        *(struct wire_records *)walk_at(in, f->offset) = (struct wire_records){.n = -1};
        return true;
    }
    return make_value(f, version, s, a, walk_at(in, f->offset));
}

bool fuzz_wire_make(const struct wire_message *m, int16_t version, struct fuzz_source *s,
                    struct arena *a, void *out)
{
    wire_init(m, out);
    for (size_t i = 0; i < m->field_count; i++) {
        const struct wire_field *f = &m->fields[i];
        bool optional = walk_has(f->tagged, version);
        if (!walk_has(f->versions, version) || (optional && fuzz_below(s, 2) == 0)) {
            continue;
        }
        if (!make_field(f, version, s, a, out)) {
            return false;
        }
    }
    return true;
}

/* ---- Walking, changing ---------------------------------------------------------------------- */

void fuzz_wire_each(const struct wire_message *m, int16_t version, void *message, fuzz_value_fn fn,
                    void *ctx)
{
    for (size_t i = 0; i < m->field_count; i++) {
        const struct wire_field *f = &m->fields[i];
        if (!walk_has(f->versions, version)) {
            continue;
        }
        bool array = (f->flags & WIRE_ARRAY) != 0;
        bool pointer = (f->flags & WIRE_POINTER) != 0;
        char *at = array || pointer ? get_pointer(message, f) : walk_at(message, f->offset);
        int32_t n = array ? *count_of(message, f) : at == NULL ? 0 : 1;
        for (int32_t k = 0; k < n; k++, at += walk_size(f)) {
            if (f->type == WIRE_STRUCT) {
                fuzz_wire_each(f->message, version, at, fn, ctx);
            } else {
                fn(ctx, f, at);
            }
        }
    }
}

struct change {
    int16_t version;
    struct fuzz_source *s;
    struct arena *a;
    uint32_t left; /* fields before the one to change */
    bool counting, done, failed;
};

/* An element more, one less, the same twice, another order. */
static bool change_array(struct change *c, const struct wire_field *f, void *in)
{
    int32_t n = *count_of(in, f);
    size_t size = walk_size(f);
    const char *old = get_pointer(in, f);
    if (n <= 0 || fuzz_below(c->s, 4) == 0) {
        return make_array(f, c->version, c->s, c->a, in);
    }
    char *p = arena_alloc(c->a, ((size_t)n + 1) * size);
    if (p == NULL) {
        return false;
    }
    memcpy(p, old, (size_t)n * size);
    uint32_t at = fuzz_below(c->s, (uint32_t)n);
    switch (fuzz_below(c->s, 3)) {
    case 0:
        if (!make_value(f, c->version, c->s, c->a, p + (size_t)n * size)) {
            return false;
        }
        n++;
        break;
    case 1:
        memmove(p + at * size, p + (at + 1) * size, ((size_t)n - at - 1) * size);
        n--;
        break;
    default:
        memcpy(p + (size_t)n * size, old + at * size, size);
        n++;
        break;
    }
    set_pointer(in, f, p);
    *count_of(in, f) = n;
    return true;
}

static void change_in(struct change *c, const struct wire_message *m, void *in)
{
    for (size_t i = 0; i < m->field_count && !c->done; i++) {
        const struct wire_field *f = &m->fields[i];
        if (!walk_has(f->versions, c->version)) {
            continue;
        }
        if (!c->counting && c->left == 0) {
            c->done = true;
            c->failed = !((f->flags & WIRE_ARRAY) != 0 ? change_array(c, f, in)
                                                       : make_field(f, c->version, c->s, c->a, in));
            return;
        }
        c->left += c->counting ? 1u : (uint32_t)-1;
        bool array = (f->flags & WIRE_ARRAY) != 0;
        bool pointer = (f->flags & WIRE_POINTER) != 0;
        char *at = array || pointer ? get_pointer(in, f) : walk_at(in, f->offset);
        int32_t n = array ? *count_of(in, f) : at == NULL ? 0 : 1;
        for (int32_t k = 0; f->type == WIRE_STRUCT && k < n; k++, at += f->message->size) {
            change_in(c, f->message, at);
        }
    }
}

bool fuzz_wire_change(const struct wire_message *m, int16_t version, struct fuzz_source *s,
                      struct arena *a, void *message)
{
    struct change c = {.version = version, .s = s, .a = a, .counting = true};
    change_in(&c, m, message);
    if (c.left == 0) {
        return true;
    }
    c.left = fuzz_below(s, c.left);
    c.counting = false;
    change_in(&c, m, message);
    return !c.failed;
}

static size_t encode(const struct wire_message *m, int16_t version, const void *message,
                     uint8_t *data, size_t max)
{
    struct buf out;
    size_t n = 0;
    buf_init(&out, max);
    if (wire_encode(m, version, message, &out, NULL, NULL) == ERR_OK) {
        n = out.n;
        if (n > 0) {
            memcpy(data, out.p, n);
        }
    }
    buf_deinit(&out);
    return n;
}

size_t fuzz_wire_change_bytes(const struct wire_message *m, int16_t version, struct fuzz_source *s,
                              uint8_t *data, size_t size, size_t max)
{
    struct arena a;
    arena_init(&a, WORK_BYTES);
    struct slice in = slice_of(data, size);
    void *message = mem_alloc(m->size);
    CHECK(message != NULL);
    size_t n = 0;
    if (wire_decode(m, version, &in, &a, message, NULL) == ERR_OK) {
        bool good = true;
        for (uint32_t i = 0, times = 1 + fuzz_below(s, 3); good && i < times; i++) {
            good = fuzz_wire_change(m, version, s, &a, message);
        }
        n = good ? encode(m, version, message, data, max) : 0;
    }
    mem_free(message);
    arena_deinit(&a);
    return n;
}

size_t fuzz_wire_make_bytes(const struct wire_message *m, int16_t version, struct fuzz_source *s,
                            uint8_t *data, size_t max)
{
    struct arena a;
    arena_init(&a, WORK_BYTES);
    void *message = mem_alloc(m->size);
    CHECK(message != NULL);
    size_t n =
        fuzz_wire_make(m, version, s, &a, message) ? encode(m, version, message, data, max) : 0;
    mem_free(message);
    arena_deinit(&a);
    return n;
}
