/*
 * The counterpart of RecordVectors.java on our side, for run.sh:
 *
 *   build DIR COUNT  writes batches made by our builder (valid-*.bin), and COUNT damaged ones
 * (damaged-*.bin) dump FILE...     prints what we read, as RecordVectors does judge FILE...
 * validates each file under each set of rules, as RecordVectors does
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "core/crc32c.h"
#include "core/utf8.h"
#include "record/builder.h"
#include "record/validate.h"
#include "record_dump.h"

#define NOW      1700000000000
#define FILE_MAX (16u * 1024 * 1024)

static void must(enum err e, const char *what)
{
    if (e != ERR_OK) {
        fprintf(stderr, "%s: %s\n", what, err_name(e));
        exit(1);
    }
}

static uint64_t seed = 88172645463325252u;
static uint32_t random_below(uint32_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)((seed >> 16) % n);
}

static void save(const char *dir, const char *kind, int number, const struct buf *b)
{
    char path[1024];
    snprintf(path, sizeof(path), "%s/%s-%05d.bin", dir, kind, number);
    FILE *f = fopen(path, "wb");
    if (f == NULL || fwrite(b->p, 1, b->n, f) != b->n || fclose(f) != 0) {
        must(ERR_IO, path);
    }
}

static struct str random_bytes(char *to, size_t max, bool may_be_null)
{
    if (may_be_null && random_below(4) == 0) {
        return STR_NULL;
    }
    size_t n = random_below(3) == 0 ? random_below((uint32_t)max) : random_below(12);
    for (size_t i = 0; i < n; i++) {
        to[i] = (char)('a' + random_below(6));
    }
    return str_make(to, n);
}

/* A random batch; sparse ones have offsets that are not 0..n-1. */
static void build_one(struct record_scratch *scratch, enum record_codec codec, bool sparse,
                      struct buf *out)
{
    static char key[4096], value[4096], name[64], text[64];
    struct batch_builder b;
    batch_builder_init(&b, FILE_MAX);
    int count = 1 + (int)random_below(random_below(10) == 0 ? 200 : 6);
    for (int i = 0; i < count; i++) {
        struct record_header headers[3];
        size_t header_count = random_below(3) == 0 ? random_below(4) : 0;
        for (size_t j = 0; j < header_count; j++) {
            headers[j] =
                (struct record_header){random_bytes(name, 20, false), random_bytes(text, 60, true)};
        }
        int64_t ts = random_below(20) == 0 ? -1 : NOW + (int)random_below(2000) - 1000;
        int32_t delta = b.last_delta + 1 + (sparse ? (int32_t)random_below(3) : 0);
        must(batch_builder_append_at(&b, delta, ts, random_bytes(key, 200, true),
                                     random_bytes(value, 4000, true), headers, header_count),
             "append");
    }
    struct batch_spec spec;
    batch_spec_init(&spec);
    spec.codec = codec;
    if (random_below(3) == 0) {
        spec.producer_id = random_below(1000);
        spec.producer_epoch = 1;
        spec.base_sequence = (int32_t)random_below(100);
    }
    must(batch_builder_finish(&b, &spec, scratch, out, NULL), "finish");
    batch_builder_deinit(&b);
}

static void repair_crc(struct buf *b)
{
    struct batch_header h;
    if (batch_header_parse(b->p, b->n, &h, NULL) == ERR_OK) {
        put_be32(b->p + BATCH_AT_CRC, batch_crc(b->p, &h));
    }
}

/* Changes a few bytes; mostly repairs the checksum, so that what lies below it is looked at. */
static void damage(struct buf *b)
{
    switch (random_below(8)) {
    case 0: /* cut */
        b->n = random_below((uint32_t)b->n + 1);
        break;
    case 1: /* bytes behind */
        for (uint32_t i = random_below(80); i > 0; i--) {
            buf_put_u8(b, random_below(2) ? 0 : (uint8_t)random_below(256));
        }
        break;
    case 2: { /* a wrong record count, with or without the last offset */
        uint32_t n = get_be32(b->p + BATCH_AT_RECORD_COUNT) + random_below(3) - 1;
        put_be32(b->p + BATCH_AT_RECORD_COUNT, n);
        if (random_below(2)) {
            put_be32(b->p + BATCH_AT_LAST_OFFSET_DELTA, n - 1);
        }
        break;
    }
    case 3: /* a byte of the header */
        b->p[random_below(BATCH_HEADER_SIZE)] = (uint8_t)random_below(256);
        break;
    case 4: { /* an attribute bit */
        uint16_t a = (uint16_t)(get_be16(b->p + BATCH_AT_ATTRIBUTES) ^ (1u << random_below(8)));
        put_be16(b->p + BATCH_AT_ATTRIBUTES, a);
        break;
    }
    default: /* bytes of the records */
        for (uint32_t i = random_below(3) + 1; i > 0 && b->n > BATCH_HEADER_SIZE; i--) {
            uint32_t at = BATCH_HEADER_SIZE + random_below((uint32_t)b->n - BATCH_HEADER_SIZE);
            b->p[at] = random_below(2) ? (uint8_t)random_below(256)
                                       : (uint8_t)(b->p[at] ^ (1u << random_below(8)));
        }
        break;
    }
    if (random_below(8) != 0) {
        repair_crc(b);
    }
}

static void build(const char *dir, int count)
{
    struct record_scratch scratch;
    record_scratch_init(&scratch, RECORD_DECOMPRESSED_MAX);
    struct buf out;
    buf_init(&out, FILE_MAX);
    for (int i = 0; i < 40; i++) {
        buf_clear(&out);
        build_one(&scratch, (enum record_codec)(i % RECORD_CODEC_COUNT), false, &out);
        save(dir, "valid", i, &out);
    }
    for (int i = 0; i < count; i++) {
        buf_clear(&out);
        /* Mostly uncompressed: the libraries see to the rest. */
        enum record_codec codec = (enum record_codec)(random_below(10) < 7 ? 0 : random_below(5));
        bool sparse = codec != RECORD_CODEC_NONE && random_below(3) == 0;
        build_one(&scratch, codec, sparse, &out);
        if (sparse) { /* the count must agree with the offsets to get this far */
            put_be32(out.p + BATCH_AT_LAST_OFFSET_DELTA,
                     get_be32(out.p + BATCH_AT_RECORD_COUNT) - 1);
            repair_crc(&out);
        }
        if (!sparse || random_below(3) == 0) {
            damage(&out);
        }
        save(dir, "damaged", i, &out);
    }
    buf_deinit(&out);
    record_scratch_deinit(&scratch);
}

/* The same as RULES in RecordVectors.java. */
struct rule_set {
    const char *name;
    int16_t version;
    int32_t max_bytes;
    bool append_time;
    int64_t before, after;
    int codec;
    bool keys;
};
static const struct rule_set rule_sets[] = {
    {"default", 13, 1048588, false, INT64_MAX, 3600000, RECORD_KEEP_CODEC, false},
    {"old", 6, 1048588, false, INT64_MAX, 3600000, RECORD_KEEP_CODEC, false},
    {"small", 13, 300, false, INT64_MAX, 3600000, RECORD_KEEP_CODEC, false},
    {"append", 13, 1048588, true, INT64_MAX, 3600000, RECORD_KEEP_CODEC, false},
    {"bounds", 13, 1048588, false, 500, 500, RECORD_KEEP_CODEC, false},
    {"keys", 13, 1048588, false, INT64_MAX, 3600000, RECORD_KEEP_CODEC, true},
    {"gzip", 13, 1048588, false, INT64_MAX, 3600000, RECORD_CODEC_GZIP, false},
    {"none", 13, 1048588, true, INT64_MAX, 3600000, RECORD_CODEC_NONE, false},
    {"zstd", 13, 1048588, true, INT64_MAX, 3600000, RECORD_CODEC_ZSTD, false},
};

/* Header names that are not UTF-8, which Java's strings can not hold. */
static bool odd_names(const uint8_t *p, const struct batch_header *h,
                      struct record_scratch *scratch)
{
    struct record_iter it;
    must(record_iter_init(&it, h, p, scratch, SIZE_MAX, NULL), "what was accepted");
    struct record r;
    struct record_header header;
    while (record_next(&it, &r)) {
        while (record_header_next(&r.headers, &header)) {
            if (!utf8_valid(header.key)) {
                return true;
            }
        }
    }
    return false;
}

/* What we refuse on purpose, and Kafka stores: see README.md of src/record. */
static bool strict(const struct buf *bytes)
{
    struct batch_header h;
    return batch_header_parse(bytes->p, bytes->n, &h, NULL) == ERR_OK &&
           (batch_is_log_append_time(&h) ||
            (batch_has_producer(&h) ? h.producer_epoch < 0 : batch_is_transactional(&h)));
}

/* The error without our prefix: ERR_INVALID_RECORD is INVALID_RECORD in Kafka. */
static void judge(const char *file, struct buf *bytes, const struct rule_set *set,
                  struct record_scratch *scratch)
{
    struct record_rules rules;
    record_rules_init(&rules);
    rules.produce_version = set->version;
    rules.max_message_bytes = set->max_bytes;
    rules.log_append_time = set->append_time;
    rules.timestamp_before_max_ms = set->before;
    rules.timestamp_after_max_ms = set->after;
    rules.now_ms = NOW;
    rules.codec = set->codec;
    rules.key_required = set->keys;
    rules.allow_transactional = true;
    static struct record_verdict v;
    struct buf rebuilt, text;
    buf_init(&rebuilt, FILE_MAX);
    buf_init(&text, FILE_MAX);
    struct str batch = STR_NULL;
    enum err e = record_validate(bytes->p, bytes->n, &rules, scratch, &v, NULL);
    if (e == ERR_OK) {
        e = record_finish(bytes->p, &rules, scratch, &v, &rebuilt, &batch, NULL);
    }
    printf("%s %s ", file, set->name);
    if (e == ERR_OK) {
        uint8_t *p = bytes->p;
        if (batch.p != (const char *)bytes->p) {
            p = rebuilt.p;
        }
        struct batch_header h;
        must(batch_header_parse(p, batch.n, &h, NULL), "header of what was accepted");
        must(batch_verify_crc(p, &h, NULL), "checksum of what was accepted");
        batch_set_base_offset(p, &h, 1000);
        batch_set_leader_epoch(p, &h, 3);
        must(record_dump(slice_of(p, batch.n), false, scratch, &text, NULL), "what was accepted");
        bool renumbered = batch.p != (const char *)bytes->p && batch_codec(&v.header) == 0 &&
                          batch_codec(&h) == 0;
        printf("ok max=%" PRId64 "%s%s dump=%08" PRIx32 "\n", v.max_timestamp,
               renumbered ? " renumbered" : "", odd_names(p, &h, scratch) ? " not-utf8" : "",
               crc32c(0, text.p, text.n));
    } else {
        printf("%s", err_name(e) + strlen("ERR_"));
        for (uint32_t i = 0; i < v.error_count && i < 3; i++) {
            printf(" %d", v.errors[i].batch_index);
        }
        printf("%s\n", strict(bytes) ? " strict" : "");
    }
    buf_deinit(&rebuilt);
    buf_deinit(&text);
}

static void read_file(const char *path, struct buf *out)
{
    FILE *f = fopen(path, "rb");
    buf_clear(out);
    if (f == NULL || !buf_reserve(out, FILE_MAX)) {
        must(ERR_IO, path);
        return;
    }
    out->n = fread(out->p, 1, FILE_MAX, f);
    fclose(f);
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "build") == 0) {
        build(argv[2], atoi(argv[3]));
        return 0;
    }
    struct record_scratch scratch;
    record_scratch_init(&scratch, RECORD_DECOMPRESSED_MAX);
    struct buf bytes, text;
    buf_init(&bytes, FILE_MAX);
    buf_init(&text, FILE_MAX);
    for (int i = 2; i < argc; i++) {
        const char *slash = strrchr(argv[i], '/');
        const char *name = slash == NULL ? argv[i] : slash + 1;
        if (strcmp(argv[1], "dump") == 0) {
            read_file(argv[i], &bytes);
            buf_clear(&text);
            must(record_dump(slice_of(bytes.p, bytes.n), true, &scratch, &text, NULL), argv[i]);
            printf("file %s\n%.*s", name, STR(buf_str(&text)));
            continue;
        }
        for (size_t j = 0; j < sizeof(rule_sets) / sizeof(rule_sets[0]); j++) {
            read_file(argv[i], &bytes); /* again: a verdict may change it */
            judge(name, &bytes, &rule_sets[j], &scratch);
        }
    }
    buf_deinit(&bytes);
    buf_deinit(&text);
    record_scratch_deinit(&scratch);
    return 0;
}
