/* Which events a rule is for: by the name of their type, with or without its version. */
#include "mapping/mapping_int.h"

/* "OrderPlaced.v2" -> "OrderPlaced", "2". */
struct str mapping_type_base(struct str type, struct str *version)
{
    *version = STR_NULL;
    size_t digits = 0;
    while (digits < type.n && type.p[type.n - 1 - digits] >= '0' &&
           type.p[type.n - 1 - digits] <= '9') {
        digits++;
    }
    if (digits == 0 || digits + 2 >= type.n || type.p[type.n - digits - 1] != 'v' ||
        type.p[type.n - digits - 2] != '.') {
        return type;
    }
    *version = str_make(type.p + type.n - digits, digits);
    return str_make(type.p, type.n - digits - 2);
}

MUST_USE enum err mapping_type_compile(const struct mapping_doc *doc, const struct json *v,
                                       struct mapping_type *out, struct ectx *ec)
{
    if (v == NULL || v->kind != JSON_STRING || v->string.n == 0) {
        return mapping_fail(doc, v, 0, ec, "a type of event must be a text: a name, or '*'");
    }
    struct mapping_type t = {.any = str_eq_z(v->string, "*")};
    if (!t.any && memchr(v->string.p, '*', v->string.n) != NULL) {
        return mapping_fail(doc, v, 0, ec,
                            "'%.*s': '*' alone stands for every type; a part of a name cannot",
                            STR(v->string));
    }
    if (v->string.n > ENVELOPE_TYPE_MAX) {
        return mapping_fail(doc, v, 0, ec, "a type has at most %u bytes", ENVELOPE_TYPE_MAX);
    }
    t.base = mapping_type_base(v->string, &t.version);
    *out = t;
    return ERR_OK;
}

bool mapping_type_matches(const struct mapping_type *t, const struct envelope *e)
{
    if (t->any) {
        return true;
    }
    if (str_is_null(e->type)) {
        return false;
    }
    struct str suffix;
    if (!str_eq(mapping_type_base(e->type, &suffix), t->base)) {
        return false;
    }
    return str_is_null(t->version) || str_eq(t->version, str_is_null(suffix) ? e->version : suffix);
}
