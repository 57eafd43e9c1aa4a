/* A writer of JSON (RFC 8259): one document on one line. */
#include <math.h>

#include "cli/out.h"
#include "core/base64.h"
#include "core/check.h"
#include "core/utf8.h"

void doc_init(struct doc *j)
{
    *j = (struct doc){0};
    buf_init(&j->b, CLI_OUTPUT_MAX);
}

void doc_deinit(struct doc *j)
{
    buf_deinit(&j->b);
}

static void put_key(struct doc *j, const char *key)
{
    if (j->more[j->depth]) {
        buf_put_u8(&j->b, ',');
    }
    j->more[j->depth] = true;
    if (key != NULL) {
        buf_put_u8(&j->b, '"');
        buf_put_z(&j->b, key);
        buf_put_z(&j->b, "\":");
    }
}

static void descend(struct doc *j, const char *key, uint8_t opening)
{
    put_key(j, key);
    buf_put_u8(&j->b, opening);
    CHECK(j->depth + 1 < DOC_DEPTH_MAX);
    j->more[++j->depth] = false;
}

void doc_object(struct doc *j, const char *key)
{
    descend(j, key, '{');
}

void doc_array(struct doc *j, const char *key)
{
    descend(j, key, '[');
}

void doc_end(struct doc *j, char closing)
{
    CHECK(j->depth > 0);
    j->depth--;
    buf_put_u8(&j->b, (uint8_t)closing);
}

void doc_str(struct doc *j, const char *key, struct str s)
{
    if (str_is_null(s)) {
        doc_null(j, key);
        return;
    }
    put_key(j, key);
    buf_put_u8(&j->b, '"');
    utf8_json_escape(&j->b, s);
    buf_put_u8(&j->b, '"');
}

void doc_z(struct doc *j, const char *key, const char *z)
{
    doc_str(j, key, str_of(z));
}

void doc_i64(struct doc *j, const char *key, int64_t v)
{
    put_key(j, key);
    buf_printf(&j->b, "%lld", (long long)v);
}

void doc_f64(struct doc *j, const char *key, double v)
{
    if (!isfinite(v)) {
        doc_null(j, key);
        return;
    }
    put_key(j, key);
    buf_printf(&j->b, "%.15g", v);
}

void doc_bool(struct doc *j, const char *key, bool v)
{
    put_key(j, key);
    buf_put_z(&j->b, v ? "true" : "false");
}

void doc_null(struct doc *j, const char *key)
{
    put_key(j, key);
    buf_put_z(&j->b, "null");
}

void doc_bytes(struct doc *j, const char *key, struct str s)
{
    if (str_is_null(s) || utf8_valid(s)) {
        doc_str(j, key, s);
        return;
    }
    put_key(j, NULL);
    buf_printf(&j->b, "\"%s_base64\":\"", key);
    base64_encode(&j->b, s);
    buf_put_u8(&j->b, '"');
}

MUST_USE enum err doc_print(struct doc *j, struct ectx *ec)
{
    buf_put_u8(&j->b, '\n');
    enum err e = buf_failed(&j->b)
                     ? ectx_fail(ec, ERR_NO_MEMORY, "the output does not fit into memory")
                     : out_write(buf_str(&j->b), ec);
    buf_clear(&j->b);
    j->more[0] = false;
    return e;
}
