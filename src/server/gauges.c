/* Metrics that are read from the process and the store when someone looks. */
#include "core/log.h"
#include "server/server_int.h"

static void emit_process(const struct server *s, struct metrics_writer *w)
{
    struct env *env = s->env;
    char label[96];
    struct buf b;
    buf_init(&b, sizeof(label));
    metrics_label(&b, "version", str_of(server_version));
    buf_put_u8(&b, 0);
    metrics_emit(w, "leat_build_info", "gauge", "The running version.",
                 buf_failed(&b) ? NULL : (const char *)b.p, 1);
    buf_deinit(&b);
    metrics_emit(w, "leat_uptime_seconds", "gauge", "Time since start.", NULL,
                 (double)(env_mono_ns(env) - s->started_ns) / 1e9);
    char why[SERVER_WHY_SIZE];
    metrics_emit(w, "leat_ready", "gauge", "1 while clients are served.", NULL,
                 s->store != NULL && server_not_ready(s, why) == NULL ? 1 : 0);
    metrics_emit(w, "process_cpu_seconds_total", "counter", "User and system CPU time.", NULL,
                 (double)env_cpu_ns(env) / 1e9);
    uint64_t files;
    metrics_emit(w, "process_resident_memory_bytes", "gauge", "Resident memory.", NULL,
                 (double)env_rss_bytes(env, &files));
    metrics_emit(
        w, "leat_mapped_memory_bytes", "gauge",
        "Of the resident memory, what is mapped from files (the program, segments that are "
        "often read): the kernel takes it back when it needs it.",
        NULL, (double)files);
    metrics_emit(w, "process_open_fds", "gauge", "Open file descriptors.", NULL,
                 (double)env_open_files(env));
    metrics_emit(w, "process_max_fds", "gauge", "The limit of file descriptors.", NULL,
                 (double)env_open_files_limit(env));
    metrics_emit(w, "leat_insecure_anonymous", "gauge",
                 "1 while anonymous clients beyond loopback are allowed "
                 "(--insecure-allow-anonymous).",
                 NULL, config_bool(&s->options.config, NULL, "leat.insecure.allow.anonymous"));
    const char *lines = "leat_log_lines_total";
    const char *help = "Log lines, by level.";
    metrics_emit(w, lines, "counter", help, "level=\"warn\"", (double)log_count(LOG_LEVEL_WARN));
    metrics_emit(w, lines, "counter", help, "level=\"error\"", (double)log_count(LOG_LEVEL_ERROR));
}

static void emit_store(const struct server *s, struct metrics_writer *w)
{
    struct store_stats st;
    struct store_stall stall;
    store_stats_get(s->store, &st);
    (void)store_stalled(s->store, &stall);
    const struct {
        const char *name, *type, *help;
        double value;
    } rows[] = {
        {"leat_wal_ring_used_bytes", "gauge", "Bytes of the commit ring in use.",
         (double)st.ring_used_bytes},
        {"leat_wal_ring_bytes", "gauge", "Size of the commit ring.",
         (double)st.ring_capacity_bytes},
        {"leat_wal_groups_total", "counter", "Group commits.", (double)st.groups},
        {"leat_wal_groups_on_loop_total", "counter",
         "Group commits that the loop wrote itself, because nothing else was waiting.",
         (double)st.groups_on_caller},
        {"leat_wal_frames_total", "counter", "Frames committed.", (double)st.frames},
        {"leat_wal_flush_seconds_total", "counter", "Time spent in writes and flushes.",
         (double)st.flush_ns_sum / 1e9},
        {"leat_wal_ring_written_bytes_total", "counter", "Bytes written to the ring.",
         (double)st.ring_bytes},
        {"leat_store_in_place_bytes_total", "counter", "Bytes written straight to segments.",
         (double)st.place_bytes},
        {"leat_store_packed_bytes_total", "counter", "Bytes copied from the ring to segments.",
         (double)st.packed_bytes},
        {"leat_store_checkpoints_total", "counter", "Checkpoints.", (double)st.checkpoints},
        {"leat_store_checkpoint_failures_total", "counter", "Checkpoints that failed.",
         (double)st.checkpoint_failures},
        {"leat_store_checkpoint_last_seconds", "gauge", "How long the last checkpoint took.",
         (double)st.checkpoint_ns_last / 1e9},
        {"leat_store_tail_memory_bytes", "gauge", "Memory of batches that are not packed yet.",
         (double)st.tail_memory_bytes},
        {"leat_store_disk_free_bytes", "gauge", "Free space of the data directory's file system.",
         (double)st.free_bytes},
        {"leat_store_disk_bytes", "gauge", "Size of the data directory's file system.",
         (double)st.total_bytes},
        {"leat_store_out_of_space", "gauge", "1 while produces are refused for lack of space.",
         st.out_of_space ? 1 : 0},
        {"leat_store_stalled", "gauge",
         "1 while no checkpoint succeeds and the commit ring, or the memory before it, fills up.",
         stall.stalled ? 1 : 0},
        {"leat_store_full", "gauge",
         "1 while it is full: produces and commits get retriable errors until it goes on.",
         stall.full ? 1 : 0},
        {"leat_store_segment_bytes", "gauge", "Bytes in segments.", (double)st.segment_bytes},
        {"leat_store_segments", "gauge", "Segment files.", (double)st.segment_files},
        {"leat_store_open_segments", "gauge", "Segment files that are open.",
         (double)st.open_files},
        {"leat_store_cold_reads_total", "counter", "Reads that had to wait for the disk.",
         (double)st.cold_reads},
        {"leat_store_ahead_reads_total", "counter", "Reads that found what was read ahead.",
         (double)st.ahead_reads},
        {"leat_store_damaged_reads_total", "counter", "Reads that met damaged data.",
         (double)st.damaged_reads},
        {"leat_store_damaged_ranges", "gauge",
         "Ranges of offsets that are damaged and set aside; reads of them get an error.",
         (double)st.damaged_ranges},
        {"leat_store_scrub_bytes_total", "counter", "Stored bytes that the scrub has read.",
         (double)st.scrub_bytes},
        {"leat_store_scrub_passes_total", "counter", "Passes of the scrub over all that is stored.",
         (double)st.scrub_passes},
        {"leat_store_scrub_damaged_total", "counter", "Damage that the scrub found first.",
         (double)st.scrub_damaged},
        {"leat_store_scrub_last_pass_timestamp_seconds", "gauge",
         "When the scrub last came to the end of a pass; 0: not since the start.",
         (double)st.scrub_last_pass_ms / 1000},
        {"leat_store_partitions", "gauge", "Partitions.", st.part_count},
        {"leat_store_relaxed_partitions", "gauge", "Partitions with leat.durability=os.",
         st.relaxed_parts},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        metrics_emit(w, rows[i].name, rows[i].type, rows[i].help, NULL, rows[i].value);
    }
}

static void emit_recovery(const struct server *s, struct metrics_writer *w)
{
    struct store_recovery rec;
    store_recovery_get(s->store, &rec);
    metrics_emit(w, "leat_recovery_seconds", "gauge", "How long the last start's recovery took.",
                 NULL, (double)rec.took_ns / 1e9);
    metrics_emit(w, "leat_recovery_clean", "gauge", "1 if the stop before this start was clean.",
                 NULL, rec.clean || rec.created ? 1 : 0);
    metrics_emit(w, "leat_recovery_damaged_ranges", "gauge",
                 "Ranges that recovery found damaged and quarantined.", NULL, rec.damaged_ranges);
    metrics_emit(w, "leat_recovery_set_aside_partitions", "gauge",
                 "Lost partitions whose batches the last start moved to the folder set-aside.",
                 NULL, (double)rec.set_aside_partitions);
}

static void scrape(void *ctx, struct metrics_writer *w)
{
    const struct server *s = ctx;
    emit_process(s, w);
    if (s->store != NULL) {
        emit_store(s, w);
        emit_recovery(s, w);
    }
}

void server_gauges_add(struct server *s)
{
    metrics_on_scrape(s->metrics, scrape, s);
}
