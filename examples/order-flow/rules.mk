# The C services of the order-flow example: part of every build of V=release.
ORDER_FLOW := $(O)/examples/inventory $(O)/examples/notification
$(ORDER_FLOW): $(O)/examples/%: $(O)/obj/examples/order-flow/%.o $(O)/obj/examples/order-flow/flow.o
	@mkdir -p $(@D)
	$(SAY) "  LD $(V) $@"
	@$(CC) -o $@ $(CFLAGS_ALL) $(LDFLAGS_ALL) $^ -lrdkafka -ljansson -lcrypto
ifeq ($(V),release)
build: $(ORDER_FLOW)
endif
