/* Batches that Apache Kafka wrote are read as Apache Kafka reads them: test/golden/record. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "record/record.h"
#include "record/validate.h"
#include "record_dump.h"
#include "test.h"

/* Tests run from the root of the tree; LEAT_GOLDEN says otherwise. */
static const char *golden_dir(void)
{
    const char *dir = getenv("LEAT_GOLDEN");
    return dir != NULL ? dir : "test/golden";
}

static void read_file(const char *name, struct buf *out)
{
    char path[1024];
    snprintf(path, sizeof(path), "%s/record/%s", golden_dir(), name);
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        fail_msg("could not open %s", path);
    }
    buf_init(out, 1u << 24);
    for (;;) {
        assert_true(buf_reserve(out, 65536));
        size_t n = fread(out->p + out->n, 1, 65536, f);
        if (n == 0) {
            break;
        }
        out->n += n;
    }
    fclose(f);
}

static void check_one(const char *name, struct record_scratch *scratch)
{
    struct buf bytes, expected, text;
    struct ectx ec = {0};
    read_file(name, &bytes);
    char other[256];
    snprintf(other, sizeof(other), "%.*s.txt", (int)strlen(name) - 4, name);
    read_file(other, &expected);
    buf_init(&text, 1u << 24);
    enum err e = record_dump(slice_of(bytes.p, bytes.n), true, scratch, &text, &ec);
    if (e != ERR_OK) {
        fail_msg("%s: %s", name, ec.text);
    }
    if (!str_eq(buf_str(&text), buf_str(&expected))) {
        fail_msg("%s: read\n%.*s\nexpected\n%.*s", name, STR(buf_str(&text)),
                 STR(buf_str(&expected)));
    }
    buf_deinit(&bytes);
    buf_deinit(&expected);
    buf_deinit(&text);
}

TEST(record_reads_what_kafka_wrote)
{
    /* Every field, record and header of every vector is what Kafka's classes say it is. */
    char path[1024];
    snprintf(path, sizeof(path), "%s/record", golden_dir());
    DIR *d = opendir(path);
    assert_non_null(d);
    struct record_scratch scratch;
    record_scratch_init(&scratch, RECORD_DECOMPRESSED_MAX);
    int count = 0;
    for (struct dirent *f = readdir(d); f != NULL; f = readdir(d)) {
        size_t n = strlen(f->d_name);
        if (n > 4 && strcmp(f->d_name + n - 4, ".bin") == 0) {
            check_one(f->d_name, &scratch);
            count++;
        }
    }
    closedir(d);
    assert_true(count >= 30);
    record_scratch_deinit(&scratch);
}

TEST(record_accepts_what_kafka_producers_send)
{
    /* A batch from Kafka's builder is stored as it came, byte for byte, whatever the codec. */
    static const char *const names[] = {"none-mixed.bin",    "gzip-mixed.bin", "snappy-mixed.bin",
                                        "lz4-mixed.bin",     "zstd-mixed.bin", "gzip-blocks.bin",
                                        "snappy-blocks.bin", "lz4-blocks.bin", "zstd-blocks.bin"};
    struct record_scratch scratch;
    record_scratch_init(&scratch, RECORD_DECOMPRESSED_MAX);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct buf bytes;
        read_file(names[i], &bytes);
        struct record_rules rules;
        record_rules_init(&rules);
        rules.now_ms = 1700000000000;
        struct record_verdict v;
        struct ectx ec = {0};
        enum err e = record_validate(bytes.p, bytes.n, &rules, &scratch, &v, &ec);
        if (e != ERR_OK) {
            fail_msg("%s: %s", names[i], ec.text);
        }
        assert_int_equal(v.action, RECORD_KEEP);
        assert_int_equal(v.max_timestamp, v.header.max_timestamp);
        struct str batch;
        assert_int_equal(record_finish(bytes.p, &rules, &scratch, &v, NULL, &batch, &ec), ERR_OK);
        assert_ptr_equal(batch.p, bytes.p);
        assert_int_equal(batch.n, bytes.n);
        buf_deinit(&bytes);
    }
    record_scratch_deinit(&scratch);
}
