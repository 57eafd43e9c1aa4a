/* Which database a target names; what every driver does alike. */
#include "proj/target.h"

#include <string.h>

MUST_USE enum err target_parse(struct str target, const struct target_driver **driver,
                               struct str *where, struct ectx *ec)
{
    if (str_starts(target, "sqlite:") && target.n > 7) {
        *driver = &target_sqlite;
        *where = str_make(target.p + 7, target.n - 7);
        return ERR_OK;
    }
    if (str_starts(target, "postgres://") || str_starts(target, "postgresql://")) {
        *driver = &target_postgres;
        *where = target;
        return ERR_OK;
    }
    enum err e = ectx_fail(ec, ERR_CONFIG, "'%.*s' is no target",
                           (int)(target.n > 20 ? 20 : target.n), target.p);
    ectx_hint(ec, "sqlite:FILE, or postgresql://USER@HOST/DATABASE");
    return e;
}

MUST_USE enum err target_ask(const struct target_driver *driver, struct target_db *db,
                             struct str sql, const struct mapping_value *params, size_t count,
                             target_row_fn row, void *ctx, struct ectx *ec)
{
    if (driver->ask != NULL) {
        return driver->ask(db, sql, params, count, row, ctx, ec);
    }
    struct target_stmt *s = NULL;
    enum err e = driver->prepare(db, sql, &s, ec);
    e = e != ERR_OK ? e : driver->query(s, params, count, row, ctx, ec);
    driver->finalize(s);
    return e;
}

struct str target_shown(struct str target, struct arena *a)
{
    struct str rest;
    struct str scheme = str_cut(target, ':', &rest);
    const char *at = rest.p == NULL ? NULL : memrchr(rest.p, '@', rest.n);
    if (at == NULL || !str_starts(rest, "//")) {
        return arena_str(a, target);
    }
    struct str user = str_make(rest.p + 2, (size_t)(at - rest.p) - 2);
    struct str password;
    user = str_cut(user, ':', &password);
    return arena_printf(a, "%.*s://%.*s%s%.*s", STR(scheme), STR(user),
                        str_is_null(password) ? "" : ":***", (int)(rest.n - (size_t)(at - rest.p)),
                        at);
}
