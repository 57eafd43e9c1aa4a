/* An event as JSON. */
#include "api/api_int.h"
#include "api/event_json.h"
#include "core/base64.h"

void event_position_write(struct json_writer *w, const char *name, struct es_position p)
{
    char text[ES_POSITION_TEXT];
    const size_t n = es_position_format(p, text);
    json_write_member_str(w, name, str_make(text, n));
}

static void write_data(struct json_writer *w, const struct es_event *e)
{
    if (str_is_null(e->data)) {
        json_write_name(w, "data");
        json_write_null(w);
    } else if (media_is_json(e->envelope.content_type) && api_is_json(w, e->data)) {
        json_write_name(w, "data");
        api_write_line(w, e->data);
    } else {
        json_write_name(w, "data_base64");
        buf_put_u8(w->out, '"');
        base64_encode(w->out, e->data);
        buf_put_u8(w->out, '"');
        w->comma = true;
    }
}

static void write_form(struct json_writer *w, const struct es_event *e, enum envelope_form form,
                       const struct ectx *problem)
{
    json_write_begin(w, '{');
    json_write_member_str(w, "stream", e->stream);
    json_write_name(w, "revision");
    json_write_u64(w, e->revision);
    event_position_write(w, "position", e->position);
    envelope_write_members(&e->envelope, form, w);
    write_data(w, e);
    if (!str_is_null(e->meta)) {
        json_write_name(w, "meta");
        api_write_line(w, e->meta);
    }
    if (e->tag_count > 0) {
        json_write_name(w, "tags");
        json_write_begin(w, '[');
        for (size_t i = 0; i < e->tag_count; i++) {
            json_write_str(w, e->tags[i]);
        }
        json_write_end(w, ']');
    }
    if (e->redacted) {
        json_write_member_bool(w, "redacted", true);
    }
    if (!str_is_null(e->metadata_error)) {
        json_write_member_str(w, "metadata_error", e->metadata_error);
    }
    if (problem != NULL) {
        json_write_member_str(w, "upcast_error", str_of(problem->text));
    }
    json_write_end(w, '}');
}

void event_write_stored(struct json_writer *w, const struct es_event *e, enum envelope_form form)
{
    write_form(w, e, form, NULL);
}

static void end_line(struct json_writer *w, char after)
{
    if (after != 0) {
        buf_put_u8(w->out, (uint8_t)after);
        json_write_init(w, w->out);
    }
}

void event_write(struct json_writer *w, struct es *es, const struct es_event *e,
                 enum envelope_form form, struct arena *a, char after)
{
    struct es_event *forms;
    size_t count;
    struct ectx ec = {0};
    const enum err err = es_upcast(es, e, a, &forms, &count, &ec);
    w->out->failed = w->out->failed || (err == ERR_NO_MEMORY && !a->over); /* not its fault */
    if (err != ERR_OK || count == 0) {
        write_form(w, e, form, err == ERR_OK ? NULL : &ec);
        end_line(w, after);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        write_form(w, &forms[i], form, NULL);
        end_line(w, after);
    }
}
