/* Libraries that are loaded when they are first needed. */
#include <string.h>

#include "env/library.h"
#include "test.h"

struct table {
    double (*cos)(double x);
    double (*no_such_function_at_all)(double x);
};

static const struct library_function FUNCTIONS[] = {
    LIBRARY_FUNCTION(struct table, cos),
    LIBRARY_FUNCTION(struct table, no_such_function_at_all),
};

static struct library named(const char *file, size_t count)
{
    return (struct library){file, "curves need", "libcurve6", "libcurve 2", FUNCTIONS, count};
}

TEST(library_fills_its_table)
{
    struct library l = named("libm.so.6", 1);
    struct table t = {0};
    assert_int_equal(library_load(&l, &t, NULL), ERR_OK);
    assert_true(t.cos(0) > 0.99 && t.cos(0) < 1.01);
    assert_null(t.no_such_function_at_all);
}

TEST(library_that_is_not_there_names_its_package)
{
    struct library l = named("libcurve.so.999", 1);
    struct table t = {0};
    struct ectx ec = {0};
    assert_int_equal(library_load(&l, &t, &ec), ERR_NOT_FOUND);
    assert_non_null(strstr(ec.text, "libcurve.so.999"));
    assert_string_equal(ec.hint, "curves need it: install the package libcurve6");
}

TEST(library_that_is_too_old_says_what_it_lacks)
{
    struct library l = named("libm.so.6", 2);
    struct table t = {0};
    struct ectx ec = {0};
    assert_int_equal(library_load(&l, &t, &ec), ERR_VERSION);
    assert_string_equal(ec.text, "libm.so.6 is too old: it has no no_such_function_at_all");
    assert_string_equal(ec.hint, "libcurve 2 or newer is needed (package libcurve6)");
}
