/*
 * Since when a projection is there: where each partition of its topics ended when they were first
 * declared as its source. What lies below is history, and nothing live follows from it.
 *
 * A fact of the log, in the record of the definition: a target that lost its last transactions, or
 * all, is told the same again, and an event that came between the declaration and the first claim
 * of its partition is live. A topic that was not there yet has no ends: all of it is live, and it
 * is another one than was declared, as each is that is made anew later: what follows from its
 * events is told apart by its id, since the same offsets may come again.
 */
#include "core/mem.h"
#include "proj/proj_int.h"

struct since_topic {
    struct since_topic *next;
    char *name;     /* heap */
    struct uuid id; /* of another topic of this name nothing is known */
    int64_t *ends;  /* heap; NULL: there was no such topic */
    size_t count;
};
struct since {
    struct since_topic *first; /* at most DEF_TOPICS_MAX of each version */
};

/* That of no topic: of one that was not there. In records from before it was told apart that is 0,
 * and stays so: ids of actions that were appended then must be found again. */
static const struct uuid not_there = {.b = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
static const struct uuid unknown = {.b = {0}};

struct since *since_new(void)
{
    return mem_new(struct since);
}

void since_free(struct since *s)
{
    if (s == NULL) {
        return;
    }
    while (s->first != NULL) {
        struct since_topic *t = s->first;
        s->first = t->next;
        mem_free(t->name);
        mem_free(t->ends);
        mem_free(t);
    }
    mem_free(s);
}

static const struct since_topic *find(const struct since *s, struct str name)
{
    for (const struct since_topic *t = s->first; t != NULL; t = t->next) {
        if (str_eq_z(name, t->name)) {
            return t;
        }
    }
    return NULL;
}

/* With room for so many ends; NULL: no memory. */
static struct since_topic *add(struct since *s, struct str name, struct uuid id, size_t count)
{
    struct since_topic *t = mem_new(struct since_topic);
    char *copy = str_dup_z(name);
    int64_t *ends = count == 0 ? NULL : mem_zalloc(count, sizeof(*ends));
    if (t == NULL || copy == NULL || (ends == NULL && count > 0)) {
        mem_free(t);
        mem_free(copy);
        mem_free(ends);
        return NULL;
    }
    *t = (struct since_topic){
        .next = s->first, .name = copy, .id = id, .ends = ends, .count = count};
    s->first = t;
    return t;
}

bool since_copy(const struct since *from, struct since *to)
{
    for (const struct since_topic *t = from->first; t != NULL; t = t->next) {
        struct since_topic *copy = add(to, str_of(t->name), t->id, t->count);
        if (copy == NULL) {
            return false;
        }
        for (size_t i = 0; i < t->count; i++) {
            copy->ends[i] = t->ends[i];
        }
    }
    return true;
}

MUST_USE enum err since_add(struct since *s, struct engine *e, const struct def *d)
{
    for (size_t i = 0; i < d->topic_count; i++) {
        struct engine_topic topic = {.partition_count = 0};
        if (find(s, d->topics[i]) != NULL) {
            continue;
        }
        bool there = engine_topic_get(e, d->topics[i], &topic);
        size_t count = there ? (size_t)topic.partition_count : 0;
        struct since_topic *t = add(s, d->topics[i], there ? topic.id : not_there, count);
        if (t == NULL) {
            return ERR_NO_MEMORY;
        }
        for (size_t p = 0; p < count; p++) {
            int64_t start = 0;
            enum err bad = engine_bounds(e, d->topics[i], (int32_t)p, &start, &t->ends[p]);
            if (bad != ERR_OK) {
                return bad;
            }
        }
    }
    return ERR_OK;
}

int64_t since_of(const struct since *s, struct str topic, struct uuid id, int32_t partition)
{
    const struct since_topic *t = find(s, topic);
    bool known = t != NULL && uuid_eq(t->id, id) && (size_t)partition < t->count;
    return known ? t->ends[partition] : 0;
}

bool since_is_other(const struct since *s, struct str topic, struct uuid id)
{
    const struct since_topic *t = find(s, topic);
    return t != NULL && !uuid_eq(t->id, unknown) && !uuid_eq(t->id, id);
}

void since_write(const struct since *s, struct json_writer *w)
{
    json_write_begin(w, '[');
    for (const struct since_topic *t = s->first; t != NULL; t = t->next) {
        char id[UUID_TEXT_SIZE];
        uuid_format(t->id, id);
        json_write_begin(w, '{');
        json_write_member_str(w, "topic", str_of(t->name));
        json_write_member_str(w, "id", str_of(id));
        json_write_name(w, "ends");
        json_write_begin(w, '[');
        for (size_t i = 0; i < t->count; i++) {
            json_write_i64(w, t->ends[i]);
        }
        json_write_end(w, ']');
        json_write_end(w, '}');
    }
    json_write_end(w, ']');
}

MUST_USE enum err since_read(struct since *s, const struct json *v)
{
    for (const struct json *m = v->first; m != NULL; m = m->next) {
        const struct json *topic = json_get(m, "topic");
        const struct json *id = json_get(m, "id");
        const struct json *ends = json_get(m, "ends");
        struct uuid u;
        if (topic == NULL || id == NULL || ends == NULL || !uuid_parse(id->string, &u)) {
            return ERR_DAMAGED;
        }
        size_t count = 0;
        for (const struct json *x = ends->first; x != NULL; x = x->next) {
            count++;
        }
        struct since_topic *t = add(s, topic->string, u, count);
        if (t == NULL) {
            return ERR_NO_MEMORY;
        }
        size_t i = 0;
        for (const struct json *x = ends->first; x != NULL; x = x->next, i++) {
            if (!json_i64(x, &t->ends[i])) {
                return ERR_DAMAGED;
            }
        }
    }
    return ERR_OK;
}
