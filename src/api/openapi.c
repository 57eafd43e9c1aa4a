/*
 * The OpenAPI 3.1 document, from the table of routes: what a route says of its parameters is also
 * what is checked (table.c), so that the two cannot differ.
 */
#include <stdio.h>
#include <string.h>

#include "api/api_int.h"

static void put_schema_of(struct json_writer *w, enum api_type type)
{
    static const struct {
        const char *type, *format;
    } types[] = {
        [API_STRING] = {"string", NULL},         [API_LIST] = {"array", NULL},
        [API_INTEGER] = {"integer", "int64"},    [API_BOOLEAN] = {"boolean", NULL},
        [API_DURATION] = {"string", "duration"}, [API_POSITION] = {"string", NULL},
        [API_TIME] = {"string", "date-time"},    [API_CURSOR] = {"string", NULL},
        [API_LIMIT] = {"integer", "int64"},
    };
    json_write_begin(w, '{');
    json_write_name(w, "type");
    json_write_z(w, types[type].type);
    if (types[type].format != NULL) {
        json_write_name(w, "format");
        json_write_z(w, types[type].format);
    }
    if (type == API_INTEGER || type == API_LIMIT) {
        json_write_member_i64(w, "minimum", type == API_LIMIT ? 1 : 0);
    } else if (type == API_LIST) {
        json_write_name(w, "items");
        json_write_raw(w, STR_LIT("{\"type\":\"string\"}"));
    }
    json_write_end(w, '}');
}

static void put_z(struct json_writer *w, const char *name, const char *text)
{
    json_write_name(w, name);
    json_write_z(w, text);
}

static void put_param(struct json_writer *w, const struct api_param *p)
{
    static const char *const places[] = {"path", "query", "header"};
    json_write_begin(w, '{');
    put_z(w, "name", p->name);
    put_z(w, "in", places[p->in]);
    json_write_member_bool(w, "required", p->required || p->in == API_PATH);
    put_z(w, "description", p->doc);
    json_write_name(w, "schema");
    put_schema_of(w, p->type);
    if (p->example != NULL) {
        json_write_name(w, "example");
        if (p->type == API_INTEGER || p->type == API_LIMIT || p->type == API_BOOLEAN ||
            p->type == API_LIST) {
            json_write_raw(w, str_of(p->example));
        } else {
            json_write_z(w, p->example);
        }
    }
    json_write_end(w, '}');
}

static void put_params(struct json_writer *w, const struct api_route *r)
{
    static const struct api_param key = {
        "Idempotency-Key",
        API_HEADER,
        API_STRING,
        false,
        NULL,
        "The answer is kept under this key for 24 hours: the same request again gets it, and does "
        "nothing."};
    json_write_name(w, "parameters");
    json_write_begin(w, '[');
    for (size_t i = 0; i < r->param_count; i++) {
        put_param(w, &r->params[i]);
    }
    if ((r->flags & API_IDEMPOTENT) != 0) {
        put_param(w, &key);
    }
    json_write_end(w, ']');
}

/* {"application/json": {"schema": {"$ref": ...}, "example": ...}} */
static void put_media(struct json_writer *w, const char *type, const char *schema,
                      const char *example)
{
    json_write_name(w, type);
    json_write_begin(w, '{');
    json_write_name(w, "schema");
    json_write_begin(w, '{');
    if (schema != NULL) {
        char ref[128];
        (void)snprintf(ref, sizeof(ref), "#/components/schemas/%s", schema);
        put_z(w, "$ref", ref);
    } else {
        put_z(w, "type", "string");
    }
    json_write_end(w, '}');
    if (example != NULL) {
        json_write_name(w, "example");
        json_write_raw(w, str_of(example));
    }
    json_write_end(w, '}');
}

static void put_body(struct json_writer *w, const struct api_route *r)
{
    if (r->body == NULL) {
        return;
    }
    json_write_name(w, "requestBody");
    json_write_begin(w, '{');
    json_write_member_bool(w, "required", (r->flags & API_MAY_BE_EMPTY) == 0);
    json_write_name(w, "content");
    json_write_begin(w, '{');
    put_media(w, "application/json", r->body, r->example);
    if ((r->flags & API_NDJSON_IN) != 0) {
        put_media(w, "application/x-ndjson", NULL, NULL);
    }
    if ((r->flags & API_CLOUDEVENTS) != 0) {
        put_media(w, "application/cloudevents+json", NULL, NULL);
        put_media(w, "application/cloudevents-batch+json", NULL, NULL);
    }
    if ((r->flags & API_YAML_IN) != 0) {
        put_media(w, "application/yaml", NULL, NULL);
    }
    json_write_end(w, '}');
    json_write_end(w, '}');
}

static void put_success(struct json_writer *w, const struct api_route *r, int status)
{
    char text[16];
    (void)snprintf(text, sizeof(text), "%d", status);
    json_write_name(w, text);
    json_write_begin(w, '{');
    put_z(w, "description", status == r->status ? r->summary : "It was there already.");
    if (r->answer != NULL || (r->flags & API_TEXT) != 0) {
        json_write_name(w, "content");
        json_write_begin(w, '{');
        if (r->answer != NULL) {
            put_media(w, "application/json", r->answer, NULL);
        }
        if ((r->flags & API_NDJSON_OUT) != 0) {
            put_media(w, "application/x-ndjson", NULL, NULL);
        }
        if ((r->flags & API_SSE) != 0) {
            put_media(w, "text/event-stream", NULL, NULL);
        }
        if ((r->flags & API_TEXT) != 0) {
            put_media(w, "text/plain", NULL, NULL);
            put_media(w, "text/html", NULL, NULL);
        }
        json_write_end(w, '}');
    }
    json_write_end(w, '}');
}

/* Of a list of codes with spaces between them: those with this status, as a sentence. */
static bool codes_of(const char *codes, int status, char *out, size_t size)
{
    struct str rest = str_of(codes);
    size_t n = 0;
    out[0] = '\0';
    while (rest.n > 0) {
        const struct str code = str_cut(rest, ' ', &rest);
        const struct api_problem_doc *doc = api_problem_find(code);
        if (doc != NULL && doc->status == status && n < size) {
            n += (size_t)snprintf(out + n, size - n, "%s%.*s", n > 0 ? ", " : "", STR(code));
        }
    }
    return n > 0;
}

/* A condition that is a header is answered 412 when it does not hold (es_expected_get). */
static bool has_condition(const struct api_route *r)
{
    for (size_t i = 0; i < r->param_count; i++) {
        if (strcmp(r->params[i].name, "If-Match") == 0) {
            return true;
        }
    }
    return false;
}

/* May there be too much of something in the request? */
static bool has_list(const struct api_route *r)
{
    for (size_t i = 0; i < r->param_count; i++) {
        if (r->params[i].type == API_LIST) {
            return true;
        }
    }
    return false;
}

/* One answer for each status that a problem of the route has, and one for all others. */
static void put_problems(struct json_writer *w, const struct api_route *r)
{
    char names[512], all[1024];
    (void)snprintf(all, sizeof(all), "invalid-request %s%s%s%s", r->problems,
                   r->body != NULL ? " unsupported-media-type body-too-large" : "",
                   r->body != NULL || has_list(r) ? " too-large" : "",
                   (r->flags & API_IDEMPOTENT) != 0
                       ? " idempotency-in-progress idempotency-mismatch idempotency-full"
                       : "");
    for (int status = 400; status < 600; status++) {
        char text[16];
        const bool some = codes_of(all, status, names, sizeof(names));
        if (status == 412 && has_condition(r)) {
            (void)snprintf(names, sizeof(names), "revision-conflict");
        } else if (!some) {
            continue;
        }
        (void)snprintf(text, sizeof(text), "%d", status);
        json_write_name(w, text);
        json_write_begin(w, '{');
        put_z(w, "description", names);
        json_write_name(w, "content");
        json_write_begin(w, '{');
        put_media(w, "application/problem+json", "Problem", NULL);
        json_write_end(w, '}');
        json_write_end(w, '}');
    }
    json_write_name(w, "default");
    json_write_begin(w, '{');
    put_z(w, "description", "Any other problem.");
    json_write_name(w, "content");
    json_write_begin(w, '{');
    put_media(w, "application/problem+json", "Problem", NULL);
    json_write_end(w, '}');
    json_write_end(w, '}');
}

static void put_operation(struct json_writer *w, const struct api_resource *res,
                          const struct api_route *r)
{
    char method[16];
    size_t n = 0;
    for (; r->method[n] != '\0' && n < sizeof(method) - 1; n++) {
        method[n] = (char)(r->method[n] | 0x20);
    }
    method[n] = '\0';
    json_write_name(w, method);
    json_write_begin(w, '{');
    put_z(w, "operationId", r->id);
    put_z(w, "summary", r->summary);
    json_write_name(w, "tags");
    json_write_begin(w, '[');
    json_write_z(w, res->tag);
    json_write_end(w, ']');
    put_params(w, r);
    put_body(w, r);
    json_write_name(w, "responses");
    json_write_begin(w, '{');
    if (r->status == 201) {
        put_success(w, r, 200);
    }
    put_success(w, r, r->status);
    put_problems(w, r);
    json_write_end(w, '}');
    json_write_end(w, '}');
}

/* All methods of one path together, at its first route. */
static void put_path(struct json_writer *w, const struct api_services *s, const char *path)
{
    const struct api_resource *res;
    json_write_name(w, path);
    json_write_begin(w, '{');
    for (size_t i = 0; (res = api_resource_at(s, i)) != NULL; i++) {
        for (size_t j = 0; j < res->route_count; j++) {
            if (strcmp(res->routes[j].path, path) == 0) {
                put_operation(w, res, &res->routes[j]);
            }
        }
    }
    json_write_end(w, '}');
}

static bool is_first_of_path(const struct api_services *s, size_t at_resource, size_t at_route)
{
    const char *path = api_resource_at(s, at_resource)->routes[at_route].path;
    for (size_t i = 0; i <= at_resource; i++) {
        const struct api_resource *res = api_resource_at(s, i);
        const size_t end = i == at_resource ? at_route : res->route_count;
        for (size_t j = 0; j < end; j++) {
            if (strcmp(res->routes[j].path, path) == 0) {
                return false;
            }
        }
    }
    return true;
}

static void put_components(struct json_writer *w, const struct api_services *s)
{
    static const char problem[] =
        "{\"type\":\"object\",\"description\":\"RFC 9457. Each code has a page at its type.\","
        "\"required\":[\"type\",\"title\",\"status\",\"code\",\"detail\"],\"properties\":{"
        "\"type\":{\"type\":\"string\",\"format\":\"uri-reference\"},"
        "\"title\":{\"type\":\"string\"},\"status\":{\"type\":\"integer\"},"
        "\"code\":{\"type\":\"string\"},\"detail\":{\"type\":\"string\"},"
        "\"hint\":{\"type\":\"string\"},\"retryable\":{\"type\":\"boolean\"},"
        "\"retry_after_ms\":{\"type\":\"integer\"}},\"additionalProperties\":true}";
    const struct api_resource *res;
    json_write_name(w, "components");
    json_write_begin(w, '{');
    json_write_name(w, "schemas");
    json_write_begin(w, '{');
    json_write_name(w, "Problem");
    json_write_raw(w, STR_LIT(problem));
    for (size_t i = 0; (res = api_resource_at(s, i)) != NULL; i++) {
        for (size_t j = 0; j < res->schema_count; j++) {
            json_write_name(w, res->schemas[j].name);
            json_write_raw(w, str_of(res->schemas[j].json));
        }
    }
    json_write_end(w, '}');
    json_write_end(w, '}');
}

void api_openapi_write(const struct api_services *s, struct buf *out)
{
    struct json_writer w;
    const struct api_resource *res;
    json_write_init(&w, out);
    json_write_begin(&w, '{');
    put_z(&w, "openapi", "3.1.0");
    json_write_name(&w, "info");
    json_write_begin(&w, '{');
    put_z(&w, "title", "Leat");
    put_z(&w, "description", "The native API of Leat: topics, event streams and read models.");
    put_z(&w, "version", s->version);
    json_write_end(&w, '}');
    json_write_name(&w, "servers");
    json_write_raw(&w, STR_LIT("[{\"url\":\"/\"}]"));
    json_write_name(&w, "tags");
    json_write_begin(&w, '[');
    for (size_t i = 0; (res = api_resource_at(s, i)) != NULL; i++) {
        json_write_begin(&w, '{');
        put_z(&w, "name", res->tag);
        put_z(&w, "description", res->doc);
        json_write_end(&w, '}');
    }
    json_write_end(&w, ']');
    json_write_name(&w, "paths");
    json_write_begin(&w, '{');
    for (size_t i = 0; (res = api_resource_at(s, i)) != NULL; i++) {
        for (size_t j = 0; j < res->route_count; j++) {
            if (is_first_of_path(s, i, j)) {
                put_path(&w, s, res->routes[j].path);
            }
        }
    }
    json_write_end(&w, '}');
    put_components(&w, s);
    json_write_end(&w, '}');
}
