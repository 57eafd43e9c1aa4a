/*
 * Conditional appends to leat's event store: POST /api/v1/streams/CATEGORY-RRRRRRRR-CCCC/events. A
 * request is built once; its numbers have a fixed width, so that they can be put in before each is
 * sent: the connection, the expected revision (spaces before a number are legal in JSON), and ids.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "load/common_proto.h"

#define RUN_MARK      "RRRRRRRR"
#define CONN_MARK     "CCCC"
#define EXPECTED_MARK "\"expected\":"
#define EXPECTED_SIZE 20
#define ID_MARK       "\"id\":\"b-"
#define ID_SIZE       20

/* The stream of a run is new: its first append expects none. */
static unsigned run_number(void)
{
    static unsigned run;
    if (run == 0) {
        run = (unsigned)(now_ns() / 1000000u % 100000000u) | 1u;
    }
    return run;
}

static uint64_t events_of(const struct place *place)
{
    const char *at = strstr(place->config, "events=");
    return at == NULL ? 1 : strtoull(at + strlen("events="), NULL, 10);
}

static void put_event(struct buf *b, size_t bytes, bool first)
{
    char *text = malloc(bytes + 1);
    if (text == NULL) {
        die("request", "there is no memory");
    }
    make_payload(text, bytes, 7);
    text[bytes] = '\0';
    buf_printf(b, "%s{" ID_MARK "%0*d\",\"type\":\"OrderPlaced\",\"data\":{\"text\":\"",
               first ? "" : ",", ID_SIZE, 0);
    for (size_t i = 0; i < bytes; i++) { /* JSON text, whatever the payload is */
        buf_put_u8(b, text[i] == '"' || text[i] == '\\' || text[i] < ' ' ? '.' : (uint8_t)text[i]);
    }
    buf_put_z(b, "\"}}");
    free(text);
}

static void es_message(struct frame *out, const struct place *place, size_t bytes)
{
    struct buf body;
    *out = (struct frame){0};
    buf_init(&body, 64u << 20);
    buf_init(&out->bytes, 64u << 20);
    buf_printf(&body, "{" EXPECTED_MARK "%*s,\"events\":[", EXPECTED_SIZE, "\"any\"");
    const uint64_t events = events_of(place);
    for (uint64_t i = 0; i < events; i++) {
        put_event(&body, bytes, i == 0);
    }
    buf_put_z(&body, "]}");
    buf_printf(&out->bytes,
               "POST /api/v1/streams/%s-%08u-" CONN_MARK "/events HTTP/1.1\r\nHost: localhost\r\n"
               "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
               place->name, run_number(), body.n);
    buf_put_str(&out->bytes, buf_str(&body));
    if (buf_failed(&body) || buf_failed(&out->bytes)) {
        die("request", "there is no memory");
    }
    buf_deinit(&body);
}

static void es_sign(struct buf *frame, unsigned id)
{
    char digits[8];
    char *at = memmem(frame->p, frame->n, "-" CONN_MARK "/", strlen(CONN_MARK) + 2);
    if (at == NULL) {
        die("es", "a request without a stream");
    }
    snprintf(digits, sizeof(digits), "%04u", id % 10000);
    memcpy(at + 1, digits, 4);
}

static void es_vary(struct buf *frame, uint64_t sequence)
{
    char text[EXPECTED_SIZE + 1];
    char *at = memmem(frame->p, frame->n, EXPECTED_MARK, strlen(EXPECTED_MARK));
    uint64_t events = 0;
    char *rest = at;
    const char *end = (const char *)frame->p + frame->n;
    while ((rest = memmem(rest, (size_t)(end - rest), ID_MARK, strlen(ID_MARK))) != NULL) {
        events++;
        rest += strlen(ID_MARK);
    }
    rest = at;
    for (uint64_t i = 0; i < events; i++) {
        rest = memmem(rest, (size_t)(end - rest), ID_MARK, strlen(ID_MARK));
        rest += strlen(ID_MARK);
        char id[ID_SIZE + 1];
        snprintf(id, sizeof(id), "%0*" PRIu64, ID_SIZE, sequence * events + i);
        memcpy(rest, id, ID_SIZE);
    }
    if (sequence == 0) {
        snprintf(text, sizeof(text), "%*s", EXPECTED_SIZE, "\"no_stream\"");
    } else {
        snprintf(text, sizeof(text), "%*" PRIu64, EXPECTED_SIZE, sequence * events - 1);
    }
    memcpy(at + strlen(EXPECTED_MARK), text, EXPECTED_SIZE);
}

static size_t es_answer(const uint8_t *p, size_t n, bool *counts)
{
    const char *end = n > 0 ? memmem(p, n, "\r\n\r\n", 4) : NULL;
    if (end == NULL) {
        return 0;
    }
    const size_t head = (size_t)(end + 4 - (const char *)p);
    const char *length = memmem(p, head, "Content-Length: ", 16);
    const size_t body = length == NULL ? 0 : strtoull(length + 16, NULL, 10);
    if (head + body > n) {
        return 0;
    }
    if (n < 12 || memcmp(p + 9, "201", 3) != 0) {
        fwrite(p, 1, head + body, stderr);
        die("leat", "the event was not appended");
    }
    *counts = true;
    return head + body;
}

/* The category comes into being with its first event: here, so that no load has to wait for it. */
static void es_create(int fd, const struct place *place)
{
    struct frame f;
    uint8_t answer[8192];
    size_t n = 0;
    bool counts = false;
    const struct place one = {place->name, 1, ""};
    es_message(&f, &one, 16);
    es_sign(&f.bytes, 9999);
    if (!write_all(fd, f.bytes.p, f.bytes.n)) {
        die_errno("leat");
    }
    while (es_answer(answer, n, &counts) == 0) {
        if (n == sizeof(answer) || !read_all(fd, answer + n, 1)) {
            die("leat", "no answer");
        }
        n++;
    }
    frame_deinit(&f);
}

const struct protocol protocol_es = {"es",    es_message, NULL,     es_sign,
                                     es_vary, es_answer,  es_create};
