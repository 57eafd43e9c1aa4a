/* A definition in JSON with the places of its values, for the tests of this room. */
#include "common.h"

static bool place(void *ctx, const struct json *v, uint32_t *line, uint32_t *column)
{
    struct bench *b = ctx;
    *line = 1;
    *column = (uint32_t)(v->raw.p - b->text) + 1;
    return true;
}

void bench_init(struct bench *b, const char *definition, const char *type, const char *data)
{
    memset(b, 0, sizeof(*b));
    arena_init(&b->arena, 4u << 20);
    b->text = definition;
    b->doc = (struct mapping_doc){.file = "orders.yaml", .place = place, .ctx = b};
    assert_int_equal(json_parse(str_of(definition), NULL, &b->arena, &b->root, &b->ec), ERR_OK);
    envelope_init(&b->envelope);
    b->envelope.type = str_of(type);
    struct str suffix;
    (void)mapping_type_base(b->envelope.type, &suffix);
    b->envelope.version = suffix;
    b->event = (struct mapping_event){.envelope = &b->envelope,
                                      .key = STR_LIT("order-42"),
                                      .topic = STR_LIT("es.order"),
                                      .has_revision = true,
                                      .revision = 7,
                                      .offset = 12,
                                      .timestamp_ms = -1};
    if (data != NULL) {
        struct json *v = NULL;
        assert_int_equal(json_parse(str_of(data), NULL, &b->arena, &v, &b->ec), ERR_OK);
        b->event.data = v;
    }
}

void bench_deinit(struct bench *b)
{
    arena_deinit(&b->arena);
}
