/*
 * Hashes of names: SipHash-2-4 with 128 bits of output (Aumasson and Bernstein, 2012; the 128-bit
 * finish as its authors' reference has it). Why this one: es_int.h. Bodies are long, and whoever
 * makes two of his meet harms only himself: hash_keyed of core, many times as fast.
 *
 * What is hashed is framed: a byte that says what it is, then each string with its length in front
 * of it, so that ("ab", "c") and ("a", "bc") differ, and a null string from an empty one.
 */
#include "core/hash.h"
#include "core/bytes.h"
#include "es/es_int.h"

struct sip {
    uint64_t v[4];
    uint8_t tail[8];
    size_t tail_bytes;
    uint64_t total;
};

static inline uint64_t rotate(uint64_t x, unsigned by)
{
    return x << by | x >> (64 - by);
}

#define SIP_ROUND(v0, v1, v2, v3) \
    do {                          \
        (v0) += (v1);             \
        (v1) = rotate((v1), 13);  \
        (v1) ^= (v0);             \
        (v0) = rotate((v0), 32);  \
        (v2) += (v3);             \
        (v3) = rotate((v3), 16);  \
        (v3) ^= (v2);             \
        (v0) += (v3);             \
        (v3) = rotate((v3), 21);  \
        (v3) ^= (v0);             \
        (v2) += (v1);             \
        (v1) = rotate((v1), 17);  \
        (v1) ^= (v2);             \
        (v2) = rotate((v2), 32);  \
    } while (0)

static inline void sip_rounds(uint64_t v[4])
{
    for (int i = 0; i < 4; i++) {
        SIP_ROUND(v[0], v[1], v[2], v[3]);
    }
}

static void sip_init(struct sip *s, const uint8_t key[16])
{
    uint64_t k0 = get_le64(key);
    uint64_t k1 = get_le64(key + 8);
    s->v[0] = k0 ^ 0x736f6d6570736575u;
    s->v[1] = k1 ^ 0x646f72616e646f6du ^ 0xee; /* 0xee: 128 bits of output */
    s->v[2] = k0 ^ 0x6c7967656e657261u;
    s->v[3] = k1 ^ 0x7465646279746573u;
    s->tail_bytes = 0;
    s->total = 0;
}

/* Whole words; the state is in registers meanwhile. */
static const uint8_t *sip_words(struct sip *s, const uint8_t *p, size_t count)
{
    uint64_t v0 = s->v[0];
    uint64_t v1 = s->v[1];
    uint64_t v2 = s->v[2];
    uint64_t v3 = s->v[3];
    for (; count > 0; count--, p += 8) {
        uint64_t m = get_le64(p);
        v3 ^= m;
        SIP_ROUND(v0, v1, v2, v3);
        SIP_ROUND(v0, v1, v2, v3);
        v0 ^= m;
    }
    s->v[0] = v0;
    s->v[1] = v1;
    s->v[2] = v2;
    s->v[3] = v3;
    return p;
}

static void sip_put(struct sip *s, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    s->total += n;
    while (n > 0 && s->tail_bytes > 0) {
        s->tail[s->tail_bytes++] = *p++;
        n--;
        if (s->tail_bytes == 8) {
            IGNORE(sip_words(s, s->tail, 1) == NULL);
            s->tail_bytes = 0;
        }
    }
    p = sip_words(s, p, n / 8);
    n %= 8;
    while (n > 0) {
        s->tail[s->tail_bytes++] = *p++;
        n--;
    }
}

static void sip_put_str(struct sip *s, struct str text)
{
    uint8_t length[8];
    put_le64(length, str_is_null(text) ? UINT64_MAX : text.n);
    sip_put(s, length, sizeof(length));
    if (text.n > 0) {
        sip_put(s, text.p, text.n);
    }
}

static struct es_hash sip_end(struct sip *s)
{
    struct es_hash out;
    memset(s->tail + s->tail_bytes, 0, 8 - s->tail_bytes);
    s->tail[7] = (uint8_t)s->total;
    IGNORE(sip_words(s, s->tail, 1) == NULL);
    s->v[2] ^= 0xee;
    sip_rounds(s->v);
    put_le64(out.b, s->v[0] ^ s->v[1] ^ s->v[2] ^ s->v[3]);
    s->v[1] ^= 0xdd;
    sip_rounds(s->v);
    put_le64(out.b + 8, s->v[0] ^ s->v[1] ^ s->v[2] ^ s->v[3]);
    return out;
}

struct es_hash es_siphash(const uint8_t key[16], struct str bytes)
{
    struct sip s;
    sip_init(&s, key);
    sip_put(&s, bytes.p, bytes.n);
    return sip_end(&s);
}

static struct es_hash hash_framed(const struct es *es, uint8_t domain, struct str a, struct str b)
{
    struct sip s;
    sip_init(&s, es->hash_key);
    sip_put(&s, &domain, 1);
    sip_put_str(&s, a);
    sip_put_str(&s, b);
    return sip_end(&s);
}

struct es_hash es_hash_stream(const struct es *es, struct str stream)
{
    return hash_framed(es, 's', stream, STR_NULL);
}

struct es_hash es_hash_id(const struct es *es, const struct es_hash *stream, struct str id)
{
    return hash_framed(es, 'i', str_make(stream->b, sizeof(stream->b)), id);
}

struct es_hash es_hash_tag(const struct es *es, struct str tag)
{
    return hash_framed(es, 'g', tag, STR_NULL);
}

struct es_hash es_hash_type(const struct es *es, struct str type)
{
    return hash_framed(es, 't', type, STR_NULL);
}

struct es_hash es_hash_slot(const struct es *es, const struct es_hash *stream, struct str schema)
{
    return hash_framed(es, 'n', str_make(stream->b, sizeof(stream->b)), schema);
}

uint64_t es_hash_category(const struct es *es, struct str category)
{
    struct es_hash h = hash_framed(es, 'c', category, STR_NULL);
    return es_hash_short(&h);
}

uint64_t es_hash_short(const struct es_hash *h)
{
    return get_be64(h->b);
}

/* Null and empty differ. */
static void chain(uint64_t key[4], struct str text)
{
    key[0] = hash_keyed(key, text.p, text.n) + str_is_null(text);
}

uint64_t es_body_hash(const struct es *es, struct str type, struct str data, struct str meta,
                      const struct str *tags, size_t tag_count)
{
    const uint64_t k0 = get_le64(es->hash_key);
    const uint64_t k1 = get_le64(es->hash_key + 8);
    uint64_t key[4] = {k0, k1, k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du};
    chain(key, type);
    chain(key, data);
    chain(key, meta);
    for (size_t i = 0; i < tag_count; i++) {
        chain(key, tags[i]);
    }
    return key[0];
}
