/*
 * A plan: the events that an op wants to append, the streams that it writes or checks, and the
 * facts that the rules need. The same for the API's appends and for batches that Kafka clients
 * produce.
 */
#include "core/hash.h"
#include "core/mem.h"
#include "es/write.h"

static size_t slots_for(size_t n)
{
    size_t slots = 4;
    while (slots < 2 * n) {
        slots *= 2;
    }
    return slots;
}

enum err es_plan_init(struct es_plan *p, struct es_wop *op, size_t events, size_t checks)
{
    struct arena *a = op->arena;
    p->op = op;
    p->event_count = events;
    p->stream_cap = events + checks;
    p->slot_count = slots_for(p->stream_cap);
    p->events = arena_new_n(a, struct es_plan_event, events + 1);
    p->streams = arena_new_n(a, struct es_plan_stream, p->stream_cap + 1);
    p->slots = arena_new_n(a, uint32_t, p->slot_count);
    struct es_rule_event *re = arena_new_n(a, struct es_rule_event, events + 1);
    struct es_rule_stream *rs = arena_new_n(a, struct es_rule_stream, p->stream_cap + 1);
    p->rules_events = re;
    p->rules = (struct es_rules){.events = re, .event_count = events, .streams = rs};
    bool all =
        p->events != NULL && p->streams != NULL && p->slots != NULL && re != NULL && rs != NULL;
    return all ? ERR_OK : ERR_NO_MEMORY;
}

enum err es_plan_stream(struct es_plan *p, struct str name, uint32_t *index, struct ectx *ec)
{
    struct es *es = p->op->es;
    struct str category;
    if (p->stream_count > 0 && str_eq(p->streams[p->stream_count - 1].name, name)) {
        *index = (uint32_t)p->stream_count - 1; /* mostly: the events of one stream */
        return ERR_OK;
    }
    if (!es_stream_name_check(name, &category, ec)) {
        return ERR_MALFORMED;
    }
    struct es_hash hash = es_hash_stream(es, name);
    size_t at = es_hash_short(&hash) & (p->slot_count - 1);
    for (; p->slots[at] != 0; at = (at + 1) & (p->slot_count - 1)) {
        struct es_plan_stream *s = &p->streams[p->slots[at] - 1];
        if (es_hash_eq(&s->hash, &hash)) {
            *index = p->slots[at] - 1;
            return ERR_OK;
        }
    }
    CHECK(p->stream_count < p->stream_cap);
    struct es_plan_stream *s = &p->streams[p->stream_count];
    s->name = name;
    s->hash = hash;
    s->category = category;
    s->op = p->op;
    list_init(&s->wait.link);
    s->head = es_head_take(es, &hash);
    if (s->head == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory for the stream's head");
    }
    p->slots[at] = (uint32_t)p->stream_count + 1;
    *index = (uint32_t)p->stream_count++;
    return ERR_OK;
}

void es_plan_event(struct es_plan *p, size_t i)
{
    const struct es *es = p->op->es;
    struct es_plan_event *x = &p->events[i];
    struct es_plan_stream *s = &p->streams[x->stream];
    x->body = es_body_hash(es, x->type, x->data, x->meta, x->tags, x->tag_count);
    if (!str_is_null(x->id)) {
        x->id_hash = es_hash_id(es, &s->hash, x->id);
        x->carries = es_id_place(s->name, x->id, &x->carried);
        if (es->index != NULL) {
            index_prefetch(es->index, ES_T_IDS, x->id_hash.b); /* look_id comes soon */
        }
    }
    if (s->event_count++ == 0) {
        s->first_event = i;
    }
    s->last_event = i;
}

enum err es_plan_same_ids(struct es_plan *p, size_t *first, size_t *second)
{
    if (p->event_count < 2) {
        return ERR_OK;
    }
    size_t slot_count = slots_for(p->event_count);
    uint32_t *slots = mem_zalloc(slot_count, sizeof(*slots));
    bool same = false;
    if (slots == NULL) {
        return ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < p->event_count && !same; i++) {
        const struct es_plan_event *x = &p->events[i];
        if (str_is_null(x->id)) {
            continue;
        }
        size_t at = es_hash_short(&x->id_hash) & (slot_count - 1);
        for (; slots[at] != 0 && !same; at = (at + 1) & (slot_count - 1)) {
            if (es_hash_eq(&p->events[slots[at] - 1].id_hash, &x->id_hash)) {
                *first = slots[at] - 1;
                *second = i;
                same = true;
            }
        }
        slots[at] = (uint32_t)i + 1;
    }
    mem_free(slots);
    return same ? ERR_EXISTS : ERR_OK;
}

static void head_told(struct es_head_wait *w, enum err e)
{
    struct es_wop *op = w->ctx;
    es_wop_told(op, e);
}

static enum err look_heads(struct es_plan *p, struct ectx *ec)
{
    struct es *es = p->op->es;
    for (size_t i = 0; i < p->stream_count; i++) {
        struct es_plan_stream *s = &p->streams[i];
        s->wait.told = head_told;
        s->wait.ctx = p->op;
        enum err e = es_head_load(es, s->head, &s->wait);
        if (e == ERR_AGAIN) {
            p->op->pending++;
        } else if (e != ERR_OK) {
            return ectx_fail(ec, e, "could not read the head of stream '%.*s'", STR(s->name));
        }
    }
    return p->op->pending > 0 ? ERR_AGAIN : ERR_OK;
}

/* One that is not there has no streams, which is all that the rules need to know. */
static void look_categories(struct es_plan *p)
{
    for (size_t i = 0; i < p->stream_count; i++) {
        struct es_plan_stream *s = &p->streams[i];
        if (s->cat == NULL) {
            s->cat = es_cat_find(p->op->es, s->category);
            s->partition = s->cat == NULL ? 0 : es_cat_partition(s->cat, s->name);
        }
    }
}

/* Its id carries a revision that the stream has: the event there says whether it is its id. */
static bool asks_event(const struct es_plan *p, const struct es_plan_event *x)
{
    const struct es_head *h = p->streams[x->stream].head;
    return x->carries && !x->event_read && h->has_events && x->carried <= h->last;
}

/* What is known of an id: in flight, remembered, or in the index. ERR_AGAIN: the disk is needed,
 * for its entry (memo is NONE) or for the event that it carries. */
static enum err look_id(struct es_plan *p, struct es_plan_event *x, struct es_rule_event *out)
{
    struct es *es = p->op->es;
    const struct es_flight_event *f = es_flight_event_find(es, &x->id_hash);
    uint8_t value[ES_VALUE_ID];
    uint64_t body = 0;
    if (f != NULL) {
        out->known = true;
        out->revision = f->revision;
        body = f->body;
        if (!f->flight->retired && (p->newest_id == NULL || f->flight->seq > p->newest_id->seq)) {
            p->newest_id = f->flight;
        }
    } else if (x->memo != ES_MEMO_NONE) {
        out->known = x->memo == ES_MEMO_KNOWN;
        out->revision = x->memo_revision;
        body = x->memo_body;
    } else {
        enum err e = index_get(es->index, ES_T_IDS, x->id_hash.b, value);
        if (e != ERR_OK && e != ERR_NOT_FOUND) {
            return e;
        }
        out->known = e == ERR_OK;
        if (out->known) {
            es_value_id_read(value, &out->revision, &body);
        } else if (asks_event(p, x)) {
            x->memo = ES_MEMO_ABSENT;
        }
    }
    out->same_body = out->known && (body == x->body || body == ES_BODY_ANY);
    return !out->known && asks_event(p, x) ? ERR_AGAIN : ERR_OK;
}

static void ids_take(struct es_wop *op, struct es_look *looks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct es_plan_event *x = looks[i].ctx;
        const enum err e = looks[i].err;
        if (e != ERR_OK && e != ERR_NOT_FOUND) {
            op->look_err = e;
        } else if (looks[i].table == ES_T_IDS) {
            x->memo = e == ERR_OK ? ES_MEMO_KNOWN : ES_MEMO_ABSENT;
            if (e == ERR_OK) {
                es_value_id_read(looks[i].value, &x->memo_revision, &x->memo_body);
            }
        } else if (e == ERR_OK) {
            es_value_event_read(looks[i].value, &x->place);
            x->place_known = true;
        } else {
            x->event_read = true; /* in flight under another id */
        }
    }
}

static void event_take(struct es_wop *op, void *ctx, const struct es_view *v)
{
    struct es_plan_event *x = ctx;
    if (x->read_err != ERR_OK && x->read_err != ERR_OFFSET_OUT_OF_RANGE) {
        op->look_err = x->read_err; /* it may be this id's event: nothing is said of it */
        return;
    }
    x->event_read = true;
    if (v != NULL && str_eq(v->id, x->id)) {
        x->memo = ES_MEMO_KNOWN;
        x->memo_revision = x->carried;
        x->memo_body = es_body_hash(op->es, v->type, v->data, v->meta, v->tags, v->tag_count);
    }
}

#define FETCHES_MAX 256u /* at a time, for one op */

/* Asks for what look_id has missed. */
static enum err ask_ids(struct es_plan *p, size_t missing)
{
    struct es_wop *op = p->op;
    struct es_look *looks = es_wop_looks_begin(op, missing, ids_take);
    size_t asked = 0;
    size_t fetches = 0;
    if (looks == NULL) {
        return ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < p->event_count; i++) {
        struct es_plan_event *x = &p->events[i];
        const struct es_plan_stream *s = &p->streams[x->stream];
        if (!p->rules_events[i].known && x->wanted) {
            x->wanted = false;
            if (x->place_known) {
                const struct es_peek f = {s->cat, s->partition, x->place.offset, event_take,
                                          x,      &x->read_err};
                enum err e = ++fetches > FETCHES_MAX ? ERR_OK : es_wop_peek(op, &f);
                if (e != ERR_OK) {
                    op->look_err = e;
                }
                continue;
            }
            struct es_look *l = &looks[asked++];
            l->ctx = x;
            l->kind = ES_LOOK_GET;
            l->table = x->memo == ES_MEMO_NONE ? ES_T_IDS : ES_T_EVENTS;
            if (l->table == ES_T_IDS) {
                memcpy(l->key, x->id_hash.b, sizeof(x->id_hash.b));
            } else {
                es_key_event(l->key, &s->hash, x->carried);
            }
        }
    }
    IGNORE(es_wop_looks_go(op, asked));
    return op->pending == 0 ? ERR_OK : ERR_AGAIN;
}

static enum err look_ids(struct es_plan *p, struct ectx *ec)
{
    for (;;) {
        size_t missing = 0;
        for (size_t i = 0; i < p->event_count; i++) {
            struct es_plan_event *x = &p->events[i];
            struct es_rule_event *out = &p->rules_events[i];
            *out = (struct es_rule_event){.stream = x->stream};
            if (str_is_null(x->id) || !p->streams[x->stream].head->has_events) {
                continue; /* nothing can be known */
            }
            enum err e = look_id(p, x, out);
            x->wanted = e == ERR_AGAIN;
            missing += x->wanted;
            if (e != ERR_OK && e != ERR_AGAIN) {
                return ectx_fail(ec, e, "could not look up event id '%.*s'", STR(x->id));
            }
        }
        if (missing == 0) {
            return ERR_OK;
        }
        es_wop_memo(p->op);
        enum err e = ask_ids(p, missing);
        if (e != ERR_OK) {
            return e;
        }
        if (p->op->look_err != ERR_OK) {
            return ectx_fail(ec, p->op->look_err, "could not look up the ids of events");
        }
    }
}

enum err es_plan_look(struct es_plan *p, struct ectx *ec)
{
    p->newest = p->newest_id = NULL;
    if (p->op->look_err != ERR_OK) {
        return ectx_fail(ec, p->op->look_err, "could not look up streams or event ids");
    }
    look_categories(p);
    enum err e = look_heads(p, ec);
    if (e == ERR_OK) {
        e = look_ids(p, ec);
    }
    p->newest = p->newest_id;
    for (size_t i = 0; i < p->stream_count && e == ERR_OK; i++) {
        const struct es_head *h = p->streams[i].head;
        struct es_rule_stream *s = &p->rules.streams[i];
        s->has_events = h->has_events;
        s->head = h->last;
        s->status = h->status;
        if (h->flight != NULL && (p->newest == NULL || h->flight->seq > p->newest->seq)) {
            p->newest = h->flight;
        }
    }
    p->rules.stream_count = p->stream_count;
    return e;
}

/* All that are missing, or none: may they come by themselves? */
static enum err categories_room(struct es_plan *p, size_t *culprit, struct ectx *ec)
{
    struct map missing;
    size_t bytes = 0;
    enum err e = ERR_OK;
    map_init(&missing);
    for (size_t i = 0; i < p->stream_count && e == ERR_OK; i++) {
        struct es_plan_stream *s = &p->streams[i];
        if (s->cat != NULL || s->event_count == 0 || map_get(&missing, s->category) != NULL ||
            es_cat_coming(p->op->es, s->category)) {
            continue;
        }
        *culprit = s->first_event;
        bytes += s->category.n;
        e = map_put(&missing, s->category, s)
                ? es_cats_room(p->op->es, s->category, missing.count, bytes, ec)
                : ectx_fail(ec, ERR_NO_MEMORY, "no memory for a category");
    }
    map_deinit(&missing);
    return e;
}

enum err es_plan_categories(struct es_plan *p, size_t *culprit, struct ectx *ec)
{
    struct es *es = p->op->es;
    bool room = false;
    for (size_t i = 0; i < p->stream_count; i++) {
        struct es_plan_stream *s = &p->streams[i];
        if (s->cat != NULL || s->event_count == 0) {
            continue;
        }
        enum err e = room ? ERR_OK : categories_room(p, culprit, ec);
        room = true;
        if (e == ERR_OK && es_cat_find(es, s->category) == NULL) {
            *culprit = s->first_event;
            e = es_cat_want(es, s->category, p->op, ec);
        }
        if (e != ERR_OK) {
            return e;
        }
        s->cat = es_cat_find(es, s->category);
        if (s->cat == NULL) {
            return ectx_fail(ec, p->op->look_err == ERR_OK ? ERR_NOT_FOUND : p->op->look_err,
                             "could not make category '%.*s'", STR(s->category));
        }
        s->partition = es_cat_partition(s->cat, s->name);
    }
    return ERR_OK;
}

/* The part of each stream's partition: few, or as many as there are events. */
static size_t assign_parts(struct es_plan *p, struct es_flight *f)
{
    struct map parts;
    size_t count = 0;
    bool ok = true;
    map_init(&parts);
    for (size_t i = 0; i < p->stream_count && ok; i++) {
        struct es_plan_stream *s = &p->streams[i];
        if (s->event_count == 0) {
            continue;
        }
        if (p->stream_count == 1) {
            f->parts[0] = (struct es_flight_part){.cat = s->cat, .partition = s->partition};
            return 1;
        }
        uint64_t key = s->cat->hash ^ hash_u64((uint64_t)s->partition);
        struct es_flight_part *part = map_get_u64(&parts, key);
        if (part == NULL) {
            part = &f->parts[count++];
            *part = (struct es_flight_part){.cat = s->cat, .partition = s->partition};
            ok = map_put_u64(&parts, key, part);
        }
        s->part = (uint32_t)(part - f->parts);
    }
    map_deinit(&parts);
    return ok ? count : 0;
}

struct es_flight *es_plan_flight(struct es_plan *p, size_t facts)
{
    struct es *es = p->op->es;
    size_t terms = 0;
    size_t streams = 0;
    for (size_t i = 0; i < p->event_count; i++) {
        terms += 1 + p->events[i].tag_count;
    }
    for (size_t i = 0; i < p->stream_count; i++) {
        struct es_plan_stream *s = &p->streams[i];
        s->next = s->head->has_events ? s->head->last + 1 : 0;
        streams += s->event_count > 0;
    }
    struct es_flight *f = es_flight_create(es, p->event_count, terms, streams + facts);
    if (f == NULL) {
        return NULL;
    }
    f->part_count = assign_parts(p, f);
    if (f->part_count == 0 && p->event_count > 0) {
        es_flight_drop(f);
        return NULL;
    }
    for (size_t i = 0; i < p->event_count; i++) {
        struct es_plan_event *x = &p->events[i];
        struct es_plan_stream *s = &p->streams[x->stream];
        struct es_flight_event *out = es_flight_add(f, s->head, x->type, x->tags, x->tag_count);
        uint64_t carried = x->carried;
        x->revision = s->next++;
        if (str_is_null(x->id)) {
            x->id = es_id_make(es, s->name, x->revision, x->id_text);
            x->id_hash = es_hash_id(es, &s->hash, x->id);
            x->carries = es_id_place(s->name, x->id, &carried);
        }
        out->id = x->id_hash;
        out->revision = x->revision;
        out->body = x->body;
        out->needs_id_entry = !x->carries || carried != x->revision;
        out->part = s->part;
        out->index = (uint32_t)f->parts[s->part].count++;
    }
    return f;
}

void es_plan_forget(struct es_plan *p)
{
    for (size_t i = 0; i < p->event_count; i++) {
        struct es_plan_event *x = &p->events[i];
        x->memo = ES_MEMO_NONE;
        x->place_known = x->event_read = false;
    }
}

void es_plan_end(struct es_plan *p)
{
    for (size_t i = 0; i < p->stream_count; i++) {
        list_remove(&p->streams[i].wait.link);
        es_head_give(p->op->es, p->streams[i].head);
    }
    p->stream_count = 0;
}
