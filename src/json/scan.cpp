/*
 * The one place that knows simdjson, and the only C++: its first stage, which finds the tokens of a
 * text and checks UTF-8, strings' ends and control characters, with the best instructions that the
 * machine has (docs/adr/0004-json.md). What it needs of memory is the caller's, so that it is
 * bounded and tests can refuse it.
 */
#include "json/json_int.h"

#include <memory>

#include <simdjson.h>

namespace
{

using parser = simdjson::internal::dom_parser_implementation;

/* The capacity is protected, and set_capacity allocates. */
struct opened : parser {
    static void set_capacity_of(parser &p, size_t n)
    {
        p.*(&opened::_capacity) = n;
    }
};

} // namespace

extern "C" enum json_scan json_scan(const char *p, size_t n, uint32_t *index, uint32_t *count)
{
    /* One for a thread: making it takes as long as a text of a kilobyte. It holds no text. */
    static thread_local std::unique_ptr<parser> one;
    if (!one && simdjson::get_active_implementation()->create_dom_parser_implementation(
                    0, 1, one) != simdjson::SUCCESS) {
        return JSON_SCAN_NO_MEMORY;
    }
    opened::set_capacity_of(*one, n);
    one->structural_indexes.reset(index);
    simdjson::error_code e =
        one->stage1(reinterpret_cast<const uint8_t *>(p), n, simdjson::stage1_mode::regular);
    (void)one->structural_indexes.release(); /* the caller's */
    if (e != simdjson::SUCCESS) {
        return JSON_SCAN_BAD;
    }
    *count = one->n_structural_indexes;
    return JSON_SCAN_OK;
}
