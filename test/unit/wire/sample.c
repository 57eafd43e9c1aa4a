/* The tables of sample.h, written by hand as the generator writes them. */
#include "wire/sample.h"

#include <string.h>

#include "unit/test.h"

#define ALWAYS \
    {          \
        0, 255 \
    }
#define NEVER \
    {         \
        1, 0  \
    }

#define AT(member) offsetof(struct sample_item, member)
static const struct wire_field item_fields[] = {
    {"name", NULL, AT(name), 0, WIRE_STRING, 0, 0, ALWAYS, NEVER, NEVER},
    {"numbers", NULL, AT(numbers), AT(numbers_count), WIRE_INT32, WIRE_ARRAY, 0, ALWAYS, NEVER,
     NEVER},
};
#undef AT
static const struct sample_item item_default = {.name = {"", 0}};
const struct wire_message sample_item_type = {
    "item", item_fields, &item_default, 2, sizeof(struct sample_item), 0, 2, 1, false};

#define AT(member) offsetof(struct sample, member)
static const struct wire_field fields[] = {
    {"flag", NULL, AT(flag), 0, WIRE_BOOL, 0, 0, ALWAYS, NEVER, NEVER},
    {"i8", NULL, AT(i8), 0, WIRE_INT8, 0, 0, ALWAYS, NEVER, NEVER},
    {"i16", NULL, AT(i16), 0, WIRE_INT16, 0, 0, ALWAYS, NEVER, NEVER},
    {"u16", NULL, AT(u16), 0, WIRE_UINT16, 0, 0, ALWAYS, NEVER, NEVER},
    {"i32", NULL, AT(i32), 0, WIRE_INT32, 0, 0, ALWAYS, NEVER, NEVER},
    {"u32", NULL, AT(u32), 0, WIRE_UINT32, 0, 0, ALWAYS, NEVER, NEVER},
    {"i64", NULL, AT(i64), 0, WIRE_INT64, 0, 0, ALWAYS, NEVER, NEVER},
    {"f64", NULL, AT(f64), 0, WIRE_FLOAT64, 0, 0, ALWAYS, NEVER, NEVER},
    {"id", NULL, AT(id), 0, WIRE_UUID, 0, 0, ALWAYS, NEVER, NEVER},
    {"text", NULL, AT(text), 0, WIRE_STRING, 0, 0, ALWAYS, NEVER, NEVER},
    {"maybe", NULL, AT(maybe), 0, WIRE_STRING, 0, 0, ALWAYS, ALWAYS, NEVER},
    {"blob", NULL, AT(blob), 0, WIRE_BYTES, 0, 0, ALWAYS, ALWAYS, NEVER},
    {"texts", NULL, AT(texts), AT(texts_count), WIRE_STRING, WIRE_ARRAY, 0, ALWAYS, ALWAYS, NEVER},
    {"items", &sample_item_type, AT(items), AT(items_count), WIRE_STRUCT, WIRE_ARRAY, 0, ALWAYS,
     NEVER, NEVER},
    {"one", &sample_item_type, AT(one), 0, WIRE_STRUCT, WIRE_POINTER, 0, ALWAYS, {1, 255}, NEVER},
    {"records", NULL, AT(records), 0, WIRE_RECORDS, 0, 0, ALWAYS, ALWAYS, NEVER},
    {"tag_number",
     NULL,
     AT(tag_number),
     0,
     WIRE_INT32,
     WIRE_IGNORABLE,
     0,
     {1, 255},
     NEVER,
     {1, 255}},
    {"tag_text", NULL, AT(tag_text), 0, WIRE_STRING, WIRE_IGNORABLE, 1, {1, 255}, NEVER, {1, 255}},
    {"tag_item", &sample_item_type, AT(tag_item), 0, WIRE_STRUCT, 0, 5, {1, 255}, NEVER, {1, 255}},
    {"late", NULL, AT(late), 0, WIRE_INT32, WIRE_IGNORABLE, 0, {2, 255}, NEVER, NEVER},
    {"strict", NULL, AT(strict), 0, WIRE_INT32, 0, 0, {2, 255}, NEVER, NEVER},
};
#undef AT
static const struct sample defaults = {
    .text = {"", 0},
    .records = {NULL, -1, NULL, 0},
    .blob = {"", 0},
    .tag_number = 7,
    .tag_text = {"", 0},
    .tag_item = {.name = {"", 0}},
};
const struct wire_message sample_type = {
    "Sample", fields, &defaults, ARRAY_LEN(fields), sizeof(struct sample), 0, 2, 1, true};

struct wire_message sample_only(const char *field, struct wire_field *room)
{
    struct wire_message m = sample_type;
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (strcmp(fields[i].name, field) == 0) {
            *room = fields[i];
            m.fields = room;
            m.field_count = 1;
            return m;
        }
    }
    fail_msg("no field %s", field);
    return m;
}
