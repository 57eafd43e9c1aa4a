/*
 * PostgreSQL's protocol, version 3, over its socket (--at is the socket's path): what an event
 * store in a table costs. The table has the textbook's columns and a unique (stream, revision),
 * which is its expected version.
 *
 *   one row a message: a prepared INSERT, committed by itself
 *   --config copy=N     COPY of N rows, committed together; with streams=S over S streams in turn
 *   --config select=N   the first N rows of a stream by the index; streams=S as they were written
 *
 * Numbers have a fixed width, so that they can be put into a request before it is sent.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "load/common_proto.h"

#define REVISION_SIZE 20
#define REVISION_MARK "00000000000000000000"
#define STREAM_SIZE   14 /* CCCC-SSSSSSSSS */
#define STREAM_MARK   "CCCC-SSSSSSSSS"

/* Of the one place that this process loads. */
static struct {
    uint64_t rows, streams, select;
    size_t stride;    /* of a row of COPY */
    size_t stream_at; /* in a request: the first stream's name */
} pg;

static void begin(struct buf *b, char type, size_t *at)
{
    buf_put_u8(b, (uint8_t)type);
    *at = b->n;
    buf_put_be32(b, 0);
}

static void end(struct buf *b, size_t at)
{
    if (buf_failed(b)) {
        die("request", "there is no memory");
    }
    put_be32(b->p + at, (uint32_t)(b->n - at));
}

static void put_text(struct buf *b, const char *text)
{
    buf_put(b, text, strlen(text) + 1);
}

static void put_parameter(struct buf *b, const char *text, size_t n)
{
    buf_put_be32(b, (uint32_t)n);
    buf_put(b, text, n);
}

static void query(struct buf *b, const char *text)
{
    size_t at;
    begin(b, 'Q', &at);
    put_text(b, text);
    end(b, at);
}

static void bind_and_run(struct buf *b, const char *const *parameters, size_t count)
{
    size_t at;
    begin(b, 'B', &at);
    put_text(b, "");
    put_text(b, "one");
    buf_put_be16(b, 0);
    buf_put_be16(b, (uint16_t)count);
    for (size_t i = 0; i < count; i++) {
        put_parameter(b, parameters[i], strlen(parameters[i]));
    }
    buf_put_be16(b, 0);
    end(b, at);
    begin(b, 'E', &at);
    put_text(b, "");
    buf_put_be32(b, 0);
    end(b, at);
    begin(b, 'S', &at);
    end(b, at);
}

static char *event_data(size_t bytes)
{
    char *text = take_memory(bytes + 1);
    make_payload(text, bytes, 7);
    for (size_t i = 0; i < bytes; i++) { /* COPY's text form gives a meaning to a backslash */
        text[i] = text[i] == '\\' || text[i] < ' ' ? '.' : text[i];
    }
    text[bytes] = '\0';
    return text;
}

static uint64_t number_of(const char *config, const char *name, uint64_t fallback)
{
    const char *at = strstr(config, name);
    return at == NULL ? fallback : strtoull(at + strlen(name), NULL, 10);
}

static void pg_message(struct frame *out, const struct place *place, size_t bytes)
{
    char text[256];
    char *data = event_data(bytes);
    struct buf *b = &out->bytes;
    *out = (struct frame){0};
    buf_init(b, 64u << 20);
    pg.rows = number_of(place->config, "copy=", 0);
    pg.streams = number_of(place->config, "streams=", 1);
    pg.select = number_of(place->config, "select=", 0);
    pg.stride = STREAM_SIZE + REVISION_SIZE + bytes + strlen("\t\tOrderPlaced\t\n");
    if (pg.rows > 0) {
        size_t at;
        snprintf(text, sizeof(text), "COPY %s (stream, revision, type, data) FROM STDIN",
                 place->name);
        query(b, text);
        begin(b, 'd', &at);
        for (uint64_t i = 0; i < pg.rows; i++) {
            buf_printf(b, STREAM_MARK "\t" REVISION_MARK "\tOrderPlaced\t%s\n", data);
        }
        end(b, at);
        begin(b, 'c', &at);
        end(b, at);
    } else if (pg.select > 0) {
        bind_and_run(b, (const char *[]){STREAM_MARK}, 1);
    } else {
        bind_and_run(b, (const char *[]){STREAM_MARK, REVISION_MARK, "OrderPlaced", data}, 4);
    }
    free(data);
}

static void put_digits(char *at, size_t width, uint64_t v)
{
    while (width-- > 0) {
        at[width] = (char)('0' + v % 10);
        v /= 10;
    }
}

static void pg_sign(struct buf *frame, unsigned id)
{
    char *at = (char *)frame->p;
    const char *limit = at + frame->n;
    pg.stream_at = 0;
    while ((at = memmem(at, (size_t)(limit - at), STREAM_MARK, STREAM_SIZE)) != NULL) {
        pg.stream_at = pg.stream_at == 0 ? (size_t)(at - (char *)frame->p) : pg.stream_at;
        put_digits(at, 4, id);
        memcpy(at + 4, "-000000000", STREAM_SIZE - 4);
        at += STREAM_SIZE;
    }
}

/* Streams come in turn, so that the rows of one lie far apart. */
static void pg_vary(struct buf *frame, uint64_t sequence)
{
    char *stream = (char *)frame->p + pg.stream_at + 4; /* its part from the dash on */
    if (pg.select > 0) {
        put_digits(stream + 1, 9, scattered(sequence, pg.streams));
        return;
    }
    if (pg.rows == 0) {
        put_digits(stream + 1, 9, sequence % pg.streams);
        put_digits(stream + 10 + 4, REVISION_SIZE, sequence / pg.streams);
        return;
    }
    for (uint64_t i = 0; i < pg.rows; i++) {
        const uint64_t n = sequence * pg.rows + i;
        put_digits(stream + i * pg.stride + 1, 9, n % pg.streams);
        put_digits(stream + i * pg.stride + 11, REVISION_SIZE, n / pg.streams);
    }
}

/* Up to ReadyForQuery. */
static size_t pg_answer(const uint8_t *p, size_t n, bool *counts)
{
    uint64_t rows = 0;
    for (size_t at = 0; n - at >= 5;) {
        const size_t size = 1 + (size_t)get_be32(p + at + 1);
        if (size > n - at) {
            return 0;
        }
        if (p[at] == 'E') {
            fwrite(p + at + 5, 1, size - 5, stderr);
            die("postgres", "the statement failed");
        }
        rows += p[at] == 'D';
        at += size;
        if (p[at - size] == 'Z') {
            if (pg.select > 0 && rows != pg.select) {
                die("postgres", "it has not as many rows as were written");
            }
            *counts = true;
            return at;
        }
    }
    return 0;
}

static void await(int fd)
{
    uint8_t answer[16384];
    size_t n = 0;
    bool counts = false;
    const uint64_t select = pg.select;
    pg.select = 0;
    while (pg_answer(answer, n, &counts) == 0) {
        if (n == sizeof(answer) || !read_all(fd, answer + n, 1)) {
            die("postgres", "no answer");
        }
        n++;
    }
    pg.select = select;
}

static void say(int fd, struct buf *b)
{
    if (buf_failed(b) || !write_all(fd, b->p, b->n)) {
        die_errno("postgres");
    }
    buf_deinit(b);
    await(fd);
}

static void hello(int fd)
{
    struct buf b;
    buf_init(&b, 1u << 20);
    buf_put_be32(&b, 0);
    buf_put_be32(&b, 3u << 16);
    put_text(&b, "user");
    put_text(&b, "postgres");
    put_text(&b, "database");
    put_text(&b, "postgres");
    buf_put_u8(&b, 0);
    put_be32(b.p, (uint32_t)b.n);
    say(fd, &b);
}

/* The place is not known here: the table has one name. */
static void pg_greet(int fd, unsigned id)
{
    struct buf b;
    char text[256];
    size_t at;
    (void)id;
    hello(fd);
    buf_init(&b, 1u << 20);
    begin(&b, 'P', &at);
    put_text(&b, "one");
    if (pg.select > 0) {
        snprintf(text, sizeof(text),
                 "SELECT revision, type, data, at FROM bench WHERE stream = $1 ORDER BY revision "
                 "LIMIT %" PRIu64,
                 pg.select);
    } else {
        snprintf(text, sizeof(text),
                 "INSERT INTO bench (stream, revision, type, data) VALUES ($1, $2, $3, $4)");
    }
    put_text(&b, text);
    buf_put_be16(&b, 0);
    end(&b, at);
    begin(&b, 'S', &at);
    end(&b, at);
    say(fd, &b);
}

static void pg_create(int fd, const struct place *place)
{
    struct buf b;
    char text[256];
    hello(fd);
    buf_init(&b, 1u << 20);
    snprintf(text, sizeof(text),
             "DROP TABLE IF EXISTS %s; CREATE TABLE %s (stream text, revision bigint, type text, "
             "data text, at timestamptz DEFAULT now(), PRIMARY KEY (stream, revision))",
             place->name, place->name);
    query(&b, text);
    say(fd, &b);
}

const struct protocol protocol_pg = {"pg",    pg_message, pg_greet, pg_sign,
                                     pg_vary, pg_answer,  pg_create};
