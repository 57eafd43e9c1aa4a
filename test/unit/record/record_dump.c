/* The text form of record batches. See record_dump.h. */
#include "record_dump.h"

#include <inttypes.h>

#include "core/crc32c.h"
#include "record/record.h"

static void put_bytes(struct buf *out, struct str s)
{
    if (str_is_null(s)) {
        buf_put_z(out, " null");
    } else if (s.n > 32) {
        buf_printf(out, " %zu:%08" PRIx32, s.n, crc32c(0, s.p, s.n));
    } else {
        buf_put_z(out, " '");
        for (size_t i = 0; i < s.n; i++) {
            buf_printf(out, "%02x", (unsigned char)s.p[i]);
        }
        buf_put_z(out, "'");
    }
}

static void put_header(struct buf *out, const struct batch_header *h, bool stored)
{
    buf_printf(out,
               "batch base=%" PRId64 " last=%" PRId64 " epoch=%d codec=%s time=%s first=%" PRId64
               " max=%" PRId64 " producer=%" PRId64 "/%d/%d%s%s%s records=%d",
               h->base_offset, batch_last_offset(h), h->leader_epoch,
               record_codec_name(batch_codec(h)), batch_is_log_append_time(h) ? "append" : "create",
               h->base_timestamp, h->max_timestamp, h->producer_id, h->producer_epoch,
               h->base_sequence, batch_is_transactional(h) ? " transactional" : "",
               batch_is_control(h) ? " control" : "", batch_has_delete_horizon(h) ? " horizon" : "",
               h->record_count);
    if (stored) {
        buf_printf(out, " size=%zu crc=%08" PRIx32, h->size, h->crc);
    }
    buf_put_z(out, "\n");
}

static enum err put_records(struct buf *out, const struct batch *b, struct record_scratch *scratch,
                            struct ectx *ec)
{
    struct record_iter it;
    enum err e = record_iter_init(&it, &b->header, b->bytes, scratch, SIZE_MAX, ec);
    if (e != ERR_OK) {
        return e;
    }
    struct record r;
    while (record_next(&it, &r)) {
        buf_printf(out, "record %" PRId64 " %" PRId64, r.offset, r.timestamp);
        put_bytes(out, r.key);
        put_bytes(out, r.value);
        buf_put_z(out, "\n");
        struct record_header header;
        while (record_header_next(&r.headers, &header)) {
            buf_put_z(out, "header");
            put_bytes(out, header.key);
            put_bytes(out, header.value);
            buf_put_z(out, "\n");
        }
    }
    return record_iter_end(&it, ec);
}

enum err record_dump(struct slice run, bool stored, struct record_scratch *scratch, struct buf *out,
                     struct ectx *ec)
{
    while (slice_left(&run) > 0) {
        struct batch b;
        enum err e = batch_next(&run, &b, ec);
        if (e == ERR_OK && stored) {
            e = batch_verify_crc(b.bytes, &b.header, ec);
        }
        if (e != ERR_OK) {
            return e;
        }
        put_header(out, &b.header, stored);
        e = put_records(out, &b, scratch, ec);
        if (e != ERR_OK) {
            return e;
        }
        if (batch_is_control(&b.header)) {
            struct control_marker m;
            e = control_batch_parse(&b.header, b.bytes, scratch, &m, ec);
            if (e != ERR_OK) {
                return e;
            }
            buf_printf(out, "marker %s %d\n", m.type == CONTROL_COMMIT ? "commit" : "abort",
                       m.coordinator_epoch);
        }
    }
    return ERR_OK;
}
