/* Aligned tables. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/out.h"
#include "core/utf8.h"

#define CELL_MAX 4096

void table_init(struct table *t, struct cli *cli, const char *const *titles, size_t columns)
{
    *t = (struct table){.cli = cli, .titles = titles, .columns = columns};
}

void table_str(struct table *t, enum colour c, struct str s)
{
    if (t->count == t->cap) {
        size_t cap = t->cap == 0 ? 256 : t->cap * 2;
        struct table_cell *cells = arena_new_n(&t->cli->arena, struct table_cell, cap);
        if (cells == NULL) {
            t->failed = true;
            return;
        }
        if (t->count > 0) {
            memcpy(cells, t->cells, t->count * sizeof(*cells));
        }
        t->cells = cells;
        t->cap = cap;
    }
    struct buf b;
    buf_init(&b, CELL_MAX);
    utf8_escape(&b, s);
    struct str text = arena_str(&t->cli->arena, str_make(b.n == 0 ? (const void *)"" : b.p, b.n));
    t->failed = t->failed || buf_failed(&b) || text.p == NULL;
    buf_deinit(&b);
    t->cells[t->count++] = (struct table_cell){text, c};
}

void table_cell(struct table *t, enum colour c, const char *fmt, ...)
{
    char text[CELL_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    table_str(t, c, str_of(text));
}

/* Columns of a terminal, near enough: characters, not bytes. */
static size_t width_of(struct str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        n += ((unsigned char)s.p[i] & 0xC0) != 0x80;
    }
    return n;
}

static void put_padded(struct buf *out, const struct table *t, size_t column, size_t width,
                       struct str s, enum colour c)
{
    bool right = t->titles[column][0] == '>';
    size_t pad = width - width_of(s);
    bool last = column + 1 == t->columns;
    if (right) {
        buf_printf(out, "%*s", (int)pad, "");
    }
    buf_put_z(out, colour_on(t->cli, c));
    buf_put_str(out, s);
    buf_put_z(out, colour_off(t->cli, c));
    if (!right && !last) {
        buf_printf(out, "%*s", (int)pad, "");
    }
    if (last) {
        while (out->n > 0 && out->p[out->n - 1] == ' ') {
            out->n--;
        }
    }
    buf_put_z(out, last ? "\n" : "  ");
}

MUST_USE enum err table_print(struct table *t, struct ectx *ec)
{
    size_t width[TABLE_COLUMNS_MAX] = {0};
    for (size_t c = 0; c < t->columns; c++) {
        width[c] = strlen(t->titles[c]) - (t->titles[c][0] == '>' ? 1 : 0);
    }
    for (size_t i = 0; i < t->count; i++) {
        size_t w = width_of(t->cells[i].text);
        size_t c = i % t->columns;
        width[c] = w > width[c] ? w : width[c];
    }
    struct buf out;
    buf_init(&out, CLI_OUTPUT_MAX);
    for (size_t c = 0; c < t->columns; c++) {
        put_padded(&out, t, c, width[c], str_of(t->titles[c] + (t->titles[c][0] == '>' ? 1 : 0)),
                   COLOUR_BOLD);
    }
    for (size_t i = 0; i < t->count; i++) {
        size_t c = i % t->columns;
        put_padded(&out, t, c, width[c], t->cells[i].text, t->cells[i].colour);
    }
    enum err e = t->failed || buf_failed(&out)
                     ? ectx_fail(ec, ERR_NO_MEMORY, "the table does not fit into memory")
                     : out_write(buf_str(&out), ec);
    buf_deinit(&out);
    return e;
}
