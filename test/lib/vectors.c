/*
 * vectors HTTP fill|judge: which append is a repetition and which a conflict. "fill" makes the
 * streams; "judge" tries the table, as often as one wants, before and after restarts.
 */
#include "common.h"

struct vector {
    const char *stream;
    int64_t expected;
    const char *ids, *answer;
};

#define NONE LEAT_EXPECT_NO_STREAM
#define ANY  LEAT_EXPECT_ANY

static const struct vector filled[] = {
    {"v-six", NONE, "e0", "ok 0-0"}, {"v-six", 0, "e1", "ok 1-1"},
    {"v-six", 1, "e2", "ok 2-2"},    {"v-six", 2, "e3", "ok 3-3"},
    {"v-six", 3, "e4", "ok 4-4"},    {"v-six", 4, "e5", "ok 5-5"},
    {"v-one", NONE, "e0", "ok 0-0"}, {"v-pair", NONE, "e0 e1", "ok 0-1"},
};

static const struct vector judged[] = {
    {"v-six", NONE, "e0", "same 0-0"},       {"v-six", ANY, "e0", "same 0-0"},
    {"v-six", 2, "e3", "same 3-3"},          {"v-six", 0, "e1 e2", "same 1-2"},
    {"v-six", 5, "e0", "event-id-reused"},   {"v-six", 6, "e0", "revision-conflict"},
    {"v-six", 4, "e0", "revision-conflict"}, {"v-six", 4, "new", "revision-conflict"},
    {"v-one", 0, "e0", "event-id-reused"},   {"v-one", NONE, "e0", "same 0-0"},
    {"v-pair", NONE, "e0", "same 0-0"},      {"v-pair", ANY, "e0", "same 0-0"},
    {"v-pair", 0, "e1", "same 1-1"},         {"v-pair", ANY, "e1", "same 1-1"},
    {"v-pair", NONE, "e0 e1", "same 0-1"},   {"v-pair", NONE, "e0 e1 e2", "partial-duplicate"},
};

int main(int argc, char **argv)
{
    if (argc != 3) {
        return 2;
    }
    const bool fill = strcmp(argv[2], "fill") == 0;
    const struct vector *table = fill ? filled : judged;
    const size_t count =
        fill ? sizeof(filled) / sizeof(filled[0]) : sizeof(judged) / sizeof(judged[0]);
    struct leat *l = client_open(argv[1], NULL);
    for (size_t i = 0; i < count; i++) {
        const struct vector *v = &table[i];
        const char *said = append(l, v->stream, v->expected, v->ids);
        show(strcmp(said, v->answer) == 0, "%s: %s at %lld: %s", v->stream, v->ids,
             (long long)v->expected, said);
    }
    leat_close(l);
    return finish();
}
