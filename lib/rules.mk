# libleat: a client library of its own; it uses nothing of src/.
LIB_SOURCES := $(wildcard lib/*.c)
LIB_OBJECTS := $(call objects,$(LIB_SOURCES))
LIB_LIBS := -lcurl -lrdkafka
$(O)/obj/lib/%.o: EXTRA = -Ilib -fPIC
.PHONY: lib
lib: $(O)/libleat.a $(O)/libleat.so.0 ## build libleat, the C client (header: include/leat.h)
# One object, of which only leat_... can be seen: names within the library meet no names of an application.
$(O)/libleat.a: $(LIB_OBJECTS)
	@ld -r -o $(@:.a=.o) $^ && objcopy -w --keep-global-symbol='leat_*' $(@:.a=.o)
	@rm -f $@ && ar rcs $@ $(@:.a=.o)
$(O)/libleat.so.0: $(LIB_OBJECTS) lib/leat.map
	@mkdir -p $(@D)
	$(SAY) "  LD $(V) $@"
	@$(CC) -shared -Wl,-soname,libleat.so.0 -Wl,--version-script=lib/leat.map -Wl,--as-needed -Wl,-z,relro,-z,now -o $@ $(LIB_OBJECTS) $(LIB_LIBS)

# Its tests, and the example of docs/libleat.md (cut out of the page by the part): linked with the archive, as an application is.
LIB_TESTS := $(patsubst test/lib/%.c,$(O)/test/lib/%,$(filter-out test/lib/common%.c,$(wildcard test/lib/*.c)))
.PHONY: lib-tests
lib-tests: lib $(LIB_TESTS) ## build the tests of libleat
$(LIB_TESTS): $(O)/test/lib/%: $(O)/obj/test/lib/%.o $(call objects,$(wildcard test/lib/common*.c)) $(O)/libleat.a
	@mkdir -p $(@D)
	$(SAY) "  LD $(V) $@"
	@$(CC) -o $@ $(CFLAGS_ALL) $(LDFLAGS_ALL) $^ $(LIB_LIBS)

# The fuzz target of answers: all of the library but its HTTP, which is the target's own.
$(O)/fuzz/leat_answer: $(filter-out %/call.c.o %/call.o %/category.o,$(LIB_OBJECTS))
$(O)/fuzz/leat_answer: LIBS += -lcurl
