# Leat's build. GNU make, one file, nothing to configure. `make` alone lists the targets.
#
#   V=debug|release|asan|tsan|fuzz|cov   what to build; everything goes to build/$(V)/
#   CC=gcc|clang  WERROR=1  BUILD=DIR    compiler, warnings as errors, another build folder
#
# How it is put together: every folder of src/ is a room and becomes one static archive. The binary is
# src/cli/main.c and all the archives. A unit test is linked with the archives that src/LAYERS permits
# for its room, and no others, so that a call upwards does not even link. Folders may be missing.

V ?= debug
BUILD ?= build
# The same folder must have the same name in every call: the lists of headers (.d) name the objects by it.
override BUILD := $(patsubst $(CURDIR)/%,%,$(BUILD))
O := $(BUILD)/$(V)
CLANG ?= clang-14
# QUIET=1: say nothing but warnings and errors.
SAY := $(if $(QUIET),@:,@echo)
PREFIX ?= /usr/local
DESTDIR ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

ifeq ($(origin CC),default)
CC := gcc
endif
ifeq ($(V),fuzz)
CC := $(CLANG)
endif
IS_CLANG := $(findstring clang,$(shell $(CC) --version 2>/dev/null | head -n 1))
# A library that is C++ has one file in its room that hides it (json/scan.cpp); the same compiler builds it.
CXX = $(patsubst cc,c++,$(subst gcc,g++,$(subst clang,clang++,$(CC))))

# ---- Flags ---------------------------------------------------------------------------------------

WARN := -Wall -Wextra -Wshadow -Wconversion -Wsign-conversion -Wcast-qual -Wstrict-prototypes \
    -Wmissing-prototypes -Wundef -Wformat=2 -Wvla -Wswitch-enum -Wimplicit-fallthrough \
    -Wnull-dereference -Wwrite-strings -Wpointer-arith
ifeq ($(IS_CLANG),)
WARN += -Wlogical-op -Wduplicated-cond -Wcast-align=strict
endif
ifeq ($(WERROR),1)
WARN += -Werror
endif

HARDEN := -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection -fcf-protection
ifeq ($(IS_CLANG),)
HARDEN += -ftrivial-auto-var-init=zero
endif

MODE_debug := -O0 -g3 -DLEAT_DEBUG -fno-omit-frame-pointer
MODE_release := -O2 -g $(HARDEN)
MODE_asan := -O1 -g -DLEAT_DEBUG -fno-omit-frame-pointer -fsanitize=address,undefined \
    -fno-sanitize-recover=all
MODE_tsan := -O1 -g -DLEAT_DEBUG -fno-omit-frame-pointer -fsanitize=thread
# LEAT_SANITIZE=asan|tsan in the environment: what V=release builds, so that every part of the tests can run with it
# (in a build folder of its own; see test/parts/80-sanitizers).
ifneq ($(LEAT_SANITIZE),)
MODE_release := $(MODE_$(LEAT_SANITIZE))
endif
MODE_fuzz := -O1 -g -DLEAT_DEBUG -fno-omit-frame-pointer \
    -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
MODE_cov := -O0 -g -DLEAT_DEBUG --coverage
ifeq ($(MODE_$(V)),)
$(error V=$(V) is not known: use debug, release, asan, tsan, fuzz or cov)
endif

CPPFLAGS_ALL := -Isrc -Iinclude -D_GNU_SOURCE $(CPPFLAGS)
CFLAGS_ALL := -std=c17 -pipe -fPIE -pthread $(WARN) $(MODE_$(V)) $(CFLAGS)
CXX_STD := -std=c++17 -fno-exceptions -fno-rtti
C_ONLY := -std=c17 -Wstrict-prototypes -Wmissing-prototypes
CXXFLAGS_ALL = $(filter-out $(C_ONLY),$(CFLAGS_ALL)) $(CXX_STD) -fno-sanitize=vptr
LDFLAGS_ALL := -pie -pthread -Wl,--as-needed -Wl,-z,relro,-z,now $(filter -fsanitize=% --coverage,\
    $(MODE_$(V))) $(LDFLAGS)
# --as-needed drops every library that a program does not call.
LIBS := -lz -llz4 -lzstd -lsnappy -lhttp_parser -lyaml -lsimdjson -lstdc++ -ljansson -lcrypto -lrdkafka -ldl -lm
ifneq ($(wildcard /usr/include/isa-l.h),)
LIBS += -lisal
CPPFLAGS_ALL += -DLEAT_HAVE_ISAL=1
endif

# ---- Rooms ---------------------------------------------------------------------------------------

# layers.mk, made from src/LAYERS: ROOMS, and for each room LINK_<room> = the archives that a test of
# the room may link with: the room, what it may include, and what those need in turn.
-include $(BUILD)/layers.mk
$(BUILD)/layers.mk: src/LAYERS
	@mkdir -p $(@D)
	@awk -F: '/^[a-z_]+:/ && $$1 != "os" && $$1 != "adapters" { \
	    rooms = rooms " " $$1; split("", have); line = $$1; have[$$1] = 1; n = split($$2, d, " "); \
	    for (i = 1; i <= n; i++) { m = split(all[d[i]], e, " "); \
	        for (j = 1; j <= m; j++) if (!(e[j] in have)) { have[e[j]] = 1; line = line " " e[j] } } \
	    all[$$1] = line; print "LINK_" $$1 " :=" " " line } END { print "ROOMS :=" rooms }' $< > $@

SOURCES := $(filter-out src/cli/main.c,$(wildcard src/*/*.c src/*/*/*.c src/*/*.cpp))
room_sources = $(filter src/$(1)/%,$(SOURCES))
objects = $(patsubst %,$(O)/obj/%.o,$(basename $(1)))
FULL_ROOMS := $(foreach r,$(ROOMS),$(if $(call room_sources,$(r)),$(r)))
archives = $(foreach r,$(filter $(FULL_ROOMS),$(1)),$(O)/lib$(r).a)
ARCHIVES := $(call archives,$(ROOMS))
# Archives that programs of tests and benchmarks use: everything but the command line.
ENGINE := $(call archives,$(filter-out cli,$(ROOMS)))

$(O)/obj/%.o: %.c $(O)/flags
	@mkdir -p $(@D)
	$(SAY) "  CC $(V) $<"
	@$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(EXTRA) -MMD -MP -c -o $@ $< 2> $(@:.o=.warn); \
	    status=$$?; cat $(@:.o=.warn) >&2; exit $$status
$(O)/obj/%.o: %.cpp $(O)/flags
	@mkdir -p $(@D)
	$(SAY) "  CXX $(V) $<"
	@$(CXX) $(CPPFLAGS_ALL) $(CXXFLAGS_ALL) -MMD -MP -c -o $@ $< 2> $(@:.o=.warn); \
	    status=$$?; cat $(@:.o=.warn) >&2; exit $$status
$(O)/obj/test/%.o: EXTRA = -Itest -Itest/unit
$(O)/obj/bench/%.o: EXTRA = -Ibench -Itest
$(O)/obj/examples/%.o: EXTRA = -Iexamples

# A change of compiler or flags rebuilds everything in this folder; so does another name of it (see BUILD above).
.PHONY: FORCE
$(O)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(O) $(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(LDFLAGS_ALL) $(LIBS)' > $@.new
	@cmp -s $@.new $@ && rm -f $@.new || mv $@.new $@

define room_rule
$(O)/lib$(1).a: $(call objects,$(call room_sources,$(1)))
	@rm -f $$@ && ar rcs $$@ $$^
endef
$(foreach r,$(FULL_ROOMS),$(eval $(call room_rule,$(r))))

link = @mkdir -p $(@D) && $(SAY:@%=%) "  LD $(V) $@" && $(CC) -o $@ $(CFLAGS_ALL) $(LDFLAGS_ALL) \
    $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS)

$(O)/leat: $(call objects,src/cli/main.c) $(ARCHIVES)
	$(link)

# ---- Programs of tests, benchmarks and fuzzing -----------------------------------------------------

# libtest.a: main() and helpers of the unit tests. One binary for each folder of test/unit.
$(O)/libtest.a: $(call objects,$(wildcard test/unit/*.c))
	@rm -f $@ && ar rcs $@ $^
# libworst.a: the engine that behaves like Kafka at its worst, for rooms above engine and for simulations.
$(O)/libworst.a: $(call objects,$(wildcard test/engine/*.c))
	@rm -f $@ && ar rcs $@ $^
UNIT_ROOMS := $(patsubst test/unit/%/,%,$(dir $(wildcard test/unit/*/*.c)))
UNIT_ROOMS := $(sort $(UNIT_ROOMS))
UNIT := $(UNIT_ROOMS:%=$(O)/test/unit_%)
define unit_rule
$(O)/test/unit_$(1): LIBS += -lcmocka
$(O)/test/unit_$(1): $(call objects,$(wildcard test/unit/$(1)/*.c)) $(O)/libtest.a \
    $(call archives,$(LINK_$(1))) $(if $(filter engine,$(LINK_$(1))),$(O)/libworst.a)
	$$(link)
endef
$(foreach r,$(UNIT_ROOMS),$(eval $(call unit_rule,$(r))))

# One program for each C file of these folders, linked with every room but cli. A file named common*.c
# is not a program: it is linked into each program of its folder.
PROGRAM_DIRS := test/sim test/crash test/net test/codec bench/micro bench/load
programs = $(patsubst %.c,$(O)/%,$(filter-out $(1)/common%.c,$(wildcard $(1)/*.c)))
PROGRAMS := $(foreach d,$(PROGRAM_DIRS),$(call programs,$(d)))
SHARED_bench/load/ := test/net/common_frames.c
$(call programs,test/sim): $(O)/libworst.a
define program_rule
$(1): $(patsubst $(O)/%,$(O)/obj/%.o,$(1)) $(ENGINE) \
    $(call objects,$(wildcard $(patsubst $(O)/%,%,$(dir $(1)))common*.c) $(SHARED_$(patsubst $(O)/%,%,$(dir $(1)))))
	$$(link)
endef
$(foreach p,$(PROGRAMS),$(eval $(call program_rule,$(p))))

# A fuzz target is test/fuzz/targets/NAME.c with LLVMFuzzerTestOneInput, and test/fuzz/common*.c. V=fuzz links it
# with libFuzzer, every other V with test/fuzz/replay.c, which runs the files of a corpus through it.
FUZZ := $(patsubst test/fuzz/targets/%.c,$(O)/fuzz/%,$(wildcard test/fuzz/targets/*.c))
ifeq ($(V),fuzz)
# The simulated world is no target: what it compares and where it goes would only distract the fuzzer.
$(O)/obj/src/env/sim_%.o: EXTRA = -fno-sanitize=fuzzer,fuzzer-no-link
$(FUZZ): LDFLAGS_ALL := $(subst fuzzer-no-link,fuzzer,$(LDFLAGS_ALL))
else
$(FUZZ): $(call objects,$(wildcard test/fuzz/replay.c))
endif
$(FUZZ): $(O)/fuzz/%: $(O)/obj/test/fuzz/targets/%.o $(call objects,$(wildcard test/fuzz/common*.c)) $(ARCHIVES)
	$(link)

# The parts of the tests ask for files by their absolute names.
ifneq ($(abspath $(BUILD)),$(BUILD))
$(abspath $(BUILD))/%: $(BUILD)/%
	@:
endif

# A folder that needs rules of its own (an example, a client) brings them in a rules.mk.
-include $(wildcard examples/*/rules.mk test/*/rules.mk bench/rules.mk lib/rules.mk)
-include $(shell find $(O)/obj -name '*.d' 2>/dev/null)

# ---- Targets: each line with two hashes is a line of `make help` -----------------------------------

.PHONY: help deps build release run serve test gate unit programs fuzzers bench fuzz soak asan tsan \
    bench-check units objects clang-syntax clang lint analyze format gen compdb install uninstall clean test-clean-room

help: ## list what make can do (this)
	@echo "Leat: make TARGET [V=debug|release|asan|tsan|fuzz|cov] [CC=clang] [WERROR=1]"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

deps: ## install what run, test and bench need (Debian packages, clients, a real Kafka)
	@tools/deps.sh build run test clients kafka bench
build: $(if $(wildcard src/cli/main.c),$(O)/leat,$(ARCHIVES)) ## build the binary, build/V/leat (V=debug if not said)
release: ## build build/release/leat
	@tools/deps.sh build
	@$(MAKE) --no-print-directory V=release build

run: ## install, build, start leat and the order-flow example; Ctrl-C ends it
	@tools/deps.sh build run
	@$(MAKE) --no-print-directory V=release build
	@examples/order-flow/run
serve: ## install, build, start leat alone: Kafka on 127.0.0.1:9092, HTTP on 127.0.0.1:8080
	@tools/deps.sh build
	@$(MAKE) --no-print-directory V=release build
	@exec $(BUILD)/release/leat serve --data ./data --kafka 127.0.0.1:9092 --http 127.0.0.1:8080 $(ARGS)

test: ## install, then prove that it is correct (at most 20 minutes); PART=20-unit runs one part
	@tools/deps.sh build run test clients kafka
	@LEAT_TIER=test LEAT_BUILD=$(abspath $(BUILD)) MAKEFLAGS= test/run $(PART)
gate: ## the large counts and the sanitizers too (at most 90 minutes); a skip is a failure
	@tools/deps.sh build run test clients kafka bench
	@LEAT_TIER=gate LEAT_BUILD=$(abspath $(BUILD)) MAKEFLAGS= test/run $(PART)
test-clean-room: ## both commands in a bare Debian 12 (needs root and network)
	@tools/clean_room.sh

unit: units ## build and run the unit tests of V; ROOM=core runs one room, NAME=text filters
	@tools/run_unit.sh $(O) "$(ROOM)" "$(NAME)"
units: $(UNIT)
objects: $(call objects,$(SOURCES) $(wildcard src/cli/main.c))

# clang reads every file of C and C++ and makes nothing; a stamp says which it has read.
SYNTAX := $(patsubst %,$(BUILD)/clang-syntax/%.ok,$(SOURCES) $(wildcard src/cli/main.c test/*/*.c \
    test/unit/*/*.c test/fuzz/targets/*.c bench/*/*.c lib/*.c))
CLANG_READS = $(CLANG) -fsyntax-only -Werror $(CPPFLAGS_ALL) -DLEAT_DEBUG -pthread -MMD -MP -MT $@ -MF $(@:.ok=.d)
clang-syntax: $(SYNTAX)
CLANG_WARN = $(filter-out -Wlogical-op -Wduplicated-cond -Wcast-align=strict,$(WARN))
$(BUILD)/clang-syntax/%.c.ok: %.c
	@mkdir -p $(@D)
	@$(CLANG_READS) -std=c17 -Itest -Itest/unit -Ibench $(CLANG_WARN) $< && touch $@
$(BUILD)/clang-syntax/%.cpp.ok: %.cpp
	@mkdir -p $(@D)
	@$(CLANG_READS) $(CXX_STD) $(filter-out $(C_ONLY),$(CLANG_WARN)) $< && touch $@
-include $(shell find $(BUILD)/clang-syntax -name '*.d' 2>/dev/null)

asan: ## unit tests under AddressSanitizer and UBSan
	@$(MAKE) --no-print-directory V=asan unit
tsan: ## unit tests under ThreadSanitizer
	@$(MAKE) --no-print-directory V=tsan unit
clang: ## build everything with clang, warnings as errors, and run the unit tests
	@$(MAKE) --no-print-directory CC=$(CLANG) BUILD=$(BUILD)/clang WERROR=1 build unit
programs: $(PROGRAMS) ## build the programs of crash tests, simulations and micro-benchmarks
fuzzers: $(FUZZ) ## build the fuzz targets (V=fuzz: libFuzzer; else: replay of the corpora)

bench: ## speed, latency, memory, start-up beside Kafka, Redis, NATS and the floor; ARGS="--rows inflight --quick"
	@tools/deps.sh build bench
	@$(MAKE) --no-print-directory V=release build programs
	@bench/run $(ARGS)
bench-check: ## did a hot path grow? counts instructions here and in BASE (origin/main)
	@tools/deps.sh build bench
	@LEAT_BUILD=$(abspath $(BUILD)) bench/check $(BASE)
fuzz: ## go on fuzzing for HOURS=n (or SECONDS=n, default 60), tallied; GROUP=wire or TARGET=name for some
	@tools/deps.sh build test
	@$(MAKE) --no-print-directory V=fuzz fuzzers
	@tools/run_fuzz.py --tally test/fuzz/TALLY.md $(if $(HOURS),--hours $(HOURS),--seconds $(or $(SECONDS),60)) \
	    $(BUILD)/fuzz/fuzz $(or $(TARGET),$(GROUP))
soak: ## everything at once for HOURS (2), checked all the time; goes on where it stopped, keeps a tally
	@tools/deps.sh build
	@$(MAKE) --no-print-directory V=release build $(BUILD)/release/test/crash/leat_soak
	@LEAT_BUILD=$(abspath $(BUILD)) test/soak/run $(or $(HOURS),2)

lint: ## layout, layers, house rules, warnings of both compilers
	@tools/lint.sh $(CHECK)
analyze: ## clang-tidy over the product: advice, in minutes
	@$(MAKE) --no-print-directory -s V=debug CC=$(CLANG) compdb
	@tools/analyze.sh $(FILES)
format: ## apply .clang-format to the C files
	@tools/format.sh --write
gen: ## make the generated files again (wire tables, ...)
	@tools/gen_all.sh
compdb: ## write compile_commands.json for editors
	@tools/compdb.py $(O) '$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL)' > compile_commands.json

install: ## install into PREFIX (/usr/local) under DESTDIR; builds the release binary first
	@$(MAKE) --no-print-directory V=release build lib
	@tools/install.sh install '$(BUILD)/release/leat' '$(DESTDIR)' '$(PREFIX)'
uninstall: ## remove what install put there (never the data)
	@tools/install.sh uninstall '$(BUILD)/release/leat' '$(DESTDIR)' '$(PREFIX)'
clean: ## remove what was built (not build/deps)
	@rm -rf $(addprefix $(BUILD)/,debug release asan tsan fuzz cov clang clang-syntax sim \
	    compat bench soak sanitize-asan sanitize-tsan test-logs layers.mk)
