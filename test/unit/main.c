/*
 * Runs the tests that TEST() left in the section "leat_tests". The last line is `N passed, N
 * failed, N skipped`; the exit status is not zero if one failed, or if the filter matched none.
 *
 * cmocka counts failures only, so skips are counted here, by test_skip().
 */
#include "test.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern const struct CMUnitTest *const __start_leat_tests[];
extern const struct CMUnitTest *const __stop_leat_tests[];

static size_t skipped;
static const char *running = "?";
static char temp_dir[4096];
static unsigned temp_count;

void test_skip(const char *reason, const char *file, int line)
{
    skipped++;
    printf("SKIP %s: %s\n", running, reason);
    _skip(file, line);
}

const char *test_dir(void)
{
    static char path[4200];
    if (temp_dir[0] == '\0') {
        const char *base = getenv("TMPDIR");
        snprintf(temp_dir, sizeof(temp_dir), "%s/leat-unit-XXXXXX", base ? base : "/tmp");
        if (mkdtemp(temp_dir) == NULL) {
            perror(temp_dir);
            exit(2);
        }
    }
    snprintf(path, sizeof(path), "%s/%u-XXXXXX", temp_dir, temp_count++);
    if (mkdtemp(path) == NULL) {
        perror(path);
        exit(2);
    }
    return path;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

/* Before each test: remember its name, for the line that a skip prints. */
static int note_name(void **state)
{
    running = *state;
    return 0;
}

int main(int argc, char **argv)
{
    size_t all = (size_t)(__stop_leat_tests - __start_leat_tests);
    struct CMUnitTest *tests = calloc(all + 1, sizeof(*tests));
    if (tests == NULL) {
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    size_t n = 0;
    for (size_t i = 0; i < all; i++) {
        const struct CMUnitTest *t = __start_leat_tests[i];
        if (argc < 2 || strstr(t->name, argv[1]) != NULL) {
            tests[n] = *t;
            tests[n].setup_func = note_name;
            memcpy(&tests[n].initial_state, &t->name, sizeof(t->name));
            n++;
        }
    }
    if (n == 0) {
        fprintf(stderr, "no test has '%s' in its name\n", argc < 2 ? "" : argv[1]);
        free(tests);
        return 2;
    }
    int failed = _cmocka_run_group_tests("unit", tests, n, NULL, NULL);
    free(tests);
    if (failed == 0 && temp_dir[0] != '\0') {
        nftw(temp_dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    }
    size_t bad = failed < 0 ? n : (size_t)failed;
    printf("%zu passed, %zu failed, %zu skipped\n", n - bad - skipped, bad, skipped);
    return bad == 0 ? 0 : 1;
}
