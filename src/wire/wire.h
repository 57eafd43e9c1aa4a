/*
 * Kafka's messages as tables. Every message of src/wire/schema is a plain C struct
 * (src/wire/gen/NAME.h) and a constant table that says which field has which type in which version.
 * One walker reads bytes into the struct (decode.c), one writes it (encode.c), one prints it
 * (dump.c). Nothing else in the program knows how Kafka lays out a message, so nothing else can get
 * a length wrong.
 *
 * How a field of the protocol looks in C:
 *   bool, int8 ... int64, float64   bool, int8_t ... int64_t, double
 *   uuid                            struct uuid (all zero: "no id")
 *   string, bytes                   struct str; p == NULL is null
 *   records                         struct wire_records, see below
 *   []X                             X *name and int32_t name_count; count -1 is null
 *   a struct                        the struct itself; if it may be null, a pointer
 *
 * Always begin with wire_init (or wire_array for elements): it sets every default, a zeroed struct
 * is not the same (a string would be null, which most fields must not be). Then set only what
 * differs.
 *
 * Ownership: decoding takes memory from the arena only; strings, bytes and records are views into
 * the input and live as long as it does. Encoding copies, except for record chunks (struct
 * wire_splices). No function here blocks, logs or keeps state; all may be called from any thread.
 */
#ifndef LEAT_WIRE_WIRE_H
#define LEAT_WIRE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/buf.h"
#include "core/compiler.h"
#include "core/err.h"
#include "core/slice.h"
#include "core/str.h"
#include "core/uuid.h"

/* One piece of a record set that lies somewhere in memory. */
struct wire_chunk {
    struct str bytes;
};

/*
 * The field type `records`: the bytes of record batches, opaque here. Decoded: p and n, a view. To
 * encode, set either p and n, or chunks and chunk_count (then p and n are not looked at); the
 * pieces are sent one after the other. n == -1 without chunks is null; n == 0 is an empty record
 * set.
 */
struct wire_records {
    const uint8_t *p;
    int64_t n; /* bytes; -1: null */
    const struct wire_chunk *chunks;
    size_t chunk_count;
};

enum wire_type {
    WIRE_BOOL,
    WIRE_INT8,
    WIRE_INT16,
    WIRE_UINT16,
    WIRE_INT32,
    WIRE_UINT32,
    WIRE_INT64,
    WIRE_FLOAT64,
    WIRE_UUID,
    WIRE_STRING,
    WIRE_BYTES,
    WIRE_RECORDS,
    WIRE_STRUCT,
};

enum wire_field_flag {
    WIRE_ARRAY = 1,   /* pointer and count; `type` is the type of an element */
    WIRE_POINTER = 2, /* a struct that may be null: a pointer to it */
    WIRE_IGNORABLE =
        4,            /* a version without the field drops a value silently; else it is an error */
    WIRE_CLASSIC = 8, /* never compact, even in a flexible version (client_id of the header) */
};

/* Version ranges are inclusive; min > max: never. */
struct wire_versions {
    uint8_t min, max;
};

struct wire_message;
struct wire_field {
    const char *name;
    const struct wire_message *message; /* of WIRE_STRUCT */
    uint16_t offset;                    /* in the C struct */
    uint16_t count_offset;              /* of the int32_t count, for WIRE_ARRAY */
    uint8_t type;                       /* enum wire_type */
    uint8_t flags;                      /* enum wire_field_flag */
    uint8_t tag;                        /* number, in the versions of `tagged` */
    struct wire_versions versions;      /* that have the field */
    struct wire_versions nullable;      /* in which it may be null */
    struct wire_versions tagged;        /* in which it is a tagged field (KIP-482) */
};

/* A message, or a struct inside one. */
struct wire_message {
    const char *name; /* Kafka's, "ProduceRequest"; of an inner struct: its name in the schema */
    const struct wire_field *fields;
    const void *defaults; /* the C struct with every field at its default */
    uint16_t field_count;
    uint16_t size;          /* sizeof the C struct */
    int16_t min, max;       /* versions that can be decoded and encoded */
    int16_t flexible_since; /* first version with compact lengths and tags; INT16_MAX: none */
    bool tagged;            /* has fields that are tagged in some version */
};

/* One request and its response. The list of them is src/wire/gen/apis.c. */
struct wire_api {
    int16_t key;
    const char *name;       /* "Produce" */
    int16_t min, max;       /* what ApiVersions tells */
    int16_t served_min;     /* versions below it are told but answered with UNSUPPORTED_VERSION */
    int16_t flexible_since; /* INT16_MAX: none */
    const struct wire_message *request, *response;
};

/* NULL: the table does not know the key. */
const struct wire_api *wire_api_find(int16_t key);
/* All APIs by ascending key: for (i = 0; i < wire_api_count(); i++) wire_api_at(i). */
size_t wire_api_count(void);
const struct wire_api *wire_api_at(size_t i);

/* Sets every field of `out` (m->size bytes) to its default. Fits every version. */
void wire_init(const struct wire_message *m, void *out);
/* `n` elements with defaults, or NULL (over the arena's budget, n < 0). n == 0 gives a valid
 * pointer. */
void *wire_array(struct arena *a, const struct wire_message *m, int64_t n);
/* The same with a type: struct wire_x *p = WIRE_NEW_N(arena, wire_x, n); */
#define WIRE_NEW_N(arena, name, n) ((struct name *)wire_array((arena), &name##_type, (n)))
#define WIRE_INIT(name, out)       wire_init(&name##_type, (struct name *){(out)})

/*
 * Reads one message. `in` moves past it; bytes that follow are left there (Kafka does not look at
 * them either). Nothing is allocated before the element count was compared with the bytes that are
 * left, and all of it from `a`, whose budget is the bound. Fields that the version does not have
 * get their default, unknown tagged fields are skipped. On an error `in` and `out` are unspecified
 * and of no use.
 *
 * As Kafka does: any negative classic length is null; a string is not checked to be UTF-8.
 * Errors: ERR_UNSUPPORTED_VERSION, ERR_TRUNCATED, ERR_MALFORMED (with the field's path and the byte
 * position in the text), ERR_LIMIT (the arena's budget), ERR_NO_MEMORY.
 */
MUST_USE enum err wire_decode(const struct wire_message *m, int16_t version, struct slice *in,
                              struct arena *a, void *out, struct ectx *ec);

/* Record bytes that belong into an encoded message but were not copied into it. */
struct wire_splice {
    size_t at; /* position in the buf: the chunks go before the byte that is there */
    const struct wire_chunk *chunks;
    size_t chunk_count;
    uint64_t bytes; /* of all chunks */
};
/*
 * Collects splices of one or more encodes into the same buf, in ascending order of `at`. Begin with
 * { .arena = a }. Chunks must stay where they are until they are sent.
 */
struct wire_splices {
    struct arena *arena;
    struct wire_splice *items;
    size_t count, cap;
    uint64_t bytes; /* of all items: the message has buf.n + bytes bytes */
};

/*
 * Appends one message to `out`. Fields that the version does not have are left out; if such a field
 * has a value other than its default and is not `ignorable`, that is ERR_UNSUPPORTED_VERSION. Null
 * where the version does not permit it is ERR_MALFORMED. ERR_LIMIT: over out->max or over a length
 * that the protocol can express. On an error out->n is what it was before (memory may have grown).
 *
 * With `sp`, records given as chunks are not copied: only their length is written and *sp notes
 * where they belong. Without it (NULL) they are copied. `in` is not changed.
 */
MUST_USE enum err wire_encode(const struct wire_message *m, int16_t version, const void *in,
                              struct buf *out, struct wire_splices *sp, struct ectx *ec);

/*
 * The same for a server's answer, which is filled in for the newest version: values that an older
 * version cannot carry are left out instead of being refused.
 */
MUST_USE enum err wire_encode_response(const struct wire_message *m, int16_t version,
                                       const void *in, struct buf *out, struct wire_splices *sp,
                                       struct ectx *ec);

/*
 * Appends one line for a log or a person: {acks=-1 timeout_ms=1500 topic_data=[{name="t" ...}]}.
 * Only what `version` has; bytes and records as their length; at most about `limit` bytes, then
 * "...". Text is escaped. Never fails otherwise than through out->failed.
 */
void wire_dump(const struct wire_message *m, int16_t version, const void *in, struct buf *out,
               size_t limit);

#endif
