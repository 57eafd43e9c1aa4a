/*
 * Ids that the server makes: UUIDs of version 7 (RFC 9562) that carry where their event is, so that
 * they need no entry in the index.
 *
 *     48 bits  milliseconds since 1970          12 bits  \ the first 24: the revision;
 *      4 bits  version 7                         2 bits   > variant
 *                                               62 bits  / the last 50: a hash of stream,
 *                                                          milliseconds and revision
 *
 * Version 7, not 8: they sort by time, as everyone's do. Such an id of a stream is recognised by
 * its hash, and the event at its revision is read to be sure: the hash has no secret, and somebody
 * who forges it gains nothing but that read. Events at revisions that 24 bits cannot hold get 74
 * random bits, and an entry.
 *
 * The hash must be the same for ever, so its key is a constant and not the index's.
 */
#include "core/bytes.h"
#include "core/uuid.h"
#include "es/write.h"

#define CARRIED_BITS 24u
#define HASH_BITS    50u

static const uint8_t id_key[16] = "leat event id v1";

static uint64_t hash_place(struct str stream, uint64_t ms, uint64_t revision)
{
    uint8_t bytes[16 + ES_STREAM_NAME_MAX];
    put_be64(bytes, ms);
    put_be64(bytes + 8, revision);
    memcpy(bytes + 16, stream.p, stream.n);
    struct es_hash h = es_siphash(id_key, str_make(bytes, 16 + stream.n));
    return es_hash_short(&h) >> (64 - HASH_BITS);
}

/* 74 bits as 12 of `a` and 62 of `b`. */
static struct uuid lay(uint64_t ms, uint16_t a, uint64_t b)
{
    struct uuid u;
    put_be64(u.b, ms << 16 | 0x7000u | (a & 0xfffu));
    put_be64(u.b + 8, 2ull << 62 | (b & ((1ull << 62) - 1)));
    return u;
}

struct str es_id_make(struct es *es, struct str stream, uint64_t revision, char out[UUID_TEXT_SIZE])
{
    uint64_t ms = (uint64_t)env_wall_ms(es->env) & ((1ull << 48) - 1);
    struct uuid u;
    if (revision >> CARRIED_BITS == 0) {
        uint64_t hash = hash_place(stream, ms, revision);
        u = lay(ms, (uint16_t)(revision >> 12), (revision & 0xfffu) << HASH_BITS | hash);
    } else {
        uint8_t random[10];
        env_random(es->env, random, sizeof(random));
        u = lay(ms, get_be16(random), get_be64(random + 2));
    }
    uuid_format(u, out);
    return str_make(out, UUID_TEXT_SIZE - 1);
}

bool es_id_place(struct str stream, struct str id, uint64_t *revision)
{
    struct uuid u;
    if (id.n != UUID_TEXT_SIZE - 1 || stream.n > ES_STREAM_NAME_MAX || !uuid_parse(id, &u)) {
        return false;
    }
    uint64_t high = get_be64(u.b);
    uint64_t low = get_be64(u.b + 8);
    if ((high >> 12 & 0xf) != 7 || low >> 62 != 2) {
        return false;
    }
    uint64_t carried = (high & 0xfff) << 12 | (low >> HASH_BITS & 0xfff);
    if (hash_place(stream, high >> 16, carried) != (low & ((1ull << HASH_BITS) - 1))) {
        return false;
    }
    *revision = carried;
    return true;
}
