/*
 * What the fuzz targets share: a source of choices, messages made and changed by the tables of
 * src/wire, and record batches.
 *
 * A target turns its input into choices (fuzz_source_bytes): then the fuzzer's byte mutations are
 * mutations of fields. A custom mutator draws them from a seed (fuzz_source_seed). Both end in the
 * same functions, so that what a mutator can make, an input can say.
 */
#ifndef LEAT_TEST_FUZZ_COMMON_H
#define LEAT_TEST_FUZZ_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/buf.h"
#include "core/check.h"
#include "wire/wire.h"

/* libFuzzer's own; replay.c has a small one for the builds without it. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
/* What a target defines; the last two only if it has something to say about its structure. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t an, const uint8_t *b, size_t bn,
                                 uint8_t *out, size_t max, unsigned int seed);

/* ---- Choices -------------------------------------------------------------------------------- */

struct fuzz_source {
    const uint8_t *p, *end; /* first these bytes, */
    uint64_t state;         /* then this generator; 0: then only zeros */
};
struct fuzz_source fuzz_source_bytes(const uint8_t *p, size_t n);
struct fuzz_source fuzz_source_seed(uint64_t seed);
bool fuzz_source_ended(const struct fuzz_source *s);
uint8_t fuzz_u8(struct fuzz_source *s);
uint64_t fuzz_u64(struct fuzz_source *s);
/* 0 to n-1; n > 0. Zeros choose 0, so that is the harmless answer. */
uint32_t fuzz_below(struct fuzz_source *s, uint32_t n);
/* Mostly small, or an edge of some width. */
int64_t fuzz_number(struct fuzz_source *s);
/* n bytes of anything, from the arena. */
struct str fuzz_bytes(struct fuzz_source *s, struct arena *a, size_t n);

/* ---- Messages ------------------------------------------------------------------------------- */

/*
 * Values that a target replaces by what the server answered before it sends the request (see
 * targets/kafka_dispatch.c): an id that the server chose cannot be in a corpus.
 */
#define FUZZ_MEMBER_ID  "$M"
#define FUZZ_GENERATION 0x7a7a
#define FUZZ_UUID_BYTE  0xee /* the first byte; the second chooses the topic */

/* Fills `out` with a message that is legal in this version. Everything is in the arena; false: it
 * is full. */
bool fuzz_wire_make(const struct wire_message *m, int16_t version, struct fuzz_source *s,
                    struct arena *a, void *out);
/* Changes one value, element or array of a decoded message; it stays legal. */
bool fuzz_wire_change(const struct wire_message *m, int16_t version, struct fuzz_source *s,
                      struct arena *a, void *message);
/* Calls fn for each value (also elements of arrays) that the version has. */
typedef void (*fuzz_value_fn)(void *ctx, const struct wire_field *f, void *value);
void fuzz_wire_each(const struct wire_message *m, int16_t version, void *message, fuzz_value_fn fn,
                    void *ctx);
/* Decodes what is there, changes it, encodes it: its new size, or 0 if that is not possible. */
size_t fuzz_wire_change_bytes(const struct wire_message *m, int16_t version, struct fuzz_source *s,
                              uint8_t *data, size_t size, size_t max);
/* A random message as bytes: its size, or 0. */
size_t fuzz_wire_make_bytes(const struct wire_message *m, int16_t version, struct fuzz_source *s,
                            uint8_t *data, size_t max);

/* ---- Record batches -------------------------------------------------------------------------- */

/* Appends a batch that is good, or nearly: some have a wrong number somewhere, checksums are right.
 */
void fuzz_batch_make(struct fuzz_source *s, struct buf *out);
/* Changes one field of the header, or the records (compressed ones are unpacked and packed again),
 * and repairs length and checksum. The new size, or 0 if the bytes are no batch or it is over max.
 */
size_t fuzz_batch_change(struct fuzz_source *s, uint8_t *data, size_t size, size_t max);
/* Makes the checksum right if the header is readable. */
void fuzz_batch_repair(uint8_t *p, size_t n);

/* ---- Text -------------------------------------------------------------------------------------
 */

/* name: value, LEAT_NAME=value, name=value. */
enum fuzz_option_form { FUZZ_OPTION_YAML, FUZZ_OPTION_VARIABLE, FUZZ_OPTION_PAIR };
/* Appends an option of the table with a value that fits, or nearly. */
void fuzz_option_put(struct fuzz_source *s, enum fuzz_option_form form, struct buf *out);
/* Inserts `line` (with its end) before one of the lines; the new size. */
size_t fuzz_insert(struct fuzz_source *s, uint8_t *data, size_t size, size_t max, struct str line);

#endif
