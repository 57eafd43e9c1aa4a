/*
 * What is in record batches, as text; the Java program in test/compat/java-record prints the same
 * from Kafka's classes. One line per batch, record, header and marker. Bytes are 'hex', or
 * length:crc32c if there are more than 32.
 */
#ifndef LEAT_TEST_UNIT_RECORD_DUMP_H
#define LEAT_TEST_UNIT_RECORD_DUMP_H

#include "core/buf.h"
#include "core/err.h"
#include "core/slice.h"
#include "record/scratch.h"

/* Appends the text of all batches in `run`. stored: with size and checksum, which is verified. */
MUST_USE enum err record_dump(struct slice run, bool stored, struct record_scratch *scratch,
                              struct buf *out, struct ectx *ec);

#endif
