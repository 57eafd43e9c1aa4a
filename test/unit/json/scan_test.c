/*
 * What we rely on in the library beyond its documentation: its first stage reads the bytes of the
 * text and no others, whatever its length, and all of its implementations (one for each family of
 * instructions) answer alike.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "test.h"
#include "json/json.h"
#include "json/json_int.h"

#define LENGTH_MAX 400u

TEST(scan_reads_no_byte_beside_the_text)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *pages = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(pages != MAP_FAILED);
    assert_int_equal(mprotect(pages, page, PROT_NONE), 0);
    assert_int_equal(mprotect(pages + 2 * page, page, PROT_NONE), 0);
    uint32_t index[JSON_SCAN_ENTRIES(LENGTH_MAX)];
    for (size_t n = 2; n <= LENGTH_MAX; n++) {
        char *places[] = {pages + page,
                          pages + 2 * page - n}; /* at the edges of what is readable */
        for (size_t i = 0; i < ARRAY_LEN(places); i++) {
            char *p = places[i];
            for (unsigned kind = 0; kind < 4; kind++) {
                uint32_t count = 0;
                memset(p, kind == 0 ? ' ' : kind == 1 ? 'x' : '[', n);
                p[0] = '"';
                p[n - 1] = kind == 3 ? '\\' : '"';
                enum json_scan scan = json_scan(p, n, index, &count);
                assert_int_equal(scan, kind == 3 ? JSON_SCAN_BAD : JSON_SCAN_OK);
                assert_int_equal(kind == 3 ? 1 : count, 1);
            }
            /* as many tokens as there can be */
            uint32_t count = 0;
            memset(p, ',', n);
            assert_int_equal(json_scan(p, n, index, &count), JSON_SCAN_OK);
            assert_int_equal(count, n);
            /* a character cut off by the end */
            memset(p, 'x', n);
            p[0] = '"';
            p[n - 1] = '\xE2';
            assert_int_equal(json_scan(p, n, index, &count), JSON_SCAN_BAD);
        }
    }
    assert_int_equal(munmap(pages, 3 * page), 0);
}

static void run_with(const char *name, bool supported)
{
    char program[512], command[768];
    ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);
    assert_true(n > 0);
    program[n] = '\0';
    if (!supported) {
        return;
    }
    (void)snprintf(command, sizeof(command),
                   "SIMDJSON_FORCE_IMPLEMENTATION=%s '%s' >/dev/null 2>&1", name, program);
    if (system(command) != 0) {
        fail_msg("tests fail with simdjson's implementation '%s': %s", name, command);
    }
}

TEST(every_implementation_of_the_library_answers_alike)
{
    if (getenv("SIMDJSON_FORCE_IMPLEMENTATION") != NULL) {
        return; /* this is such a run */
    }
    run_with("fallback", true);
#ifdef __x86_64__
    __builtin_cpu_init();
    run_with("westmere", __builtin_cpu_supports("sse4.2") != 0);
    run_with("haswell", __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi"));
    run_with("icelake",
             __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("avx512bw"));
#endif
}
