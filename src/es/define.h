/*
 * Definitions from within: folds and upcasts, compiled, with the text they came from. One that is
 * in use lives on when it is replaced.
 */
#ifndef LEAT_ES_DEFINE_H
#define LEAT_ES_DEFINE_H

#include "es/es_int.h"
#include "mapping/mapping.h"

struct es_def {
    uint32_t refs;
    enum es_definition_kind kind;
    struct str name, text, file; /* in the arena */
    struct buf json;             /* the document as JSON: what was compiled views it */
    struct arena arena;
    struct mapping_fold *fold;
    struct mapping_upcasts *upcasts;
    uint64_t digest, digest_of; /* steps.c: of a fold, and of which upcasts (0: not known yet) */
};
/* With one reference; NULL: no memory. Not compiled. */
struct es_def *es_def_new(enum es_definition_kind kind, struct str name, struct str text,
                          struct str file);
void es_def_ref(struct es_def *d);
void es_def_unref(struct es_def *d); /* NULL is fine */
/* ERR_CONFIG: the text is wrong, ec says where. `d` has kind, text and file. */
MUST_USE enum err es_def_compile(struct es_def *d, struct ectx *ec);

/* The fold of that name (null: the only one of the category), with a reference; NULL: none. */
struct es_def *es_def_fold(struct es *es, struct str name, struct str category);

/* steps.c: upcasts of all files as one graph. */
struct es_steps {
    uint32_t refs;
    struct arena arena;
    struct mapping_upcasts *u;
    struct es_def **defs; /* what it views */
    size_t count;
};
/* What is declared, with `instead` (NULL: nothing) in place of what `name` is. With one reference.
 * ERR_NO_MEMORY alone. */
MUST_USE enum err es_steps_make(struct es *es, struct str name, struct es_def *instead,
                                struct es_steps **out, struct ectx *ec);
/* Those in use, with a reference; NULL: nothing was declared yet. */
struct es_steps *es_steps_now(struct es *es);
void es_steps_unref(struct es_steps *s); /* NULL is fine */
/* From now on these are in use. Takes the reference. */
void es_steps_take(struct es *es, struct es_steps *s);
/* The schema tag of a fold's own snapshots, by its rules and the upcasts of now. Null: no memory.
 */
struct str es_fold_tag(struct es *es, struct es_def *d, struct arena *a);
/* The same for the fold of the stream's category that declares this schema; null: none does. False:
 * no memory. */
MUST_USE bool es_fold_tag_of_schema(struct es *es, struct str stream, struct str schema,
                                    struct arena *a, struct str *out);

/* upcast.c: an event as the mapping language sees it. What is made lies in the arena. */
MUST_USE enum err es_mapping_event(const struct es_event *e, struct arena *a,
                                   struct mapping_event *out, struct ectx *ec);

/* Everything that is defined. */
struct es_defs {
    struct map by_name;     /* "f" or "u" and the name -> struct es_def */
    size_t upcasts;         /* how many of them */
    uint64_t changes;       /* of upcasts */
    struct es_steps *steps; /* NULL: none were declared */
    bool loaded;
    struct es_load *load; /* define_load.c: they are being read */
    struct list defines;  /* of struct es_define that are on their way */
};
MUST_USE enum err es_defs_create(struct es *es);
/* Answers what is on its way: what comes of it is known after the next start. */
void es_defs_stop(struct es *es);
void es_defs_destroy(struct es *es);
/* "fold/order" -> kind and name. */
bool es_def_key_parse(struct str key, enum es_definition_kind *kind, struct str *name);
/* Takes the place of the one of that name, and the reference, also if it fails; `d` NULL: there is
 * none any more. */
MUST_USE enum err es_def_put(struct es *es, struct str key, struct es_def *d);
/* define_load.c. Makes the topic and reads it; `done` on the loop, perhaps before it returns. */
void es_defs_load(struct es *es, void (*done)(struct es *es, enum err e, const struct ectx *ec));
void es_defs_load_stop(struct es *es); /* nothing is read any more */
void es_defs_load_free(struct es *es); /* nobody calls back any more */

/* Snapshots that folds ask for, every so many events. */
MUST_USE enum err es_autos_create(struct es *es);
void es_autos_destroy(struct es *es);
/* An append of these revisions is durable and in the index: remembered, begun by the next tick. */
void es_auto_snapshot(struct es *es, struct str stream, uint64_t first, uint64_t last);
/* The same of the events of a plan, when their flight is in the index; nobody waits for that. */
struct es_plan;
struct es_flight;
void es_auto_snapshot_after(struct es *es, const struct es_plan *p, struct es_flight *f);
void es_auto_tick(struct es *es);
/* Nothing of it is begun any more. */
void es_auto_stop(struct es *es);

#endif
