/*
 * Any body as an answer of the server to libleat. Input: the status (two bytes, 100 to 599), then
 * the body.
 *
 * Beyond "no crash, no leak": a page that is accepted has texts that end, data that lies within the
 * answer, and as many events as it says; an append that is accepted has revisions in order; what is
 * refused has a code.
 */
#include <string.h>

#include "../../../lib/lib.h"
#include "fuzz/common.h"

#define BODY_MAX (1u << 16)

static const uint8_t *body;
static size_t body_size;
static long status;

/* In the place of call.c: the answer is the input. The fuzz target is linked without call.c. */
void lib_call_init(struct lib_call *c, struct leat *l, const char *method)
{
    *c = (struct lib_call){.method = method};
    lib_text_init(&c->path, l);
    lib_text_init(&c->body, l);
}

void lib_call_deinit(struct lib_call *c)
{
    lib_text_deinit(&c->path);
    lib_text_deinit(&c->body);
}

int lib_call(struct leat *l, const struct lib_call *c, struct lib_text *reply, struct lib_json *out,
             struct leat_problem *problem)
{
    (void)c;
    reply->leat = l;
    lib_text_put(reply, body, body_size);
    return lib_answer(status, reply, out, problem);
}

static void check_page(const struct leat_page *page)
{
    size_t bytes = 0;
    for (size_t i = 0; i < page->count; i++) {
        const struct leat_event *e = &page->events[i];
        CHECK(e->revision >= 0 && e->stream != NULL && e->id != NULL && e->type != NULL);
        const char *const texts[] = {e->stream,         e->id,           e->type, e->time,
                                     e->position,       e->content_type, e->meta, e->causation_id,
                                     e->correlation_id, e->traceparent};
        for (size_t k = 0; k < sizeof(texts) / sizeof(texts[0]); k++) {
            bytes += texts[k] == NULL ? 0 : strlen(texts[k]);
        }
        for (size_t k = 0; k < e->data_size; k++) {
            bytes += ((const uint8_t *)e->data)[k] != 0;
        }
    }
    bytes += page->snapshot == NULL ? 0 : strlen(page->snapshot);
    CHECK(bytes <= body_size);
    CHECK((page->snapshot == NULL) == (page->snapshot_revision < 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct leat *l;
    struct leat_page *page;
    struct leat_problem problem = {.code = ""};
    struct leat_appended told;
    const struct leat_new_event e = {.type = "T", .data = "1", .data_size = 1};
    if (size < 2 || size > BODY_MAX || leat_open(NULL, &l, NULL) != 0) {
        return 0;
    }
    status = 100 + (data[0] << 8 | data[1]) % 500;
    body = data + 2;
    body_size = size - 2;
    if (leat_read_stream(l, "s-1", NULL, &page, &problem) == 0) {
        check_page(page);
        leat_page_free(l, page);
    } else {
        CHECK(problem.code[0] != '\0');
    }
    problem.code[0] = '\0';
    if (leat_append(l, "s-1", LEAT_EXPECT_ANY, &e, 1, &told, &problem) == 0) {
        CHECK(told.first_revision >= 0 && told.last_revision >= told.first_revision);
        CHECK(strlen(told.position) < sizeof(told.position));
    } else {
        CHECK(problem.code[0] != '\0' && (status < 400 || problem.status == status));
    }
    leat_close(l);
    return 0;
}
