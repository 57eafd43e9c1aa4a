/* See events.h. */
#include "events.h"

#include "core/slice.h"

struct record event_record(struct buf *b, const struct record_header *headers, size_t count,
                           struct str value)
{
    for (size_t i = 0; i < count; i++) {
        buf_put_varint(b, (int64_t)headers[i].key.n);
        buf_put_str(b, headers[i].key);
        buf_put_varint(b, headers[i].value.p == NULL ? -1 : (int64_t)headers[i].value.n);
        buf_put_str(b, headers[i].value);
    }
    return (struct record){
        .value = value,
        .header_count = (int32_t)count,
        .headers = slice_of(b->p, b->n),
    };
}

const char *event_text(struct buf *b, const struct envelope *e)
{
    return event_text_as(b, e, ENVELOPE_NATIVE);
}

const char *event_text_as(struct buf *b, const struct envelope *e, enum envelope_form form)
{
    struct json_writer w;
    buf_clear(b);
    json_write_init(&w, b);
    json_write_begin(&w, '{');
    envelope_write_members(e, form, &w);
    if (form == ENVELOPE_JSON) { /* it is one only with data */
        json_write_name(&w, "data");
        json_write_null(&w);
    }
    json_write_end(&w, '}');
    buf_put_u8(b, 0);
    return (const char *)b->p;
}

const char *event_form_name(enum envelope_form form)
{
    static const char *const names[] = {"none", "binary", "structured", "json", "native"};
    return names[form];
}
