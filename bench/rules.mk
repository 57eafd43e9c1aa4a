# One program measures libleat, the client library: it is linked with it.
$(O)/bench/load/category: $(O)/libleat.a
$(O)/bench/load/category: LIBS += -lcurl -ljansson -lrdkafka
