/*
 * Any bytes on the disk. Input: byte 0 chooses. 0 to 2: a fact of the topics, the producers, the
 * groups; 3 to 5: an image of theirs (below the checksums, which random bytes do not pass). Else:
 * changes to the files of a good data directory, each 7 bytes: file,
 * place (4), mask, and whether the place is anywhere or near the start.
 *
 * Beyond "no crash, no leak": what does not open says why; what opens can be read from end to end,
 * written to, closed and opened again.
 *
 * libFuzzer: -len_control=0 -max_len=600
 */
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "fuzz/disk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct env *the_env;
static struct env_sim_disk *the_disk, *empty_disk;

static void make_disk(void)
{
    const struct env_sim_config sim = {.seed = 5, .write_ns = 1000, .sync_ns = 10000};
    struct world w;
    CHECK(env_sim_create(&sim, &the_env) == ERR_OK);
    CHECK(world_open(&w, the_env, NULL) == ERR_OK);
    world_close(&w);
    empty_disk = env_sim_disk_save(the_env);
    CHECK(world_open(&w, the_env, NULL) == ERR_OK);
    world_fill(&w);
    disk_append(&w, "t", 0, 1, true);
    disk_append(&w, "u", 0, 1, true);
    world_close(&w); /* what is above is in the image, what follows is in the ring */
    CHECK(world_open(&w, the_env, NULL) == ERR_OK);
    disk_append(&w, "t", 1, 1, true);
    disk_append(&w, "t", 0, 1, true);
    the_disk = env_sim_disk_save(the_env);
    world_close(&w);
}

static void harm_files(const uint8_t *data, size_t size)
{
    static const char *const files[] = {"/data/checkpoint-a", "/data/checkpoint-b",
                                        "/data/wal/ring-000", "/data/wal/ring-001"};
    for (; size >= 7; data += 7, size -= 7) {
        uint64_t length = 0;
        uint8_t *bytes = env_sim_file_bytes(the_env, files[data[0] % ARRAY_LEN(files)], &length);
        uint32_t at = get_be32(data + 1);
        if (bytes != NULL && length > 0) {
            /* Small numbers are more interesting: that is where headers and frames are. */
            bytes[(data[6] & 1) != 0 ? at % length : (at & 0xfff) % length] ^= data[5];
        }
    }
}

static void feed_participant(unsigned which, const uint8_t *data, size_t size)
{
    struct store_participant p[3];
    struct world w;
    struct ectx ec = {0};
    env_sim_disk_restore(the_env, which < 3 ? the_disk : empty_disk);
    CHECK(world_recover(&w, the_env, NULL) == ERR_OK);
    broker_participants(w.broker, p);
    p[2] = groups_participant(w.groups);
    uint8_t *copy = malloc(size > 0 ? size : 1);
    CHECK(copy != NULL);
    if (size > 0) {
        memcpy(copy, data, size);
    }
    enum err e = which < 3 ? p[which].apply(p[which].ctx, 1, slice_of(copy, size), &ec)
                           : p[which - 3].restore(p[which - 3].ctx, slice_of(copy, size), &ec);
    CHECK(e == ERR_OK || ec.text[0] != '\0');
    free(copy);
    if (e == ERR_OK) {
        world_attach(&w);
        disk_read_all(&w, true);
    }
    world_close(&w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world w;
    struct ectx ec = {0};
    if (the_env == NULL) {
        make_disk();
    }
    if (size < 1) {
        return 0;
    }
    if (data[0] == 0 && size >= 26 && data[1] == 3 && get_le32(data + 22) > 1000) {
        return 0; /* a topic that grows by up to a million partitions: legal, and takes too long */
    }
    if (data[0] < 6) {
        feed_participant(data[0], data + 1, size - 1);
        return 0;
    }
    env_sim_disk_restore(the_env, the_disk);
    harm_files(data + 1, size - 1);
    enum err e = world_open(&w, the_env, &ec);
    CHECK(e == ERR_OK || ec.text[0] != '\0');
    if (e == ERR_OK) {
        disk_use(&w, true);
    }
    world_close(&w);
    if (e == ERR_OK) {
        CHECK(world_open(&w, the_env, &ec) == ERR_OK);
        disk_read_all(&w, true);
        world_close(&w);
    }
    return 0;
}
