/*
 * Views: which projection serves a name. A projection that was declared serves none before the
 * first version of it has caught up; until then its views are not ready, which is not the same as
 * that there are none.
 */
#include "proj/proj_int.h"

static struct run *served_run(struct projection *pr)
{
    return pr->gone || pr->removing ? NULL : run_find(pr, pr->served);
}

struct run *view_find(struct proj *p, struct str view)
{
    LIST_FOR_EACH (link, next, &p->projections) {
        struct run *r = served_run(CONTAINER_OF(link, struct projection, link));
        if (r != NULL && def_table_find(r->d, view) != NULL) {
            return r;
        }
    }
    return NULL;
}

bool projection_declares(struct projection *pr, struct str view)
{
    LIST_FOR_EACH (link, next, &pr->runs) {
        if (!pr->gone && def_table_find(CONTAINER_OF(link, struct run, link)->d, view) != NULL) {
            return true;
        }
    }
    return false;
}

/* NULL: no version of any has it. */
static struct projection *find_declared(struct proj *p, struct str view)
{
    LIST_FOR_EACH (link, next, &p->projections) {
        struct projection *pr = CONTAINER_OF(link, struct projection, link);
        if (!pr->removing && projection_declares(pr, view)) {
            return pr;
        }
    }
    return NULL;
}

enum err view_fail(struct proj *p, struct str view, struct ectx *ec)
{
    const struct projection *pr = find_declared(p, view);
    if (!p->ready) {
        return ectx_fail(ec, ERR_NOT_READY, "the definitions of projections are not known yet");
    }
    if (pr == NULL) {
        return ectx_fail(ec, ERR_NOT_FOUND, "there is no view '%.*s'",
                         (int)(view.n > 80 ? 80 : view.n), view.p);
    }
    return ectx_fail(ec, ERR_NOT_READY,
                     "projection '%.*s' declares view '%.*s', but serves no version with it yet",
                     STR(pr->name), STR(view));
}

struct str proj_view_projection(struct proj *p, struct str view)
{
    const struct run *r = view_find(p, view);
    const struct projection *pr = r != NULL ? r->pr : find_declared(p, view);
    return pr == NULL ? STR_NULL : pr->name;
}

struct proj_view *proj_views(struct proj *p, struct arena *a, size_t *count)
{
    size_t room = 1;
    LIST_FOR_EACH (link, next, &p->projections) {
        room += PROJ_TABLES_MAX;
    }
    struct proj_view *views = arena_new_n(a, struct proj_view, room);
    *count = 0;
    LIST_FOR_EACH (link, next, &p->projections) {
        struct projection *pr = CONTAINER_OF(link, struct projection, link);
        const struct run *r = served_run(pr);
        for (size_t i = 0; views != NULL && r != NULL && i < r->d->table_count; i++) {
            const struct def_table *t = &r->d->tables[i];
            struct str *columns = arena_new_n(a, struct str, t->column_count + 1);
            struct str *key = arena_new_n(a, struct str, t->key_count + 1);
            if (columns == NULL || key == NULL) {
                return NULL;
            }
            for (size_t c = 0; c < t->column_count; c++) {
                columns[c] = t->columns[c].name;
            }
            for (size_t c = 0; c < t->key_count; c++) {
                key[c] = t->columns[t->key[c]].name;
            }
            size_t at = (*count)++;
            while (at > 0 && str_cmp(views[at - 1].name, t->name) > 0) {
                views[at] = views[at - 1];
                at--;
            }
            views[at] =
                (struct proj_view){t->name, pr->name, columns, t->column_count, key, t->key_count};
        }
    }
    return views;
}
