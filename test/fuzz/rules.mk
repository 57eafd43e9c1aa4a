# The command line meets a broker, a library and a clock of the target's own (test/fuzz/targets/cli_command.c).
FUZZ_WRAPPED := open clock_ns clock_sleep_ms wall_ms interrupt_open socket_connect socket_send socket_receive \
    socket_close rdkafka_load rdkafka_unload rdkafka_version rdkafka_producer_open rdkafka_producer_send \
    rdkafka_producer_poll rdkafka_producer_flush rdkafka_producer_close rdkafka_consumer_open \
    rdkafka_consumer_assign rdkafka_consumer_subscribe rdkafka_consumer_assigned rdkafka_consumer_poll \
    rdkafka_consumer_pause rdkafka_consumer_done rdkafka_consumer_commit rdkafka_consumer_close
$(O)/fuzz/cli_command: LDFLAGS_ALL += $(FUZZ_WRAPPED:%=-Wl,--wrap=%)
