/* The api room's face: what it is made of, its life. */
#include "api/api.h"

#include <stdio.h>

#include "api/api_int.h"
#include "api/idempotency.h"
#include "core/crc32c.h"
#include "core/mem.h"

#define OPENAPI_MAX (4u << 20)

static void get_reserved(void *ctx, struct http_request *r)
{
    struct ectx ec = {0};
    const struct http_problem_spec spec = {.code = "not-implemented",
                                           .status = 501,
                                           .title = "This is not offered",
                                           .retry_after_ms = -1};
    (void)ctx;
    IGNORE(ectx_fail(&ec, ERR_INVALID_REQUEST,
                     "%.*s is reserved for telemetry over OTLP, which this version does not take",
                     STR(r->path)));
    http_problem_with(r, &spec, &ec);
}

/* Nothing else may have these paths: collectors and SDKs post to them on any server. */
static const struct http_route RESERVED[] = {
    {"POST", "/v1/traces", get_reserved, "Reserved for OTLP."},
    {"POST", "/v1/metrics", get_reserved, "Reserved for OTLP."},
    {"POST", "/v1/logs", get_reserved, "Reserved for OTLP."},
};

static enum err make(struct api *a)
{
    buf_init(&a->openapi, OPENAPI_MAX);
    api_openapi_write(&a->services, &a->openapi);
    if (buf_failed(&a->openapi)) {
        return ERR_NO_MEMORY;
    }
    (void)snprintf(a->openapi_etag, sizeof(a->openapi_etag), "\"%08x\"",
                   crc32c(0, a->openapi.p, a->openapi.n));
    enum err e = api_routes_make(a);
    e = e == ERR_OK ? http_routes_add(a->services.http, RESERVED, ARRAY_LEN(RESERVED), a) : e;
    e = e == ERR_OK ? idempotency_create(a, &a->idempotency) : e;
    return e;
}

MUST_USE enum err api_create(const struct api_services *services, struct api **out, struct ectx *ec)
{
    struct api *a = mem_new(struct api);
    if (a == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "could not set up the API: out of memory");
    }
    a->services = *services;
    list_init(&a->waiting);
    enum err e = make(a);
    if (e != ERR_OK) {
        api_destroy(a);
        return ectx_fail(ec, e, "could not set up the API: %s", err_text(e));
    }
    idempotency_start(a->idempotency);
    *out = a;
    return ERR_OK;
}

void api_destroy(struct api *a)
{
    if (a == NULL) {
        return;
    }
    idempotency_destroy(a->idempotency);
    buf_deinit(&a->openapi);
    mem_free(a->routes);
    mem_free(a->of);
    mem_free(a);
}

bool api_ready(const struct api *a)
{
    return a != NULL && a->idempotency != NULL && idempotency_is_ready(a->idempotency);
}
