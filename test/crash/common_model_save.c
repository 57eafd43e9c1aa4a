/*
 * The model in a file, so that a soak goes on another day with the same data directory. The file is
 * the model's own memory and what its pointers lead to: `told` of the partitions, `batches` of the
 * writers, nothing else (whoever adds a pointer to common_model_int.h adds it here). It is read
 * only by the program that wrote it or one with the same layout, and only when it is whole.
 */
#include "common_model_int.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool put(FILE *out, const void *p, size_t n)
{
    return n == 0 || fwrite(p, 1, n, out) == n;
}

static bool get(FILE *in, void *p, size_t n)
{
    return n == 0 || fread(p, 1, n, in) == n;
}

bool model_save(const struct model *m, FILE *out)
{
    uint64_t size = sizeof(*m);
    bool ok = put(out, &size, sizeof(size)) && put(out, m, sizeof(*m));
    for (uint32_t i = 0; i < m->part_count; i++) {
        ok = ok && put(out, m->parts[i].told, m->parts[i].told_cap * sizeof(*m->parts[i].told));
    }
    for (uint32_t i = 0; i < m->writer_count; i++) {
        const struct model_writer *w = &m->writers[i];
        ok = ok && put(out, w->batches, w->cap * sizeof(*w->batches));
    }
    return ok && put(out, &size, sizeof(size));
}

/* An array as it was saved; NULL: could not be read (or it was empty). */
static void *take(FILE *in, size_t count, size_t size, bool *ok)
{
    void *p = count == 0 || count > SIZE_MAX / 2 / size ? NULL : malloc(count * size);
    *ok = *ok && (count == 0 || (p != NULL && get(in, p, count * size)));
    return p;
}

bool model_load(struct model *m, FILE *in)
{
    struct model *saved = malloc(sizeof(*saved));
    uint64_t size = 0;
    bool ok = saved != NULL && get(in, &size, sizeof(size)) && size == sizeof(*saved) &&
              get(in, saved, sizeof(*saved)) && saved->part_count <= MODEL_PARTS &&
              saved->writer_count <= MODEL_WRITERS;
    if (ok) {
        saved->mutex = m->mutex;
        saved->fd = m->fd;
        saved->quiet = m->quiet;
        for (uint32_t i = 0; i < m->part_count; i++) {
            free(m->parts[i].told);
        }
        for (uint32_t i = 0; i < m->writer_count; i++) {
            free(m->writers[i].batches);
        }
        *m = *saved;
        for (uint32_t i = 0; i < m->part_count; i++) {
            m->parts[i].told = take(in, m->parts[i].told_cap, sizeof(*m->parts[i].told), &ok);
        }
        for (uint32_t i = 0; i < m->writer_count; i++) {
            struct model_writer *w = &m->writers[i];
            w->batches = take(in, w->cap, sizeof(*w->batches), &ok);
        }
        ok = ok && get(in, &size, sizeof(size)) && size == sizeof(*saved);
    }
    free(saved);
    return ok;
}

void model_history_turn(struct model *m, const char *path, uint64_t bytes)
{
    struct stat st;
    char old[400];
    if (m->fd < 0 || fstat(m->fd, &st) != 0 || (uint64_t)st.st_size < bytes) {
        return;
    }
    pthread_mutex_lock(&m->mutex);
    (void)snprintf(old, sizeof(old), "%s.before", path);
    int fd =
        rename(path, old) == 0 ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644) : -1;
    if (fd >= 0) {
        close(m->fd);
        m->fd = fd;
    }
    pthread_mutex_unlock(&m->mutex);
}
