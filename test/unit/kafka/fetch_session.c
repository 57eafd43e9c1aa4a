/* Fetch sessions without a server: what they may hold together. */
#include "kafka/fetch_session.h"

#include "test.h"

TEST(kafka_fetch_sessions_hold_a_bounded_number_of_partitions_together)
{
    /* Clients could else fill the memory with partitions that need not even exist. */
    struct fetch_sessions *all = NULL;
    struct fetch_want want = {.topic = STR_LIT("t")};
    enum err e = ERR_OK;
    assert_int_equal(fetch_sessions_create(2, &all), ERR_OK);
    struct fetch_session *first = fetch_session_new(all, 1, false, 0);
    struct fetch_session *second = fetch_session_new(all, 2, false, 0);
    assert_non_null(first);
    assert_non_null(second);
    for (want.partition = 0; want.partition < 60000; want.partition++) {
        assert_int_equal(fetch_session_put(first, &want), ERR_OK);
    }
    for (want.partition = 0; want.partition < 60000 && e == ERR_OK; want.partition++) {
        e = fetch_session_put(second, &want);
    }
    assert_int_equal(e, ERR_LIMIT);
    assert_int_equal(want.partition, 40001);
    /* What leaves makes room. */
    fetch_session_forget(first, STR_LIT("t"), want.topic_id, 7);
    assert_int_equal(fetch_session_put(second, &want), ERR_OK);
    assert_int_equal(fetch_session_put(first, &(struct fetch_want){.topic = STR_LIT("u")}),
                     ERR_LIMIT);
    fetch_session_close(all, second);
    assert_int_equal(fetch_session_put(first, &(struct fetch_want){.topic = STR_LIT("u")}), ERR_OK);
    fetch_sessions_destroy(all);
}
