/*
 * Where a Produce request shall lie in memory: with its batch STORE_BATCH_LEAD behind the beginning
 * of a block, so that the log can put its header before it and write both from there. Only the
 * first bytes of the request have arrived, so they are looked at by hand; dispatch decodes it all
 * again when it is whole. A wrong answer costs a copy, nothing else: the store looks where the
 * batch really lies.
 */
#include "core/pool.h"
#include "kafka/kafka_int.h"
#include "wire/frame.h"

#define KEY_PRODUCE         0
#define TOPIC_IDS_SINCE     13
#define PRODUCE_VERSION_MIN 3

static bool skip(struct slice *in, size_t n)
{
    const uint8_t *p;
    return slice_take(in, n, &p);
}

/* The length of a string, array or bytes, -1: null; compact: as a varint, one more. */
static bool get_length(struct slice *in, bool compact, bool wide, int64_t *out)
{
    uint32_t n;
    int32_t wide_n;
    int16_t short_n;
    if (compact) {
        if (!slice_uvarint32(in, &n)) {
            return false;
        }
        *out = (int64_t)n - 1;
    } else if (wide) {
        if (!slice_i32(in, &wide_n)) {
            return false;
        }
        *out = wide_n;
    } else {
        if (!slice_i16(in, &short_n)) {
            return false;
        }
        *out = short_n;
    }
    return true;
}

static bool skip_string(struct slice *in, bool compact)
{
    int64_t n;
    return get_length(in, compact, false, &n) && (n <= 0 || skip(in, (size_t)n));
}

static bool skip_tags(struct slice *in)
{
    uint32_t count, tag, size;
    if (!slice_uvarint32(in, &count)) {
        return false;
    }
    while (count-- > 0) {
        if (!slice_uvarint32(in, &tag) || !slice_uvarint32(in, &size) || !skip(in, size)) {
            return false;
        }
    }
    return true;
}

/* An array of one element: what has several batches is not written from where it lies. */
static bool skip_one(struct slice *in, bool compact)
{
    int64_t n;
    return get_length(in, compact, true, &n) && n == 1;
}

size_t kafka_lay(void *state, const uint8_t *p, size_t n)
{
    (void)state;
    struct slice in = slice_of(p, n);
    int16_t key, version;
    int64_t bytes;
    if (!skip(&in, 4) || !slice_i16(&in, &key) || key != KEY_PRODUCE || !slice_i16(&in, &version) ||
        version < PRODUCE_VERSION_MIN) {
        return NET_ANYWHERE;
    }
    const bool compact = version >= wire_api_find(KEY_PRODUCE)->flexible_since;
    const bool head = skip(&in, 4) && skip_string(&in, false) && (!compact || skip_tags(&in)) &&
                      skip_string(&in, compact) && skip(&in, 2 + 4); /* acks, timeout */
    const bool topic =
        head && skip_one(&in, compact) &&
        (version >= TOPIC_IDS_SINCE ? skip(&in, sizeof(struct uuid)) : skip_string(&in, compact));
    if (!topic || !skip_one(&in, compact) || !skip(&in, 4) ||
        !get_length(&in, compact, true, &bytes)) {
        return NET_ANYWHERE;
    }
    const size_t at = (size_t)(in.p - p) % POOL_ALIGN;
    return (STORE_BATCH_LEAD + POOL_ALIGN - at) % POOL_ALIGN;
}
