/* `leat verify DIR`: checks a data directory that no server has open, and says what it found.
 * Changes nothing. */
#include <stdio.h>
#include <string.h>

#include "server/server.h"
#include "store/store.h"

static void on_found(void *ctx, bool is_problem, const char *text)
{
    (void)ctx;
    printf("%s: %s\n", is_problem ? "DAMAGE" : "note", text);
}

static void print_report(const char *dir, const struct store_verify_report *r, bool json)
{
    if (json) {
        printf("{\"files\":%llu,\"bytes\":%llu,\"batches\":%llu,\"partitions\":%llu,"
               "\"problems\":%u,\"notes\":%u}\n",
               (unsigned long long)r->files, (unsigned long long)r->bytes,
               (unsigned long long)r->batches, (unsigned long long)r->parts, r->problems, r->notes);
        return;
    }
    printf("%s: %llu files, %llu bytes, %llu batches in %llu partitions read: ", dir,
           (unsigned long long)r->files, (unsigned long long)r->bytes,
           (unsigned long long)r->batches, (unsigned long long)r->parts);
    if (r->problems == 0) {
        printf("all is well (%u notes)\n", r->notes);
    } else {
        printf("%u problems, %u notes\n", r->problems, r->notes);
    }
}

int server_verify(int argc, char **argv)
{
    const char *dir = NULL;
    bool json = false;
    for (int i = 0; i < argc; i++) {
        bool wants_json =
            strcmp(argv[i], "-o") == 0 && i + 1 < argc && strcmp(argv[i + 1], "json") == 0;
        if (wants_json) {
            json = true;
            i++;
        } else if (argv[i][0] == '-' || dir != NULL) {
            fprintf(stderr, "usage: leat verify [-o json] DIR\n");
            return strcmp(argv[i], "--help") == 0 ? EXIT_OK : EXIT_USAGE;
        } else {
            dir = argv[i];
        }
    }
    if (dir == NULL) {
        fprintf(stderr, "usage: leat verify [-o json] DIR\n");
        return EXIT_USAGE;
    }
    struct ectx ec = {0};
    struct env *env = NULL;
    struct store_verify_report report = {0};
    enum err e = env_linux_create(&env, &ec);
    if (e == ERR_OK) {
        e = store_verify(env, dir, on_found, NULL, &report, &ec);
    }
    env_destroy(env);
    if (e == ERR_DAMAGED) { /* so much that nothing else could be read */
        on_found(NULL, true, ec.text);
        report.problems = 1;
        print_report(dir, &report, json);
        return EXIT_DAMAGE;
    }
    if (e != ERR_OK) {
        fprintf(stderr, "leat: %s\n", ec.text);
        if (ec.hint[0] != '\0') {
            fprintf(stderr, "leat: hint: %s\n", ec.hint);
        }
        return EXIT_FAILED;
    }
    print_report(dir, &report, json);
    return report.problems > 0 ? EXIT_DAMAGE : EXIT_OK;
}
