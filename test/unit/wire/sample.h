/*
 * A message that no API has, with every type of field, so that each primitive can be tested alone.
 *   v0 classic; v1 flexible; v2 adds `late` (ignorable) and `strict` (not ignorable); in v1+ three
 * fields are tagged.
 */
#ifndef LEAT_TEST_UNIT_WIRE_SAMPLE_H
#define LEAT_TEST_UNIT_WIRE_SAMPLE_H

#include "wire/wire.h"

struct sample_item {
    struct str name;
    int32_t *numbers;
    int32_t numbers_count;
};

struct sample {
    bool flag;
    int8_t i8;
    int16_t i16;
    uint16_t u16;
    int32_t i32;
    uint32_t u32;
    int64_t i64;
    double f64;
    struct uuid id;
    struct str text;   /* never null */
    struct str maybe;  /* may be null, default null */
    struct str blob;   /* bytes, may be null */
    struct str *texts; /* may be null; its elements may not */
    int32_t texts_count;
    struct sample_item *items;
    int32_t items_count;
    struct sample_item *one; /* a struct that may be null */
    struct wire_records records;
    int32_t tag_number;          /* tag 0, v1+, default 7 */
    struct str tag_text;         /* tag 1, v1+ */
    struct sample_item tag_item; /* tag 5, v1+ */
    int32_t late;                /* v2+, ignorable */
    int32_t strict;              /* v2+, not ignorable */
};

extern const struct wire_message sample_type;
extern const struct wire_message sample_item_type;

/* The same message with only one of its fields, in every version, to look at that field's bytes. */
struct wire_message sample_only(const char *field, struct wire_field *room);

#endif
