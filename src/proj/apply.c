/*
 * A transaction: events of some shards, their checkpoints, all or nothing.
 *
 * First without savepoints. If a statement fails because of its row, the transaction is taken back
 * and done once more carefully, with a savepoint around each event, so that the one at fault can be
 * parked alone: nearly all transactions have none.
 */
#include "proj/apply.h"

#include <stdio.h>
#include <string.h>

#include "core/compiler.h"
#include "core/hash.h"
#include "core/mem.h"
#include "core/utf8.h"
#include "proj/apply_int.h"
#include "record/batch.h"

#define BATCH_ARENA_BYTES (256u << 20)

struct mapping_value apply_text(struct str s)
{
    return str_is_null(s) ? (struct mapping_value){.kind = MAPPING_NULL}
                          : (struct mapping_value){.kind = MAPPING_TEXT, .text = s};
}
struct mapping_value apply_int(int64_t v)
{
    return (struct mapping_value){.kind = MAPPING_INT, .integer = v};
}
struct mapping_value apply_name(const struct apply *a)
{
    return apply_text(a->d->name);
}
struct mapping_value apply_version(const struct apply *a)
{
    return apply_int(a->d->version);
}
MUST_USE enum err apply_meta(struct apply *a, enum meta_stmt s, const struct mapping_value *params,
                             size_t count, uint64_t *changed, struct ectx *ec)
{
    return a->driver->run(a->meta[s], params, count, changed, ec);
}

/* ---- Life */

static void hint_at(struct ectx *ec, struct str sql)
{
    ectx_hint(ec, "in: %.*s", (int)(sql.n > 150 ? 150 : sql.n), sql.p);
}

/* SQL of one's own: what we leave as it is may be a parameter to the database ('@total' to SQLite),
 * and what we took for one may be a part of a text. No event would ever get through. */
static enum err check_params(struct apply *a, struct ectx *ec)
{
    const struct def *d = a->d;
    for (size_t i = 0; i < d->rule_count; i++) {
        for (size_t k = 0; k < d->rules[i].op_count; k++) {
            const struct def_op *op = &d->rules[i].ops[k];
            size_t count = op->param_count;
            enum err e = op->effect != DEF_OWN
                             ? ERR_OK
                             : a->driver->count_params(a->stmts[op->stmt], &count, ec);
            if (e == ERR_OK && count != op->param_count) {
                e = ectx_fail(ec, ERR_CONFIG,
                              "to %s this SQL of one's own has %zu parameters, and %zu are written "
                              ":name outside of texts, quoted names and comments",
                              a->driver->name, count, op->param_count);
                hint_at(ec, op->sql);
            }
            if (e != ERR_OK) {
                return e;
            }
        }
    }
    return ERR_OK;
}

MUST_USE enum err apply_create(const struct target_driver *driver, struct target_db *db,
                               const struct def *d, struct apply **out, struct ectx *ec)
{
    struct apply *a = mem_new(struct apply);
    if (a == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "out of memory");
    }
    a->driver = driver;
    a->db = db;
    a->d = d;
    a->parked_max = PROJ_PARKED_MAX;
    arena_init(&a->event_arena, APPLY_EVENT_BYTES);
    arena_init(&a->batch_arena, BATCH_ARENA_BYTES);
    record_scratch_init(&a->scratch, RECORD_DECOMPRESSED_MAX);
    map_init(&a->parked);
    a->stmts = mem_zalloc(d->statement_count + 1, sizeof(struct target_stmt *));
    a->asking = mem_zalloc(d->statement_count + 1, sizeof(struct target_stmt *));
    enum err e = a->stmts == NULL || a->asking == NULL
                     ? ectx_fail(ec, ERR_NO_MEMORY, "out of memory")
                     : meta_prepare(a, ec);
    e = e != ERR_OK ? e : merge_create(driver, db, d, &a->merge, ec);
    for (size_t i = 0; i < d->statement_count && e == ERR_OK; i++) {
        e = driver->prepare(db, d->statements[i], &a->stmts[i], ec);
        if (e == ERR_CONFIG) {
            hint_at(ec, d->statements[i]);
        }
    }
    e = e != ERR_OK ? e : check_params(a, ec);
    if (e != ERR_OK) {
        apply_destroy(a);
        return e;
    }
    *out = a;
    return ERR_OK;
}

void apply_parked_max(struct apply *a, uint64_t max)
{
    a->parked_max = max;
}

void apply_destroy(struct apply *a)
{
    if (a == NULL) {
        return;
    }
    merge_destroy(a->merge);
    for (size_t i = 0; a->stmts != NULL && i < a->d->statement_count; i++) {
        a->driver->finalize(a->stmts[i]);
    }
    for (size_t i = 0; a->asking != NULL && i < a->d->statement_count; i++) {
        a->driver->finalize(a->asking[i]);
    }
    for (int i = 0; i < META_COUNT; i++) {
        a->driver->finalize(a->meta[i]);
    }
    apply_forget(a);
    mem_free(a->shards);
    mem_free(a->stmts);
    mem_free(a->asking);
    map_deinit(&a->parked);
    record_scratch_deinit(&a->scratch);
    arena_deinit(&a->event_arena);
    arena_deinit(&a->batch_arena);
    mem_free(a);
}

void apply_forget(struct apply *a)
{
    for (size_t i = 0; i < a->shard_count; i++) {
        mem_free(a->shards[i].name);
    }
    a->shard_count = 0;
    park_clear(a);
}

void apply_watch(struct apply *a, struct changes *c)
{
    a->changes = c;
}

void apply_upcast(struct apply *a, const struct upcasts *u)
{
    a->upcasts = u;
}

void apply_roll_back(struct apply *a)
{
    /* If it fails, the connection is gone, and the transaction with it. */
    IGNORE(a->driver->exec(a->db, "ROLLBACK", NULL) == ERR_OK);
    merge_drop(a->merge);
    a->parked_stale = true;
}

/* ---- Events */

void apply_count_reason(struct apply *a, const struct ectx *why)
{
    (void)snprintf(a->counts->reason, sizeof(a->counts->reason), "%s", why->text);
}

/* What becomes of an event that could not be applied. */
static enum err not_applied(struct apply *a, struct apply_event *event, const struct ectx *why,
                            bool *stop, struct ectx *ec)
{
    apply_count_reason(a, why);
    if (a->d->on_error == DEF_STOP) {
        *stop = true;
        return ERR_OK;
    }
    if (a->d->on_error == DEF_SKIP) {
        a->counts->skipped++;
        return ERR_OK;
    }
    a->counts->parked++;
    return park_event(a, event, why->text, ec);
}

/* What needs more memory than one event may have needs it every time: it is the event's fault, and
 * not a reason to try again for ever. */
enum err apply_fault_of_event(const struct apply *a, enum err e, struct ectx *ec)
{
    return e == ERR_NO_MEMORY && a->event_arena.over
               ? ectx_fail(ec, ERR_MALFORMED,
                           "it needs more than the %u MiB that an event may have",
                           APPLY_EVENT_BYTES >> 20)
               : e;
}

/* The rules, in a savepoint if we are careful. *why is filled if the event cannot be applied. */
enum err apply_try_rules(struct apply *a, struct apply_event *event, bool *again, struct ectx *why)
{
    bool any = false;
    bool dirty = false;
    const size_t noted = a->changes == NULL ? 0 : a->changes->count;
    if (a->changes != NULL) {
        a->changes->index = (uint32_t)event->record->offset_delta;
    }
    enum err e = a->careful ? a->driver->exec(a->db, "SAVEPOINT leat_event", why) : ERR_OK;
    if (e != ERR_OK) {
        return e == ERR_MALFORMED ? ERR_IO : e;
    }
    e = apply_fault_of_event(a, apply_rules(a, event, &any, &dirty, why), why);
    if (a->careful && e == ERR_OK) {
        e = a->driver->flush(a->db, why); /* so that it is this event's fault */
    }
    if (a->changes != NULL && e != ERR_OK) {
        a->changes->count = noted; /* nothing of it stays */
    }
    a->counts->applied += e == ERR_OK && any;
    if (!a->careful) {
        *again = e == ERR_MALFORMED && dirty;
        return e;
    }
    struct ectx other;
    enum err end = e == ERR_MALFORMED ? a->driver->exec(a->db,
                                                        "ROLLBACK TO SAVEPOINT leat_event; "
                                                        "RELEASE SAVEPOINT leat_event",
                                                        &other)
                                      : ERR_OK;
    if (e == ERR_OK) {
        end = a->driver->exec(a->db, "RELEASE SAVEPOINT leat_event", &other);
    }
    if (end != ERR_OK) {
        *why = other;
        return end == ERR_MALFORMED ? ERR_IO : end;
    }
    return e;
}

static enum err one_event(struct apply *a, struct apply_event *event, bool *stop, bool *again,
                          struct ectx *ec)
{
    struct ectx why;
    bool wanted = false;
    arena_reset(&a->event_arena, APPLY_ARENA_KEEP);
    a->counts->events++;
    enum err e = apply_fault_of_event(a, apply_event_read(a, event, &wanted, &why), &why);
    if (e == ERR_OK && !wanted) {
        return ERR_OK;
    }
    if (e != ERR_OK && e != ERR_MALFORMED) {
        *ec = why;
        return e;
    }
    if (park_has(a, event->shard, event->key)) {
        a->counts->parked++;
        return park_event(a, event, "an earlier event of this key is parked", ec);
    }
    e = e != ERR_OK ? e : apply_try_rules(a, event, again, &why);
    if (e == ERR_OK || *again) {
        return ERR_OK;
    }
    if (e != ERR_MALFORMED) {
        *ec = why;
        return e;
    }
    return not_applied(a, event, &why, stop, ec);
}

static enum err batch_events(struct apply *a, struct apply_read *r, const struct engine_batch *b,
                             bool *again, struct ectx *ec)
{
    struct batch_header h;
    struct record_iter it;
    struct record record;
    enum err e = batch_header_parse((const uint8_t *)b->bytes.p, b->bytes.n, &h, ec);
    e = e != ERR_OK ? e
                    : record_iter_init(&it, &h, (const uint8_t *)b->bytes.p, &a->scratch,
                                       RECORD_DECOMPRESSED_MAX, ec);
    if (e != ERR_OK) {
        return e == ERR_MALFORMED ? ERR_DAMAGED : e;
    }
    while (e == ERR_OK && !r->stopped && !*again && record_next(&it, &record)) {
        if (record.offset < r->from || record.offset >= r->next_offset) {
            continue;
        }
        struct apply_event event = {.shard = r->shard,
                                    .topic = r->topic,
                                    .partition = r->partition,
                                    .position = b->position,
                                    .record = &record};
        e = one_event(a, &event, &r->stopped, again, ec);
        if (r->stopped) {
            r->next_offset = record.offset;
        } else {
            r->last_time_ms = record.timestamp;
        }
    }
    return e != ERR_OK || r->stopped || *again ? e : record_iter_end(&it, ec);
}

static enum err move_checkpoint(struct apply *a, const struct apply_read *r, struct ectx *ec)
{
    if (r->next_offset == r->from) {
        return ERR_OK; /* stopped at its first event */
    }
    const struct mapping_value params[] = {
        apply_int(r->next_offset),
        apply_int(a->now_ms),
        r->last_time_ms < 0 ? (struct mapping_value){.kind = MAPPING_NULL}
                            : apply_int(r->last_time_ms),
        apply_name(a),
        apply_version(a),
        apply_text(r->shard),
        apply_int((int64_t)r->epoch),
        apply_int(r->from),
    };
    uint64_t changed = 0;
    enum err e = apply_meta(a, META_CHECKPOINT, params, ARRAY_LEN(params), &changed, ec);
    if (e == ERR_OK && changed != 1) {
        return ectx_fail(ec, ERR_FENCED,
                         "%.*s: the checkpoint is no longer that of epoch %llu at %lld",
                         STR(r->shard), (unsigned long long)r->epoch, (long long)r->from);
    }
    return e;
}

static enum err in_transaction(struct apply *a, struct apply_read *reads, size_t count, bool *again,
                               struct ectx *ec)
{
    enum err e = ERR_OK;
    for (size_t i = 0; i < count && e == ERR_OK && !*again; i++) {
        struct apply_read *r = &reads[i];
        for (size_t k = 0; k < r->batch_count && e == ERR_OK && !r->stopped && !*again; k++) {
            e = batch_events(a, r, &r->batches[k], again, ec);
        }
        e = e != ERR_OK || *again ? e : apply_actions_trim(a, r->shard, ec);
        e = e != ERR_OK || *again ? e : move_checkpoint(a, r, ec);
    }
    e = e != ERR_OK || *again ? e : merge_flush(a->merge, ec);
    /* What is parked already may be more: of several connections, when one has it all. */
    if (e == ERR_OK && !*again && a->counts->parked > 0 && a->parked_count > a->parked_max) {
        e = ectx_fail(ec, ERR_LIMIT, "more than %llu events are parked (the last one: %.200s)",
                      (unsigned long long)a->parked_max, a->counts->reason);
        ectx_hint(ec, "correct the definition and rebuild, or try the parked keys again");
    }
    return e;
}

/* Two connections must not miss each other's rows: an order that looks for its customer, beside a
 * customer who is written into the orders that there are. Nor wait for each other: rows that
 * several partitions change are locked in the order of events, or of statements, and so in any. */
enum err apply_begin(struct apply *a, struct ectx *ec)
{
    enum err e = a->driver->exec(a->db, a->driver->begin, ec);
    if (e != ERR_OK || !(a->d->looks_around || a->collided) || a->driver->lock == NULL) {
        return e;
    }
    e = a->driver->lock(a->db, (int32_t)hash_murmur2(a->d->name.p, a->d->name.n),
                        (int32_t)a->d->version, ec);
    if (e != ERR_OK) {
        apply_roll_back(a);
    }
    return e;
}

/* One attempt at the transaction. */
static enum err attempt(struct apply *a, struct apply_read *reads, const int64_t *ends,
                        size_t count, bool *again, struct ectx *ec)
{
    *again = false;
    a->gate.known = false;
    a->served_known = false;
    arena_reset(&a->batch_arena, APPLY_ARENA_KEEP);
    memset(a->counts, 0, sizeof(*a->counts));
    if (a->changes != NULL) {
        changes_clear(a->changes);
    }
    for (size_t i = 0; i < count; i++) {
        reads[i].stopped = false;
        reads[i].last_time_ms = -1;
        reads[i].next_offset = ends[i];
    }
    enum err e = a->parked_stale ? park_load(a, ec) : ERR_OK;
    e = e != ERR_OK ? e : apply_begin(a, ec);
    if (e != ERR_OK) {
        return e;
    }
    e = in_transaction(a, reads, count, again, ec);
    if (e == ERR_OK && !*again) {
        e = a->driver->exec(a->db, "COMMIT", ec);
    }
    /* A row's fault that shows only now (merged, sent ahead, deferred) is looked for carefully. */
    *again = *again || (e == ERR_MALFORMED && !a->careful);
    a->collided = a->collided || e == ERR_AGAIN;
    if (e != ERR_OK || *again) {
        apply_roll_back(a);
    }
    return e;
}

MUST_USE enum err apply_reads(struct apply *a, struct apply_read *reads, size_t count,
                              int64_t now_ms, struct apply_counts *counts, struct ectx *ec)
{
    struct ectx own;
    ec = ec == NULL ? &own : ec;
    a->now_ms = now_ms;
    a->counts = counts;
    int64_t ends[64];
    CHECK(count <= ARRAY_LEN(ends));
    for (size_t i = 0; i < count; i++) {
        ends[i] = reads[i].next_offset;
    }
    enum err e = ERR_OK;
    bool again = true;
    /* A guess is lost at most once for each table; carefully is the last time. */
    for (size_t n = 0; again; n++) {
        CHECK(n <= PROJ_TABLES_MAX + 1);
        a->careful = n > 0 && !merge_guess_lost(a->merge);
        e = attempt(a, reads, ends, count, &again, ec);
    }
    record_scratch_trim(&a->scratch);
    counts->parked_now = a->parked_count;
    return e;
}
