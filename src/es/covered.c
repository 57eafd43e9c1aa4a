/*
 * How far of the log the index reaches, as the index keeps it for us (index_cover):
 *
 *   version le32 = 2, hash key 16, topics le32, and for each topic:
 *   its name (le32 and bytes), its id 16, partitions le32, for each the next offset le64
 *
 * The id tells a topic from another one of its name: of another store, or made again. It does not
 * tell a log that was put back to an earlier day and has grown again from itself. Version 1 had no
 * ids: such an index is made anew.
 */
#include "core/buf.h"
#include "core/slice.h"
#include "es/write.h"

#define COVERED_VERSION 2u
#define COVERED_HEAD    (4u + 16 + 4)

static size_t topic_bytes(size_t name_bytes, int32_t partitions)
{
    return 4 + name_bytes + sizeof(struct uuid) + 4 + 8 * (size_t)partitions;
}

/* Before the topics' ids were noted there was 1 MiB: what fitted fits with them. */
_Static_assert(1024u * 1024 + (ES_CATEGORIES_MAX + 1) * sizeof(struct uuid) <= INDEX_COVERED_MAX,
               "the index has room to note what it covers");

bool es_covered_room(const struct es *es, size_t more, size_t name_bytes, int32_t partitions)
{
    struct map_iter it = {0};
    size_t n = COVERED_HEAD + topic_bytes(sizeof(ES_STREAMS_TOPIC), es->facts_partitions) +
               more * topic_bytes(sizeof(ES_TOPIC_PREFIX), partitions) + name_bytes;
    while (map_next(&es->cats, &it)) {
        const struct es_cat *c = it.value;
        n += topic_bytes(c->topic.n, c->partitions);
    }
    return n <= INDEX_COVERED_MAX;
}

static void put_topic(struct buf *b, struct str name, struct uuid id, const int64_t *covered,
                      int32_t partitions)
{
    buf_put_lstr(b, name);
    buf_put(b, id.b, sizeof(id.b));
    buf_put_le32(b, (uint32_t)partitions);
    for (int32_t i = 0; i < partitions; i++) {
        buf_put_le64(b, (uint64_t)covered[i]);
    }
}

enum err es_covered_tell(struct es *es, bool now)
{
    struct buf b;
    struct map_iter it = {0};
    buf_init(&b, INDEX_COVERED_MAX);
    buf_put_le32(&b, COVERED_VERSION);
    buf_put(&b, es->hash_key, sizeof(es->hash_key));
    buf_put_le32(&b, (uint32_t)es->cats.count + 1);
    put_topic(&b, STR_LIT(ES_STREAMS_TOPIC), es->facts_id, es->facts_covered, es->facts_partitions);
    while (map_next(&es->cats, &it)) {
        const struct es_cat *c = it.value;
        put_topic(&b, c->topic, c->id, c->covered, c->partitions);
    }
    enum err e = buf_failed(&b) ? ERR_NO_MEMORY : index_cover(es->index, buf_str(&b), now);
    buf_deinit(&b);
    return e;
}

bool es_covered_key(struct str blob, uint8_t key[16])
{
    struct slice s = slice_of(blob.p, blob.n);
    uint32_t version;
    const uint8_t *bytes;
    if (!slice_le32(&s, &version) || version != COVERED_VERSION || !slice_take(&s, 16, &bytes)) {
        return false;
    }
    memcpy(key, bytes, 16);
    return true;
}

/* A topic's offsets. False: they do not fit to the topic as it is. */
static bool take_topic(struct slice *s, int64_t *covered, int32_t partitions, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint64_t offset;
        if (!slice_le64(s, &offset)) {
            return false;
        }
        if (covered != NULL && i < (uint32_t)partitions) {
            covered[i] = (int64_t)offset;
        }
    }
    return covered == NULL || count == (uint32_t)partitions;
}

bool es_covered_apply(struct es *es, struct str blob)
{
    struct slice s = slice_of(blob.p, blob.n);
    const uint8_t *head;
    uint32_t topics;
    if (!slice_take(&s, COVERED_HEAD - 4, &head) || !slice_le32(&s, &topics)) {
        return false;
    }
    for (uint32_t i = 0; i < topics; i++) {
        struct str name;
        const uint8_t *id;
        uint32_t count;
        if (!slice_lstr(&s, &name) || !slice_take(&s, sizeof(struct uuid), &id) ||
            !slice_le32(&s, &count)) {
            return false;
        }
        const struct es_cat *c = es_cat_of_topic(es, name);
        bool facts = str_eq_z(name, ES_STREAMS_TOPIC);
        if (!facts && c == NULL) {
            return false; /* a topic is gone: what the index has of it is of no log */
        }
        if (memcmp(id, facts ? es->facts_id.b : c->id.b, sizeof(struct uuid)) != 0) {
            return false; /* another one of its name */
        }
        int64_t *covered = facts ? es->facts_covered : c->covered;
        if (!take_topic(&s, covered, facts ? es->facts_partitions : c->partitions, count)) {
            return false;
        }
    }
    return slice_left(&s) == 0;
}
