/*
 * Loads shared libraries by name. A library stays until the process ends: its threads may outlive
 * the last of its objects.
 */
#include <dlfcn.h>
#include <string.h>

#include "env/library.h"

MUST_USE enum err library_lacks(const struct library *l, const char *what, struct ectx *ec)
{
    enum err e = ectx_fail(ec, ERR_VERSION, "%s is too old: it has no %s", l->file, what);
    ectx_hint(ec, "%s or newer is needed (package %s)", l->version, l->package);
    return e;
}

MUST_USE enum err library_load(const struct library *l, void *table, struct ectx *ec)
{
    void *handle = dlopen(l->file, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL) {
        enum err e = ectx_fail(ec, ERR_NOT_FOUND, "could not load %s: %s", l->file, dlerror());
        ectx_hint(ec, "%s it: install the package %s", l->needs, l->package);
        return e;
    }
    for (size_t i = 0; i < l->count; i++) {
        void *found = dlsym(handle, l->functions[i].name);
        if (found == NULL) {
            return library_lacks(l, l->functions[i].name, ec);
        }
        /* POSIX promises that a function's address fits into what dlsym returns; C has no cast. */
        memcpy((char *)table + l->functions[i].at, &found, sizeof(found));
    }
    return ERR_OK;
}
