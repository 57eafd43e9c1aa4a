/* docs/events.md shows the table of the fields; a name that changes in the code changes there. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "envelope/envelope_int.h"
#include "test.h"

#define PAGE     "docs/events.md"
#define PAGE_MAX (64u * 1024)

static void put_names(struct buf *b, const char *const *names, const char *prefix)
{
    for (size_t i = 0; names[i] != NULL; i++) {
        buf_printf(b, "%s`%s%s`", i == 0 ? "" : ", ", prefix, names[i]);
    }
    buf_put_z(b, names[0] == NULL ? "- |" : " |");
}

static void put_row(struct buf *b, const struct field_row *row)
{
    buf_put_z(b, "| ");
    put_names(b, row->members, "");
    buf_put_z(b, " ");
    put_names(b, row->attributes, "");
    buf_put_z(b, " ");
    put_names(b, row->team, "");
    buf_put_z(b, " ");
    put_names(b, row->headers, "");
    buf_printf(b, " %u | %s |\n", row->max, row->derived);
}

TEST(the_page_on_events_shows_the_table_of_the_code)
{
    struct buf table, page;
    buf_init(&table, PAGE_MAX);
    buf_init(&page, PAGE_MAX);
    for (enum field f = 0; f < FIELD_COUNT; f++) {
        put_row(&table, &envelope_fields[f]);
    }
    buf_put_u8(&table, 0);
    FILE *f = fopen(PAGE, "r");
    if (f == NULL) {
        fail_msg("%s is not there: run this from the root of the tree", PAGE);
    }
    uint8_t *space = buf_extend(&page, PAGE_MAX - 1);
    assert_non_null(space);
    size_t n = fread(space, 1, PAGE_MAX - 2, f);
    space[n] = '\0';
    (void)fclose(f);
    if (strstr((const char *)page.p, (const char *)table.p) == NULL) {
        (void)fprintf(stderr, "%s", (const char *)table.p);
        fail_msg("the table of %s must be this one", PAGE);
    }
    buf_deinit(&table);
    buf_deinit(&page);
}
