/*
 * Conditional appends to leat's event store: POST
 * /api/v1/streams/CATEGORY-RRRRRRRR-CCCC-SSSSSSSS/events. A request is built once; its numbers have
 * a fixed width, so that they can be put in before each is sent: the connection, its stream, the
 * expected revision (spaces before a number are legal in JSON), and ids.
 */
#include <stdlib.h>
#include <string.h>

#include "load/common_proto.h"

#define RUN_MARK      "RRRRRRRR"
#define CONN_MARK     "CCCC"
#define EXPECTED_MARK "\"expected\":"
#define EXPECTED_SIZE 20
#define ID_MARK       "\"id\":\"b-"
#define ID_SIZE       20

#define STREAM_MARK "SSSSSSSS"

/* Of the one place that this process loads, and where in its requests the numbers are: in the same
 * places of each, so that they are looked for once. */
static struct {
    uint64_t events, streams, writers, read;
    size_t stream_at, expected_at, id_at, id_step;
} es;

static uint64_t number_of(const struct place *place, const char *name, uint64_t fallback)
{
    const char *at = strstr(place->config, name);
    return at == NULL ? fallback : strtoull(at + strlen(name), NULL, 10);
}

/* The streams of a run are new: their first append expects none. */
static unsigned run_number(const struct place *place)
{
    static uint64_t run;
    if (run == 0) {
        run = number_of(place, "run=", (now_ns() / 1000000u % 100000000u) | 1u);
    }
    return (unsigned)(run % 100000000u);
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

static size_t mark_find(const struct buf *frame, size_t from, const char *mark)
{
    const uint8_t *at = memmem(frame->p + from, frame->n - from, mark, strlen(mark));
    if (at == NULL) {
        die("es", "a request without what belongs to it");
    }
    return (size_t)(at - frame->p);
}

static void marks_find(const struct buf *frame)
{
    es.stream_at = mark_find(frame, 0, "/events") - strlen(CONN_MARK "-" STREAM_MARK);
    if (es.read > 0) {
        return;
    }
    es.expected_at = mark_find(frame, es.stream_at, EXPECTED_MARK) + strlen(EXPECTED_MARK);
    es.id_at = mark_find(frame, es.expected_at, ID_MARK) + strlen(ID_MARK);
    if (es.events > 1) {
        es.id_step = mark_find(frame, es.id_at, ID_MARK) + strlen(ID_MARK) - es.id_at;
    }
}

static void es_message(struct frame *out, const struct place *place, size_t bytes)
{
    struct buf body;
    *out = (struct frame){0};
    buf_init(&body, 64u << 20);
    buf_init(&out->bytes, 64u << 20);
    buf_printf(&body, "{" EXPECTED_MARK "%*s,\"events\":[", EXPECTED_SIZE, "\"any\"");
    es.events = number_of(place, "events=", 1);
    es.streams = number_of(place, "streams=", 1);
    es.writers = number_of(place, "writers=", 1);
    es.read = number_of(place, "read=", 0);
    for (uint64_t i = 0; i < es.events; i++) {
        put_event(&body, bytes, i == 0);
    }
    buf_put_z(&body, "]}");
    const char *path = "/api/v1/streams";
    const unsigned run = run_number(place);
    if (es.read > 0) {
        buf_printf(&out->bytes,
                   "GET %s/%s-%08u-" CONN_MARK "-" STREAM_MARK "/events?limit=%llu HTTP/1.1\r\n"
                   "Host: localhost\r\n\r\n",
                   path, place->name, run, (unsigned long long)es.read);
    } else {
        buf_printf(&out->bytes,
                   "POST %s/%s-%08u-" CONN_MARK "-" STREAM_MARK "/events HTTP/1.1\r\n"
                   "Host: localhost\r\nContent-Type: application/json\r\n"
                   "Content-Length: %zu\r\n\r\n",
                   path, place->name, run, body.n);
        buf_put_str(&out->bytes, buf_str(&body));
    }
    if (buf_failed(&body) || buf_failed(&out->bytes)) {
        die("request", "there is no memory");
    }
    buf_deinit(&body);
    marks_find(&out->bytes);
}

static void put_digits(char *at, size_t width, uint64_t v)
{
    while (width-- > 0) {
        at[width] = (char)('0' + v % 10);
        v /= 10;
    }
}

static void es_sign(struct buf *frame, unsigned id)
{
    put_digits((char *)frame->p + es.stream_at, strlen(CONN_MARK), id);
}

static void put_expected(char *at, uint64_t before)
{
    static const char none[] = "\"no_stream\"";
    memset(at, ' ', EXPECTED_SIZE);
    if (before == 0) {
        memcpy(at + EXPECTED_SIZE - strlen(none), none, strlen(none));
        return;
    }
    size_t i = EXPECTED_SIZE;
    for (uint64_t v = before * es.events - 1; i == EXPECTED_SIZE || v > 0; v /= 10) {
        at[--i] = (char)('0' + v % 10);
    }
}

static void es_vary(struct buf *frame, uint64_t sequence)
{
    char *text = (char *)frame->p;
    char *stream = text + es.stream_at + strlen(CONN_MARK "-");
    if (es.read > 0) {
        const uint64_t n = scattered(sequence, es.streams * es.writers);
        put_digits(text + es.stream_at, strlen(CONN_MARK), n % es.writers);
        put_digits(stream, strlen(STREAM_MARK), n / es.writers);
        return;
    }
    put_digits(stream, strlen(STREAM_MARK), sequence % es.streams);
    put_expected(text + es.expected_at, sequence / es.streams); /* messages of this stream before */
    for (uint64_t i = 0; i < es.events; i++) {
        put_digits(text + es.id_at + i * es.id_step, ID_SIZE, sequence * es.events + i);
    }
}

/* Are the events there that were asked for? Looked at once: it costs as much as a read. */
static void check_read(const uint8_t *p, size_t n)
{
    static bool checked;
    const char *at = (const char *)p;
    const char *end = at + n;
    uint64_t found = 0;
    while (!checked && (at = memmem(at, (size_t)(end - at), "\"revision\":", 11)) != NULL) {
        at++;
        found++;
    }
    if (!checked && found != es.read) {
        die("leat", "it has not as many events as were written");
    }
    checked = true;
}

/* The size of the head in p[0..n), 0 if it is not whole, and the length of the body. Line by line:
 * there are few, and it costs a part of two searches. */
static size_t head_read(const char *p, size_t n, size_t *body)
{
    static const char length[] = "Content-Length: ";
    size_t at = 0;
    *body = 0;
    for (const char *end; (end = memchr(p + at, '\n', n - at)) != NULL;) {
        const size_t size = (size_t)(end - p) + 1 - at;
        if (size == 2 && p[at] == '\r') {
            return at + size;
        }
        if (size > strlen(length) && memcmp(p + at, length, strlen(length)) == 0) {
            *body = strtoull(p + at + strlen(length), NULL, 10);
        }
        at += size;
    }
    return 0;
}

static size_t es_answer(const uint8_t *p, size_t n, bool *counts)
{
    size_t body;
    const size_t head = n > 0 ? head_read((const char *)p, n, &body) : 0;
    if (head == 0 || head + body > n) {
        return 0;
    }
    if (head < 12 || memcmp(p + 9, es.read > 0 ? "200" : "201", 3) != 0) {
        fwrite(p, 1, head + body, stderr);
        die("leat", "the request was refused");
    }
    if (es.read > 0) {
        check_read(p + head, body);
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
    es_vary(&f.bytes, 0);
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
