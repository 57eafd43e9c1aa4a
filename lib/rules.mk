# libleat: a client library of its own; it uses nothing of src/.
LIB_SOURCES := $(wildcard lib/*.c)
LIB_OBJECTS := $(call objects,$(LIB_SOURCES))
LIB_LIBS := -lcurl -lrdkafka -ljansson
$(O)/obj/lib/%.o: EXTRA = -Ilib -fPIC
.PHONY: lib
lib: $(O)/libleat.a $(O)/libleat.so.0 ## build libleat, the C client (header: include/leat.h)
$(O)/libleat.a: $(LIB_OBJECTS)
	@rm -f $@ && ar rcs $@ $^
$(O)/libleat.so.0: $(LIB_OBJECTS) lib/leat.map
	@mkdir -p $(@D)
	$(SAY) "  LD $(V) $@"
	@$(CC) -shared -Wl,-soname,libleat.so.0 -Wl,--version-script=lib/leat.map -Wl,--as-needed -Wl,-z,relro,-z,now -o $@ $(LIB_OBJECTS) $(LIB_LIBS)
