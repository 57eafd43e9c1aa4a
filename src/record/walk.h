/*
 * Reading one record, inlined into the two loops that need it: the iterator (record.c) and the
 * validator, which is the hot path of every produce request. Private to this room.
 *
 * Strict: a varint that is too long or has bits beyond its width is refused (Kafka drops such bits;
 * no client writes them, and clients differ in what they would read). A record must end exactly
 * where its length says.
 */
#ifndef LEAT_RECORD_WALK_H
#define LEAT_RECORD_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/compiler.h"

struct walk_record {
    const uint8_t *start, *end; /* with the length in front */
    int64_t timestamp_delta;
    int32_t offset_delta;
    int32_t key_size, value_size; /* negative: null */
    int32_t header_count;
    const uint8_t *key, *value, *headers;
    uint8_t attributes;
};

/* The general case, up to 5 and 10 bytes: the next byte, or NULL if there is no such varint. */
const uint8_t *walk_varint32_slow(const uint8_t *p, const uint8_t *end, int32_t *out);
const uint8_t *walk_varint64_slow(const uint8_t *p, const uint8_t *end, int64_t *out);

/* A zigzag varint: the next byte, or NULL. Nearly all are one byte long, most others two. */
static inline const uint8_t *walk_varint32(const uint8_t *p, const uint8_t *end, int32_t *out)
{
    if (LIKELY(p < end)) {
        uint32_t low = p[0];
        if (LIKELY(low < 0x80)) {
            *out = (int32_t)(low >> 1) ^ -(int32_t)(low & 1);
            return p + 1;
        }
        if (LIKELY(end - p >= 2 && p[1] < 0x80)) {
            low = (low & 0x7f) | (uint32_t)p[1] << 7;
            *out = (int32_t)(low >> 1) ^ -(int32_t)(low & 1);
            return p + 2;
        }
    }
    return walk_varint32_slow(p, end, out);
}

static inline const uint8_t *walk_varint64(const uint8_t *p, const uint8_t *end, int64_t *out)
{
    int32_t small;
    if (LIKELY(p < end && (p[0] < 0x80 || (end - p >= 2 && p[1] < 0x80)))) {
        p = walk_varint32(p, end, &small);
        *out = small;
        return p;
    }
    return walk_varint64_slow(p, end, out);
}

/* Skips a length and that many bytes; NULL if they are not there. Negative lengths are null. */
static inline const uint8_t *walk_bytes(const uint8_t *p, const uint8_t *end, const uint8_t **bytes,
                                        int32_t *size)
{
    p = walk_varint32(p, end, size);
    if (UNLIKELY(p == NULL)) {
        return NULL;
    }
    *bytes = p;
    if (*size > 0) {
        if (UNLIKELY(*size > end - p)) {
            return NULL;
        }
        p += *size;
    }
    return p;
}

/* All headers of a record: the byte after them, or NULL. */
const uint8_t *walk_headers(const uint8_t *p, const uint8_t *end, int32_t count);

/* Reads the record at p. NULL and *problem (a constant text) if there is none; else the byte after
 * it. */
static inline const uint8_t *walk_record(const uint8_t *p, const uint8_t *end,
                                         struct walk_record *r, const char **problem)
{
    int32_t length;
    r->start = p;
    p = walk_varint32(p, end, &length);
    if (UNLIKELY(p == NULL)) {
        *problem =
            "its length is not a varint, or the batch has fewer records than its header says";
        return NULL;
    }
    if (UNLIKELY(length < 1 || length > end - p)) {
        *problem = "its length is not that of what follows";
        return NULL;
    }
    end = p + length;
    r->end = end;
    r->attributes = *p++; /* Kafka defines none, so any are accepted, as there */
    p = walk_varint64(p, end, &r->timestamp_delta);
    if (UNLIKELY(p == NULL)) {
        *problem = "its timestamp is malformed";
        return NULL;
    }
    p = walk_varint32(p, end, &r->offset_delta);
    if (UNLIKELY(p == NULL)) {
        *problem = "its offset is malformed";
        return NULL;
    }
    p = walk_bytes(p, end, &r->key, &r->key_size);
    if (UNLIKELY(p == NULL)) {
        *problem = "its key is longer than the record, or malformed";
        return NULL;
    }
    p = walk_bytes(p, end, &r->value, &r->value_size);
    if (UNLIKELY(p == NULL)) {
        *problem = "its value is longer than the record, or malformed";
        return NULL;
    }
    p = walk_varint32(p, end, &r->header_count);
    if (UNLIKELY(p == NULL || r->header_count < 0 || r->header_count > end - p)) {
        *problem = "its number of headers is malformed";
        return NULL;
    }
    r->headers = p;
    if (r->header_count > 0) {
        p = walk_headers(p, end, r->header_count);
        if (UNLIKELY(p == NULL)) {
            *problem = "its headers are malformed";
            return NULL;
        }
    }
    if (UNLIKELY(p != end)) {
        *problem = "it is shorter than its length";
        return NULL;
    }
    return p;
}

#endif
