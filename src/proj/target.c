/* Which database a target names. */
#include "proj/target.h"

MUST_USE enum err target_parse(struct str target, const struct target_driver **driver,
                               struct str *where, struct ectx *ec)
{
    if (str_starts(target, "sqlite:") && target.n > 7) {
        *driver = &target_sqlite;
        *where = str_make(target.p + 7, target.n - 7);
        return ERR_OK;
    }
    enum err e = ectx_fail(ec, ERR_CONFIG, "'%.*s' is no target",
                           (int)(target.n > 20 ? 20 : target.n), target.p);
    ectx_hint(ec, "sqlite:FILE");
    return e;
}
