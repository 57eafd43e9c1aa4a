/*
 * How long the work per produced batch takes: checksum, walk, decompression. Prints one line per
 * case, CPU time of this thread.
 *
 *     record [records per batch] [bytes per value]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "record/builder.h"
#include "record/validate.h"

static double cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void fail(const char *what, enum err e)
{
    fprintf(stderr, "%s: %s\n", what, err_name(e));
    exit(1);
}

static void build(enum record_codec codec, int records, int value_size, bool keys,
                  struct record_scratch *scratch, struct buf *out)
{
    struct batch_builder b;
    batch_builder_init(&b, 1u << 30);
    char *value = malloc((size_t)value_size + 64);
    if (value == NULL) {
        fail("value", ERR_NO_MEMORY);
    }
    unsigned seed = 1;
    for (int i = 0; i < records; i++) {
        for (int j = 0; j < value_size; j++) {
            seed = seed * 1103515245u + 12345u;
            value[j] = (char)('a' + (seed >> 16) % 16); /* about half as large when compressed */
        }
        char key[24];
        int n = snprintf(key, sizeof(key), "key-%d", i);
        enum err e = batch_builder_append(&b, 1700000000000 + i / 10,
                                          keys ? str_make(key, (size_t)n) : STR_NULL,
                                          str_make(value, (size_t)value_size), NULL, 0);
        if (e != ERR_OK) {
            fail("append", e);
        }
    }
    struct batch_spec spec;
    batch_spec_init(&spec);
    spec.codec = codec;
    enum err e = batch_builder_finish(&b, &spec, scratch, out, NULL);
    if (e != ERR_OK) {
        fail("finish", e);
    }
    free(value);
    batch_builder_deinit(&b);
}

static void run(enum record_codec codec, int records, int value_size, bool keys)
{
    struct record_scratch scratch;
    record_scratch_init(&scratch, RECORD_DECOMPRESSED_MAX);
    struct buf out;
    buf_init(&out, 1u << 30);
    build(codec, records, value_size, keys, &scratch, &out);
    struct record_rules rules;
    record_rules_init(&rules);
    rules.max_message_bytes = INT32_MAX;
    rules.now_ms = 1700000000000;
    static struct record_verdict verdict;
    struct batch_header h;
    struct ectx ec;
    enum err e = batch_header_parse(out.p, out.n, &h, &ec);
    if (e != ERR_OK) {
        fail("parse", e);
    }
    int rounds = (codec == RECORD_CODEC_NONE ? 3000000 : 600000) / records + 1;
    double t0 = cpu_ns();
    uint32_t sum = 0;
    for (int i = 0; i < rounds; i++) {
        sum += batch_crc(out.p, &h);
    }
    double t1 = cpu_ns();
    for (int i = 0; i < rounds; i++) {
        e = record_validate(out.p, out.n, &rules, &scratch, &verdict, &ec);
        if (e != ERR_OK) {
            fail(ec.text, e);
        }
    }
    double t2 = cpu_ns();
    double n = (double)rounds * records;
    double crc = (t1 - t0) / n, all = (t2 - t1) / n;
    printf("%-7s %6d records of %5zu bytes%s: crc %6.2f ns, walk%s %7.2f ns a record, %7.0f MB/s "
           "(%08" PRIx32 ")\n",
           record_codec_name(codec), records, verdict.plain_bytes / (size_t)records,
           keys ? ", keys" : "", crc, codec == RECORD_CODEC_NONE ? "" : " + decompress", all - crc,
           (double)verdict.plain_bytes * rounds / (t2 - t1) * 1e3, sum);
    buf_deinit(&out);
    record_scratch_deinit(&scratch);
}

int main(int argc, char **argv)
{
    int records = argc > 1 ? atoi(argv[1]) : 500;
    int value_size = argc > 2 ? atoi(argv[2]) : 100;
    if (records < 1 || value_size < 0) {
        return 2;
    }
    for (enum record_codec c = RECORD_CODEC_NONE; c < RECORD_CODEC_COUNT; c++) {
        run(c, records, value_size, false);
    }
    run(RECORD_CODEC_NONE, records, value_size, true);
    run(RECORD_CODEC_NONE, 1, value_size, true);
    run(RECORD_CODEC_NONE, 10, value_size, true);
    return 0;
}
