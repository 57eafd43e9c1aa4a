/*
 * Records that the processor runtime reads back from its own topics: a key's value, the positions,
 * a parked event. The first byte chooses. Nothing is believed; what can be read is the same after
 * it was written and read again; keys are the same after a way through the changelog.
 */
#include <string.h>

#include "core/mem.h"
#include "fuzz/common.h"
#include "proc/proc_int.h"

static void value(struct str in, struct arena *a)
{
    struct proc_value v, again;
    uint64_t generation, generation_again;
    struct ectx ec;
    enum err e = proc_value_decode(in, a, &v, &generation, &ec);
    if (e != ERR_OK) {
        CHECK(e == ERR_DAMAGED || e == ERR_VERSION);
        return;
    }
    CHECK(v.timer_count <= PROC_TIMERS_MAX);
    struct buf out;
    buf_init(&out, 1 << 20);
    proc_value_encode(&v, generation, &out);
    CHECK(!buf_failed(&out));
    CHECK(proc_value_decode(buf_str(&out), a, &again, &generation_again, &ec) == ERR_OK);
    CHECK(generation == generation_again && v.fate == again.fate && v.resuming == again.resuming);
    CHECK(str_eq(v.state, again.state) && str_is_null(v.state) == str_is_null(again.state));
    CHECK(v.timer_count == again.timer_count && v.parked_count == again.parked_count);
    CHECK(v.parked_from == again.parked_from && str_eq(v.error, again.error));
    for (size_t i = 0; i < v.timer_count; i++) {
        CHECK(v.timers[i].due_ms == again.timers[i].due_ms);
        CHECK(str_eq(v.timers[i].name, again.timers[i].name));
    }
    CHECK(proc_value_due(&v) == proc_value_due(&again));
    CHECK(proc_value_size(&v) == proc_value_size(&again));
    buf_deinit(&out);
}

static void position(struct str in)
{
    struct proc_position p, again;
    struct ectx ec;
    enum err e = proc_position_decode(in, &p, &ec);
    if (e != ERR_OK) {
        CHECK(e == ERR_DAMAGED || e == ERR_VERSION);
        return;
    }
    struct buf out;
    buf_init(&out, 1 << 20);
    proc_position_encode(&p, &out);
    CHECK(proc_position_decode(buf_str(&out), &again, &ec) == ERR_OK);
    CHECK(p.count == again.count && p.paused == again.paused && p.generation == again.generation);
    for (size_t i = 0; i < p.count; i++) {
        CHECK(str_eq(p.topics[i], again.topics[i]) && p.next[i] == again.next[i]);
    }
    buf_deinit(&out);
}

static void parked(struct str in)
{
    struct record r = {.offset = 7, .key = STR_LIT("k"), .value = STR_LIT("v")};
    if (in.n < 1) {
        return;
    }
    r.header_count = (uint8_t)in.p[0];
    r.headers = slice_of(in.p + 1, in.n - 1);
    struct proc_event ev;
    struct ectx ec;
    enum err e = proc_unpark(&r, &ev, &ec);
    CHECK(e == ERR_OK || e == ERR_DAMAGED);
    if (e == ERR_OK) {
        CHECK(ev.again && ev.parked_offset == 7);
        CHECK(ev.header_count == r.header_count - (int32_t)PROC_PARKED_HEADERS);
        struct slice s = ev.headers;
        struct record_header h;
        for (int32_t i = 0; i < ev.header_count; i++) {
            CHECK(record_header_next(&s, &h));
        }
        CHECK(slice_left(&s) == 0);
    }
}

static void key(struct str in, struct arena *a)
{
    const struct str stored = proc_log_key(in, a);
    CHECK(!str_is_null(stored) && !str_eq(stored, STR_LIT(PROC_POSITION_KEY)) &&
          !str_eq(stored, STR_LIT(PROC_BARRIER_KEY)));
    CHECK(str_eq(proc_state_key(stored), in));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    uint8_t *p = mem_alloc(size); /* of its exact size: a read beyond it is found */
    CHECK(p != NULL);
    memcpy(p, data + 1, size - 1);
    const struct str in = str_make(p, size - 1);
    struct arena a;
    arena_init(&a, 4 << 20);
    switch (data[0] & 3) {
    case 0:
        value(in, &a);
        break;
    case 1:
        position(in);
        break;
    case 2:
        parked(in);
        break;
    default:
        key(in, &a);
        break;
    }
    arena_deinit(&a);
    mem_free(p);
    return 0;
}
