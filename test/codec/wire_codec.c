/*
 * Our side of the codec test; Kafka's side is test/compat/wire-java.
 *
 *   wire_codec tables       prints every API, message and field of the tables, a line each
 *   wire_codec cases FILE   decodes each message of FILE, encodes it again and compares; prints a
 * line for each message and version that failed, then the counts
 *
 * A case is: uint8 length and name of the message, int16 version, int32 length and input, int32
 * length and the bytes expected. Each is also cut at every byte (short messages) or at some (long
 * ones): each cut must be an error and never a crash.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/frame.h"
#include "wire/gen/all.h"

static const struct wire_message *const others[] = {
    &wire_request_header_type,
    &wire_response_header_type,
    &wire_consumer_protocol_subscription_type,
    &wire_consumer_protocol_assignment_type,
};

static const struct wire_message *message_at(size_t i)
{
    if (i < 2 * wire_api_count()) {
        const struct wire_api *api = wire_api_at(i / 2);
        return i % 2 == 0 ? api->request : api->response;
    }
    i -= 2 * wire_api_count();
    return i < ARRAY_LEN(others) ? others[i] : NULL;
}

static const char *range_text(struct wire_versions v, char text[16])
{
    if (v.min > v.max) {
        return "none";
    }
    snprintf(text, 16, "%d-%d", v.min, v.max);
    return text;
}

static void print_default(const struct wire_message *m, const struct wire_field *f)
{
    const char *at = (const char *)m->defaults + f->offset;
    if ((f->flags & WIRE_ARRAY) != 0) {
        int32_t count;
        memcpy(&count, (const char *)m->defaults + f->count_offset, sizeof(count));
        printf("%s", count < 0 ? "null" : "empty");
    } else if (f->type == WIRE_STRING || f->type == WIRE_BYTES) {
        struct str s;
        memcpy(&s, at, sizeof(s));
        if (s.p == NULL || f->type == WIRE_BYTES) {
            printf("%s", s.p == NULL ? "null" : "empty");
        } else {
            printf("'%.*s'", STR(s));
        }
    } else if (f->type == WIRE_STRUCT) {
        printf("%s", (f->flags & WIRE_POINTER) != 0 ? "null" : "empty");
    } else {
        struct buf b;
        buf_init(&b, 4096);
        /* A message of one field, so that wire_dump prints only this one. */
        struct wire_message one = *m;
        struct wire_field copy = *f;
        copy.versions = (struct wire_versions){0, 255};
        copy.tagged = (struct wire_versions){1, 0};
        one.fields = &copy;
        one.field_count = 1;
        wire_dump(&one, 0, m->defaults, &b, 4000);
        printf("%.*s", (int)(b.n - strlen(f->name) - 3), (const char *)b.p + strlen(f->name) + 2);
        buf_deinit(&b);
    }
}

static void print_fields(const char *path, const struct wire_message *m)
{
    static const char *const names[] = {
        [WIRE_BOOL] = "bool",     [WIRE_INT8] = "int8",       [WIRE_INT16] = "int16",
        [WIRE_UINT16] = "uint16", [WIRE_INT32] = "int32",     [WIRE_UINT32] = "uint32",
        [WIRE_INT64] = "int64",   [WIRE_FLOAT64] = "float64", [WIRE_UUID] = "uuid",
        [WIRE_STRING] = "string", [WIRE_BYTES] = "bytes",     [WIRE_RECORDS] = "records",
        [WIRE_STRUCT] = "struct",
    };
    for (size_t i = 0; i < m->field_count; i++) {
        const struct wire_field *f = &m->fields[i];
        char inner[512], text[3][16];
        snprintf(inner, sizeof(inner), "%s.%s", path, f->name);
        printf("field %s %s%s %s null %s tagged %s tag %d default ", inner,
               (f->flags & WIRE_ARRAY) != 0 ? "[]" : "", names[f->type],
               range_text(f->versions, text[0]), range_text(f->nullable, text[1]),
               range_text(f->tagged, text[2]), f->tag);
        print_default(m, f);
        printf("%s%s\n", (f->flags & WIRE_IGNORABLE) != 0 ? " ignorable" : "",
               (f->flags & WIRE_CLASSIC) != 0 ? " classic" : "");
        if (f->type == WIRE_STRUCT) {
            print_fields(inner, f->message);
        }
    }
}

static int print_tables(void)
{
    for (size_t i = 0; i < wire_api_count(); i++) {
        const struct wire_api *api = wire_api_at(i);
        printf("api %d %s %d-%d served %d\n", api->key, api->name, api->min, api->max,
               api->served_min);
    }
    const struct wire_message *m;
    for (size_t i = 0; (m = message_at(i)) != NULL; i++) {
        printf("message %s %d-%d flexible ", m->name, m->min, m->max);
        if (m->flexible_since == INT16_MAX) {
            printf("none\n");
        } else {
            printf("%d-255\n", m->flexible_since);
        }
        print_fields(m->name, m);
    }
    return 0;
}

struct bytes {
    uint8_t *p;
    size_t n;
};

static bool read_case_bytes(FILE *in, struct bytes *out, size_t size_of_length)
{
    uint8_t head[4] = {0};
    if (fread(head + 4 - size_of_length, 1, size_of_length, in) != size_of_length) {
        return false;
    }
    out->n = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
    /* Exactly as long as the message, so that AddressSanitizer sees a read past its end. */
    free(out->p);
    out->p = malloc(out->n + (out->n == 0));
    return out->p != NULL && fread(out->p, 1, out->n, in) == out->n;
}

/* Decodes the first `n` bytes of `in` from memory that ends there. */
static enum err decode_cut(const struct wire_message *m, int16_t version, const struct bytes *in,
                           size_t n, struct arena *a, void *out)
{
    uint8_t *copy = malloc(n + (n == 0));
    if (copy == NULL) {
        return ERR_NO_MEMORY;
    }
    memcpy(copy, in->p, n);
    struct slice s = slice_of(copy, n);
    enum err e = wire_decode(m, version, &s, a, out, NULL);
    free(copy);
    arena_reset(a, SIZE_MAX);
    return e;
}

static bool run_case(const struct wire_message *m, int16_t version, const struct bytes *in,
                     const struct bytes *want, struct arena *a, struct buf *out)
{
    struct ectx ec = {0};
    void *message = malloc(m->size);
    struct slice s = slice_of(in->p, in->n);
    buf_clear(out);
    arena_reset(a, SIZE_MAX);
    enum err e = wire_decode(m, version, &s, a, message, &ec);
    if (e == ERR_OK && slice_left(&s) != 0) {
        e = ectx_fail(&ec, ERR_MALFORMED, "%zu bytes are left over", slice_left(&s));
    }
    if (e == ERR_OK) {
        e = wire_encode(m, version, message, out, NULL, &ec);
    }
    if (e == ERR_OK &&
        (out->n != want->n || (want->n > 0 && memcmp(out->p, want->p, want->n) != 0))) {
        e = ectx_fail(&ec, ERR_MALFORMED, "%zu bytes came out, not the %zu expected", out->n,
                      want->n);
    }
    arena_reset(a, SIZE_MAX);
    size_t step = in->n < 400 ? 1 : in->n / 100;
    for (size_t n = 0; e == ERR_OK && n < in->n; n += step) {
        if (decode_cut(m, version, in, n, a, message) == ERR_OK) {
            e = ectx_fail(&ec, ERR_MALFORMED, "cut to %zu of %zu bytes it was still accepted", n,
                          in->n);
        }
    }
    free(message);
    if (e != ERR_OK) {
        printf("FAIL %s v%d: %s\n", m->name, version, ec.text);
    }
    return e == ERR_OK;
}

static const struct wire_message *find_message(const char *name)
{
    const struct wire_message *m;
    for (size_t i = 0; (m = message_at(i)) != NULL; i++) {
        if (strcmp(m->name, name) == 0) {
            return m;
        }
    }
    return NULL;
}

/* How many kinds and versions there are: none may be forgotten by the other side. */
static int count_versions(void)
{
    int count = 0;
    const struct wire_message *m;
    for (size_t i = 0; (m = message_at(i)) != NULL; i++) {
        count += m->max - m->min + 1;
    }
    return count;
}

static int run_cases(const char *path)
{
    FILE *in = fopen(path, "rb");
    if (in == NULL) {
        fprintf(stderr, "could not open %s: %s\n", path, strerror(errno));
        return 2;
    }
    struct arena arena;
    arena_init(&arena, 64u << 20);
    struct buf out;
    buf_init(&out, 64u << 20);
    struct bytes input = {0}, want = {0};
    char last[64] = "";
    int16_t last_version = -1;
    bool ok = true;
    int passed = 0, failed = 0, length;
    long cases = 0;
    while ((length = fgetc(in)) != EOF) {
        char name[64] = "";
        uint8_t v[2];
        if (length >= (int)sizeof(name) || fread(name, 1, (size_t)length, in) != (size_t)length ||
            fread(v, 1, 2, in) != 2 || !read_case_bytes(in, &input, 4) ||
            !read_case_bytes(in, &want, 4)) {
            printf("FAIL the file of cases ends too early\n");
            failed++;
            break;
        }
        int16_t version = (int16_t)(v[0] << 8 | v[1]);
        if (cases > 0 && (strcmp(name, last) != 0 || version != last_version)) {
            passed += ok;
            failed += !ok;
            ok = true;
        }
        memcpy(last, name, sizeof(last));
        last_version = version;
        const struct wire_message *m = find_message(name);
        ok = m != NULL && run_case(m, version, &input, &want, &arena, &out) && ok;
        cases++;
    }
    if (cases > 0) {
        passed += ok;
        failed += !ok;
    }
    free(input.p);
    free(want.p);
    buf_deinit(&out);
    arena_deinit(&arena);
    fclose(in);
    printf("%ld messages in %d kinds and versions\n", cases, passed + failed);
    if (passed + failed != count_versions()) {
        printf("FAIL the tables have %d kinds and versions\n", count_versions());
        failed++;
    }
    printf("%d passed, %d failed, 0 skipped\n", passed, failed);
    return failed == 0 && passed > 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "tables") == 0) {
        return print_tables();
    }
    if (argc == 3 && strcmp(argv[1], "cases") == 0) {
        return run_cases(argv[2]);
    }
    fprintf(stderr, "usage: wire_codec tables | cases FILE\n");
    return 2;
}
