# The C services of the order-flow example: part of every build of V=release. Inventory uses libleat.
ORDER_FLOW := $(O)/examples/inventory $(O)/examples/notification
$(O)/examples/inventory: $(O)/libleat.a
$(ORDER_FLOW): $(O)/examples/%: $(O)/obj/examples/order-flow/%.o $(O)/obj/examples/order-flow/flow.o
	@mkdir -p $(@D)
	$(SAY) "  LD $(V) $@"
	@$(CC) -o $@ $(CFLAGS_ALL) $(LDFLAGS_ALL) $(filter %.o,$^) $(filter %.a,$^) -lcurl -lrdkafka -ljansson -lcrypto
ifeq ($(V),release)
build: $(ORDER_FLOW)
endif
