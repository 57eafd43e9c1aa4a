/*
 * The language in which a definition (YAML, or the same in JSON) says what an event does. Shared by
 * projections (SQL rows), folds (state of one stream as JSON) and upcasts (an old event in its new
 * form), so that a value is written in one way everywhere.
 *
 * A value of a definition is a number, true, false or null as it stands, or a text that holds an
 * expression:
 *
 *     /data/order_id                 JSON pointer into the event: /data or /meta and what is below
 *     $type                          the envelope: see mapping_fields
 *     @/sku   @   @index             the element that `each` is at, and its number from 0
 *     customer.name                  a column of a row found by `lookup` (projections)
 *     'placed'  'order-{/data/id}'   text; {...} is an expression, {{ and '' are the characters
 *     12  0.5  true  null
 *     + - * /                        numbers; between spaces, so that a/b is no division
 *     == != < <= > >=  and or not    true or false
 *     a ?? b                         a, or b if a is absent or null
 *     date(x) hour(x) month(x)       of a time: '2026-02-11', '2026-02-11T14', '2026-02' (UTC)
 *     lower(x) upper(x) text(x) number(x) int(x) round(x, digits) length(x) exists(x)
 *     ( ... )
 *
 * What is absent is null. Arithmetic with null or text is an error of that event, not a null: a sum
 * must not vanish silently. Whole numbers are 64 bits and an overflow is an error; anything else is
 * a double.
 *
 * Compiled once: everything compiled lies in the caller's arena, views the document, and is
 * read-only from then on (any thread may evaluate). Errors name file, line and column, what was
 * expected, and the nearest known name.
 *
 * Pure functions over memory. Nothing blocks.
 */
#ifndef LEAT_MAPPING_MAPPING_H
#define LEAT_MAPPING_MAPPING_H

#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/buf.h"
#include "core/err.h"
#include "core/str.h"
#include "envelope/envelope.h"
#include "json/json.h"

#define MAPPING_EXPR_BYTES_MAX  2048u      /* of one expression's text */
#define MAPPING_EXPR_DEPTH_MAX  32u        /* nesting of one */
#define MAPPING_RULES_MAX       256u       /* of one definition */
#define MAPPING_ASSIGN_MAX      256u       /* assignments of one rule */
#define MAPPING_EACH_MAX        10000u     /* elements that one event may be applied for */
#define MAPPING_CHAIN_MAX       32u        /* upcasts in a row */
#define MAPPING_STEPS_MAX       4096u      /* upcasts of all files together */
#define MAPPING_WORK_MAX        2048u      /* parts of steps that one event goes through */
#define MAPPING_SPLIT_MAX       64u        /* events that one old event may become */
#define MAPPING_TAG_BYTES_MAX   128u       /* of a snapshot's schema tag */
#define MAPPING_STATE_BYTES_MAX (4u << 20) /* of a folded state */

/* ---- The document and its errors
 * ------------------------------------------------------------------------------- */

struct mapping_doc {
    const char *file; /* "orders.yaml", for messages */
    /* Line and column (from 1) of a value of the document; NULL, or false: not known. */
    bool (*place)(void *ctx, const struct json *v, uint32_t *line, uint32_t *column);
    void *ctx;
};
/* "orders.yaml:12:9: ...": ERR_CONFIG. `column_add`: characters into the value's text. */
PRINTF_LIKE(5, 6)
enum err mapping_fail(const struct mapping_doc *doc, const struct json *at, size_t column_add,
                      struct ectx *ec, const char *fmt, ...);
/* The name of `names` that is nearest to `s` (at most two fifths of it differ), or NULL. */
const char *mapping_nearest(struct str s, const char *const *names, size_t count);
/* `v` is an object and has no members but these; else an error with the nearest name. */
MUST_USE enum err mapping_check_members(const struct mapping_doc *doc, const struct json *v,
                                        const char *what, const char *const *names, size_t count,
                                        struct ectx *ec);
/* A member that must be text, or a list of texts (one text is a list of one). Absent: null / 0
 * entries, or an error if `required`. */
MUST_USE enum err mapping_text(const struct mapping_doc *doc, const struct json *v,
                               const char *name, bool required, struct str *out, struct ectx *ec);
MUST_USE enum err mapping_texts(const struct mapping_doc *doc, const struct json *v,
                                const char *name, bool required, size_t max, struct arena *a,
                                struct str **out, size_t *count, struct ectx *ec);

/* ---- Events and values
 * ------------------------------------------------------------------------------- */

struct mapping_event {
    const struct envelope *envelope;
    const struct json *data; /* parsed; NULL: not JSON, or redacted */
    const struct json *meta; /* the client's metadata; NULL: none */
    struct str key;          /* of the record; $key, and $stream */
    bool has_revision;
    uint64_t revision;
    struct str position; /* as text; null without a global order */
    struct str topic;
    int32_t partition;
    int64_t offset;
    int64_t timestamp_ms; /* of the record: $time if the envelope has none */
    bool redacted;
};
/* "$id", "$type", ...: all of them, for messages and documents. */
const char *const *mapping_fields(size_t *count);

enum mapping_kind {
    MAPPING_NULL,
    MAPPING_BOOL,
    MAPPING_INT,
    MAPPING_REAL,
    MAPPING_TEXT,
    MAPPING_JSON, /* an array or object: `text` is its JSON */
};
struct mapping_value {
    enum mapping_kind kind;
    bool boolean;
    int64_t integer;
    double real;
    struct str text;
};
/* ERR_MALFORMED: a number that does not fit. v == NULL: null. */
MUST_USE enum err mapping_value_of_json(const struct json *v, struct mapping_value *out,
                                        struct ectx *ec);
/* As text: numbers as they are written in JSON, null as the empty text. False: no memory. */
bool mapping_value_text(const struct mapping_value *v, struct arena *a, struct str *out);
void mapping_write_value(struct json_writer *w, const struct mapping_value *v);

/* A row found by a lookup, by the name that the rule gives it. */
struct mapping_row {
    struct str name;
    const struct str *columns;
    const struct mapping_value *values;
    size_t count; /* 0: no such row, every column is null */
};
struct mapping_scope {
    const struct mapping_event *event;
    const struct json *item; /* of `each`; NULL outside */
    size_t item_index;
    const struct mapping_row *rows;
    size_t row_count;
    struct arena *arena; /* texts that are made (templates, functions) */
};

/* ---- Expressions
 * ------------------------------------------------------------------------------- */

struct mapping_expr;
/* What an expression may name beside the event. */
struct mapping_names {
    bool items; /* @ */
    /* Rows of lookups and their columns (column_count 0: any column). */
    const struct mapping_row *rows;
    size_t row_count;
};
/* `v` is the document's value; names may be NULL. */
MUST_USE enum err mapping_compile(const struct mapping_doc *doc, const struct json *v,
                                  const struct mapping_names *names, struct arena *a,
                                  struct mapping_expr **out, struct ectx *ec);
/* ERR_MALFORMED: this event has no such value; the text says which part and why. ERR_NO_MEMORY. */
MUST_USE enum err mapping_eval(const struct mapping_expr *x, const struct mapping_scope *scope,
                               struct mapping_value *out, struct ectx *ec);
/* The same where only true or false makes sense; null is false. x == NULL: true. */
MUST_USE enum err mapping_test(const struct mapping_expr *x, const struct mapping_scope *scope,
                               bool *out, struct ectx *ec);
/* An `each`: a pointer below /data or /meta. */
MUST_USE enum err mapping_compile_each(const struct mapping_doc *doc, const struct json *v,
                                       struct arena *a, struct mapping_expr **out, struct ectx *ec);
/* Its elements: an array (absent or null: none). */
MUST_USE enum err mapping_each(const struct mapping_expr *x, const struct mapping_scope *scope,
                               const struct json **first, size_t *count, struct ectx *ec);
/* As it was written. */
struct str mapping_source(const struct mapping_expr *x);

/* ---- Which events
 * ------------------------------------------------------------------------------- */

/* "OrderPlaced.v2": that version alone. "OrderPlaced": every version. "*": every event. */
struct mapping_type {
    bool any;
    struct str base;    /* without the suffix */
    struct str version; /* null: every */
};
MUST_USE enum err mapping_type_compile(const struct mapping_doc *doc, const struct json *v,
                                       struct mapping_type *out, struct ectx *ec);
bool mapping_type_matches(const struct mapping_type *t, const struct envelope *e);
/* "OrderPlaced.v2" -> "OrderPlaced", "2"; without a suffix *version is null. */
struct str mapping_type_base(struct str type, struct str *version);

/* ---- Folds
 * ------------------------------------------------------------------------------- */

/*
 *     fold: order
 *     category: order
 *     schema: order-1              # begins the tag of its snapshots; default: its name
 *     snapshot_every: 100          # 0: none
 *     initial: { status: new }     # default {}
 *     maps:
 *       - type: OrderPlaced
 *         set: { /status: "'placed'", "/lines/{/data/sku}/price": /data/price }
 *         increment: { /total: /data/price * /data/quantity }
 *         append: { /history: $type }
 *         remove: [ /draft ]
 *       - type: ItemsAdded
 *         each: /data/items
 *         when: "@/quantity > 0"
 *         increment: { "/lines/{@/sku}/quantity": "@/quantity" }
 *
 * Every rule that matches is applied, in the order of the file; in a rule: set, increment, append,
 * remove. A pointer makes the objects on its way. `append` makes an array where nothing is.
 */
struct mapping_fold {
    struct str name, category;
    struct str schema; /* as declared; null: not */
    uint32_t snapshot_every;
    uint64_t hash;      /* of the rules: another hash folds another state */
    struct str initial; /* JSON */
    struct mapping_rule *rules;
    size_t rule_count;
};
MUST_USE enum err mapping_fold_compile(const struct mapping_doc *doc, const struct json *v,
                                       struct arena *a, struct mapping_fold **out, struct ectx *ec);
/* A state that events are folded into. Lies in the arena, which bounds it. */
struct mapping_state {
    struct json *root;
    struct arena *arena;
};
/* text: JSON of a snapshot, which must outlive the state; null: the fold's initial state. */
MUST_USE enum err mapping_state_init(const struct mapping_fold *f, struct str text, struct arena *a,
                                     struct mapping_state *out, struct ectx *ec);
/* ERR_MALFORMED: the event could not be folded (says why); the state is then of no use. Nothing of
 * the event is kept. */
MUST_USE enum err mapping_fold_apply(const struct mapping_fold *f, struct mapping_state *s,
                                     const struct mapping_event *event, struct ectx *ec);
void mapping_state_write(const struct mapping_state *s, struct buf *out);
bool mapping_fold_wants(const struct mapping_fold *f, const struct envelope *e);
struct mapping_upcasts;
/* Another number when the state of a stream may be another: of the rules, and of the upcasts that
 * matter to them (u == NULL: there are none). The same in every process. */
uint64_t mapping_fold_digest(const struct mapping_fold *f, const struct mapping_upcasts *u);
/* The schema tag of the fold's own snapshots: "order-1-89ab...", its schema (or name) and the
 * digest. Null: no memory. */
struct str mapping_fold_tag(const struct mapping_fold *f, uint64_t digest, struct arena *a);
/* Has it the form of such a tag, of whatever fold? */
bool mapping_fold_tag_is(struct str tag);

/* ---- Upcasts
 * ------------------------------------------------------------------------------- */

/*
 *     upcasts:
 *       - from: OrderPlaced.v1
 *         to: OrderPlaced.v2
 *         rename: { /data/customer: customer_id }      # the last part of the pointer
 *         move: { /data/city: /data/address/city }
 *         default: { /data/currency: "'EUR'" }         # if it is absent
 *         set: { /data/total: /data/price * /data/quantity }
 *         remove: [ /data/legacy ]
 *       - from: OrderPlaced.v2
 *         split:
 *           - { to: OrderPlaced.v3, remove: [ /data/payment ] }
 *           - { to: PaymentRequested.v1, when: exists(/data/payment), pick: [ /data/payment ] }
 *
 * In a step: pick, rename, move, default, set, remove; expressions see the event as it came into
 * the step. Chains are followed to the newest form; a circle is refused when it is compiled. Steps
 * of several files are one graph (mapping_upcasts_add, mapping_upcasts_join): a chain goes through
 * all of them.
 */
struct mapping_upcasts;
/* `doc` is kept for messages about this file: what it points to must live as long. */
MUST_USE enum err mapping_upcasts_compile(const struct mapping_doc *doc, const struct json *v,
                                          struct arena *a, struct mapping_upcasts **out,
                                          struct ectx *ec);
struct mapping_upcasts_file {
    struct str name; /* for messages */
    const struct mapping_upcasts *u;
    bool left_out; /* out: it closes a circle with those before it, or is too much */
};
/* Many files as one, which views them. Never refuses: of two steps from one form the one of the
 * first file holds. ERR_NO_MEMORY alone. */
MUST_USE enum err mapping_upcasts_join(struct mapping_upcasts_file *files, size_t count,
                                       struct arena *a, struct mapping_upcasts **out,
                                       struct ectx *ec);
/* `u` and one file more, if they go together. ERR_CONFIG: both have a step from one form, steps
 * lead in a circle, there are too many of them (in a row); told with the place in `file`. */
MUST_USE enum err mapping_upcasts_add(const struct mapping_upcasts *u,
                                      const struct mapping_upcasts *file, struct arena *a,
                                      struct mapping_upcasts **out, struct ectx *ec);
/* Does a step begin at this type and version? Costs a look at the type alone. */
bool mapping_upcasts_known(const struct mapping_upcasts *u, const struct envelope *e);
/* May an event of this type and version come through a step of this file (of those in `u`)? */
bool mapping_upcasts_through(const struct mapping_upcasts *u, const struct envelope *e,
                             const struct mapping_upcasts *file);
/* May an event of this type and version become one that `fits`, by whatever its data says? Also as
 * it is: a split may make nothing of it. A form is `e` with its type and version. */
bool mapping_upcasts_lead(const struct mapping_upcasts *u, const struct envelope *e,
                          bool (*fits)(const void *ctx, const struct envelope *form),
                          const void *ctx);
struct mapping_upcasted {
    struct str type, version; /* version may be null */
    struct str data;          /* JSON */
    uint32_t index;           /* among those that one old event became */
};
/* *count == 0: the event is in its newest form already (or of a type without upcasts). All strings
 * in the arena. ERR_MALFORMED: it cannot be brought into the new form (says why). */
MUST_USE enum err mapping_upcast(const struct mapping_upcasts *u, const struct mapping_event *event,
                                 struct arena *a, struct mapping_upcasted **out, size_t *count,
                                 struct ectx *ec);

#endif
