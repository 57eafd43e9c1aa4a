/* What the resources of the event store share. */
#include "api/es_common.h"

#include <stdio.h>
#include <string.h>

struct str es_etag(uint64_t revision, char out[ES_ETAG_SIZE])
{
    char digits[STR_U64_MAX];
    const struct str d = str_of_u64(revision, digits);
    out[0] = '"';
    out[1] = 'r';
    memcpy(out + 2, d.p, d.n);
    out[2 + d.n] = '"';
    return str_make(out, 3 + d.n);
}

static bool etag_parse(struct str s, struct es_expected *out)
{
    s = str_trim(s);
    if (str_eq_z(s, "*")) {
        *out = (struct es_expected){.kind = ES_EXISTS};
        return true;
    }
    if (s.n > 3 && s.p[0] == '"' && s.p[1] == 'r' && s.p[s.n - 1] == '"' &&
        str_to_u64(str_make(s.p + 2, s.n - 3), &out->revision)) {
        out->kind = ES_REVISION;
        return true;
    }
    return false;
}

bool es_expected_get(struct api_call *c, const struct json *body, struct es_expected *out,
                     bool *given, bool *by_header)
{
    const struct str match = http_header_get(c->request, "if-match");
    const struct str none = http_header_get(c->request, "if-none-match");
    const struct str query = api_query(c, "expected");
    const struct json *member = json_get(body, "expected");
    struct ectx ec = {0};
    const int count = !str_is_null(match) + !str_is_null(none) + !str_is_null(query) +
                      (member != NULL && member->kind != JSON_NULL);
    *given = count > 0;
    *by_header = !str_is_null(match) || !str_is_null(none);
    *out = (struct es_expected){.kind = ES_ANY};
    enum err e = ERR_OK;
    if (count > 1) {
        e = ectx_fail(&ec, ERR_MALFORMED,
                      "more than one of If-Match, If-None-Match and expected was given");
    } else if (!str_is_null(match) && !etag_parse(match, out)) {
        e = ectx_fail(&ec, ERR_MALFORMED, "If-Match: must be * or an ETag of this server: \"r5\"");
    } else if (!str_is_null(none)) {
        out->kind = ES_NO_STREAM;
        if (!str_eq_z(str_trim(none), "*")) {
            e = ectx_fail(&ec, ERR_MALFORMED, "If-None-Match: only * (no such stream) is known");
        }
    } else if (!str_is_null(query) && !es_expected_parse(query, out)) {
        e = ectx_fail(&ec, ERR_MALFORMED,
                      "expected: must be a revision (0 or more), or no_stream, exists, any");
    } else if (*given && str_is_null(match) && str_is_null(query)) {
        e = event_expected_read(member, out, &ec);
    }
    if (e != ERR_OK) {
        api_fail(c, e, &ec);
        return false;
    }
    return true;
}

const char *es_code_of(enum es_problem p, const struct ectx *ec)
{
    if (p == ES_FAILED || p == ES_INVALID) {
        return api_problem_of(ec->code != ERR_OK ? ec->code : ERR_INVALID_REQUEST);
    }
    return es_problem_code(p);
}

void es_reply_problem(struct api_call *c, enum es_problem p, int status, const struct ectx *ec,
                      struct str members)
{
    if (p == ES_FAILED || p == ES_INVALID) {
        const enum err e = ec->code != ERR_OK ? ec->code : ERR_INVALID_REQUEST;
        api_fail(c, e, ec);
        return;
    }
    api_problem_with(c, status != 0 ? status : es_problem_status(p), es_problem_code(p), ec,
                     members, NULL, 0);
}

void es_conflict_write(struct json_writer *w, struct str stream, const struct es_expected *expected,
                       enum es_state state, bool exists, uint64_t actual)
{
    static const char *const names[] = {"any", "no_stream", "exists"};
    json_write_member_str(w, "stream", stream);
    json_write_name(w, "expected");
    if (expected->kind == ES_REVISION) {
        json_write_u64(w, expected->revision);
    } else {
        json_write_z(w, names[expected->kind]);
    }
    json_write_name(w, "actual");
    if (exists) {
        json_write_u64(w, actual);
    } else {
        json_write_z(w, state == ES_TOMBSTONED ? "tombstoned" : "no_stream");
    }
}

bool es_get(struct api_call *c, struct es **out)
{
    *out = c->api->services.es;
    if (*out != NULL && es_ready(*out)) {
        return true;
    }
    struct ectx ec = {0};
    IGNORE(ectx_fail(&ec, ERR_AGAIN, "the event store is not ready yet"));
    ectx_hint(&ec, "it reads what its index lacks after a start; try again in a moment");
    api_problem(c, "unavailable", &ec, STR_NULL);
    return false;
}

void es_arena_widen(struct api_call *c)
{
    const int64_t most = config_i64(c->api->services.config, NULL, "leat.es.event.max.bytes");
    api_arena_widen(c, 2 * (uint64_t)most);
}

/* Would it be a time with a `+` for its blank, or in another year? Then that is what is wrong. */
static void explain_moment(struct str at, struct ectx *ec)
{
    char text[64];
    int64_t ns;
    IGNORE(ectx_fail(ec, ERR_MALFORMED, "at: '%.*s' is neither a revision nor an RFC 3339 time",
                     STR(at)));
    if (at.n < 4 || at.n >= sizeof(text)) {
        return;
    }
    memcpy(text, at.p, at.n);
    char *blank = memchr(text, ' ', at.n);
    if (blank != NULL) {
        *blank = '+';
        if (time_parse_moment(str_make(text, at.n), &ns)) {
            ectx_hint(ec, "a + in an address stands for a blank: write it as %%2B, or use Z");
        }
        return;
    }
    memcpy(text, "2000", 4);
    if (at.p[0] >= '0' && at.p[0] <= '9' && time_parse_moment(str_make(text, at.n), &ns)) {
        *ec = (struct ectx){0};
        IGNORE(ectx_fail(ec, ERR_MALFORMED, "at: '%.*s' is not within the years 1677 to 2262",
                         STR(at)));
    }
}

bool es_form_get(struct api_call *c, enum envelope_form *form)
{
    static const struct {
        const char *name;
        enum envelope_form form;
    } forms[] = {{"native", ENVELOPE_NATIVE},
                 {"cloudevents", ENVELOPE_STRUCTURED},
                 {"envelope", ENVELOPE_JSON}};
    const struct str name = api_query(c, "form");
    struct ectx ec = {0};
    *form = ENVELOPE_NATIVE;
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        if (str_is_null(name) || str_eq_z(name, forms[i].name)) {
            *form = str_is_null(name) ? ENVELOPE_NATIVE : forms[i].form;
            return true;
        }
    }
    IGNORE(ectx_fail(&ec, ERR_MALFORMED, "form: must be native, cloudevents or envelope"));
    api_fail(c, ERR_MALFORMED, &ec);
    return false;
}

bool es_moment_get(struct api_call *c, uint64_t *revision, int64_t *until_ns)
{
    const struct str at = api_query(c, "at");
    *revision = UINT64_MAX;
    *until_ns = INT64_MAX;
    if (str_is_null(at) || str_to_u64(at, revision) || time_parse_moment(at, until_ns)) {
        return true;
    }
    struct ectx ec = {0};
    explain_moment(at, &ec);
    api_fail(c, ERR_MALFORMED, &ec);
    return false;
}

bool es_filter_get(struct api_call *c, struct es_filter *out)
{
    struct str *types = NULL, *tags = NULL;
    *out = (struct es_filter){.store = api_query(c, "store"), .category = api_query(c, "category")};
    if (!api_query_list(c, "type", ES_TAGS_MAX, &types, &out->type_count) ||
        !api_query_list(c, "tag", ES_TAGS_MAX, &tags, &out->tag_count)) {
        return false;
    }
    out->types = types;
    out->tags = tags;
    return true;
}

/* In the largest unit of which it is a whole number, as people give it: "30d". */
static void write_duration(struct json_writer *w, const char *name, int64_t ms)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
    char text[32];
    size_t i = 0;
    while (ms % units[i].ms != 0) {
        i++;
    }
    const int n =
        snprintf(text, sizeof(text), "%lld%s", (long long)(ms / units[i].ms), units[i].unit);
    json_write_member_str(w, name, str_make(text, (size_t)n));
}

void es_info_write(struct json_writer *w, struct str stream, const struct es_stream_info *info)
{
    static const char *const states[] = {"active", "soft_deleted", "tombstoned"};
    json_write_begin(w, '{');
    json_write_member_str(w, "stream", stream);
    json_write_name(w, "state");
    json_write_z(w, states[info->state]);
    json_write_name(w, "first_revision");
    json_write_u64(w, info->first_revision);
    json_write_name(w, "last_revision");
    json_write_u64(w, info->last_revision);
    json_write_member_bool(w, "empty", info->empty);
    if (info->max_age_ms >= 0) {
        write_duration(w, "max_age", info->max_age_ms);
    }
    if (info->max_count >= 0) {
        json_write_member_i64(w, "max_count", info->max_count);
    }
    if (info->truncate_before > 0) {
        json_write_name(w, "truncate_before");
        json_write_u64(w, info->truncate_before);
    }
    json_write_member_str(w, "topic", info->topic);
    json_write_member_i64(w, "partition", info->partition);
    json_write_end(w, '}');
}
