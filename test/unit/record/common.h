/* What the tests of this room share: a scratch, an output buffer, batches of small records. */
#ifndef LEAT_TEST_UNIT_RECORD_COMMON_H
#define LEAT_TEST_UNIT_RECORD_COMMON_H

#include "core/mem.h"
#include "record/builder.h"
#include "record/validate.h"

#define TEST_NOW 1700000000000

struct fixture {
    struct record_scratch scratch;
    struct buf out;
    struct record_rules rules;
    struct record_verdict verdict;
    struct ectx ec;
};

void fixture_init(struct fixture *f);
void fixture_deinit(struct fixture *f);
/* Appends to f->out a batch of `count` records, key "k", value "value", times TEST_NOW, TEST_NOW +
 * 1, ... */
void fixture_build(struct fixture *f, const struct batch_spec *spec, int count);
/* Appends an uncompressed batch whose records are these raw bytes. */
void fixture_raw(struct fixture *f, int32_t count, const void *records, size_t n);
/* Makes the checksum right after a test changed bytes. */
void fixture_repair(struct fixture *f);
enum err fixture_validate(struct fixture *f);
/* Validates, finishes into a new buffer and replaces f->out with the result. */
enum err fixture_accept(struct fixture *f);

#endif
