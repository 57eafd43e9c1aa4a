/* A definition in JSON whose places are offsets in its text, and one event. */
#ifndef LEAT_TEST_UNIT_MAPPING_COMMON_H
#define LEAT_TEST_UNIT_MAPPING_COMMON_H

#include "mapping/mapping.h"
#include "test.h"

struct bench {
    struct arena arena;
    struct mapping_doc doc;
    const char *text;
    struct json *root;
    struct envelope envelope;
    struct mapping_event event;
    struct ectx ec;
};
/* definition and data are JSON; data NULL: none. */
void bench_init(struct bench *b, const char *definition, const char *type, const char *data);
void bench_deinit(struct bench *b);

#endif
