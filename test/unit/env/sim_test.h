/* Short words for tests of the simulated world: each fails the test when the call fails. */
#ifndef LEAT_TEST_UNIT_ENV_SIM_TEST_H
#define LEAT_TEST_UNIT_ENV_SIM_TEST_H

#include <string.h>

#include "env/env.h"
#include "env/env_sim.h"
#include "test.h"

UNUSED static struct env *sim_new(uint64_t seed)
{
    struct env *env = NULL;
    struct env_sim_config cfg = {.seed = seed, .write_ns = 1000, .sync_ns = 100000};
    assert_int_equal(env_sim_create(&cfg, &env), ERR_OK);
    return env;
}

UNUSED static struct env_file *sim_open(struct env *env, const char *path, unsigned flags)
{
    struct env_file *f = NULL;
    struct ectx ec;
    if (env_file_open(env, path, flags, &f, &ec) != ERR_OK) {
        fail_msg("%s", ec.text);
    }
    return f;
}

UNUSED static void sim_put(struct env_file *f, uint64_t offset, const char *text)
{
    assert_int_equal(env_file_pwrite(f, text, strlen(text), offset, NULL), ERR_OK);
}

/* Creates or opens `path`, writes `text` at its start, syncs the file if asked to, closes. */
UNUSED static void sim_write_file(struct env *env, const char *path, const char *text, bool sync)
{
    struct env_file *f = sim_open(env, path, ENV_WRITE | ENV_CREATE);
    sim_put(f, 0, text);
    if (sync) {
        assert_int_equal(env_file_datasync(f, NULL), ERR_OK);
    }
    env_file_close(f);
}

/* The content as a string (at most 511 bytes); NULL if there is no such file. */
UNUSED static const char *sim_content(struct env *env, const char *path)
{
    static char text[512];
    struct env_file *f = NULL;
    if (env_file_open(env, path, ENV_READ, &f, NULL) != ERR_OK) {
        return NULL;
    }
    size_t got = 0;
    assert_int_equal(env_file_pread(f, text, sizeof(text) - 1, 0, &got, NULL), ERR_OK);
    text[got] = '\0';
    env_file_close(f);
    return text;
}

UNUSED static uint64_t sim_size(struct env *env, const char *path)
{
    struct env_stat st;
    assert_int_equal(env_stat(env, path, &st, NULL), ERR_OK);
    return st.size;
}

/* A small generator of the test's own. */
UNUSED static uint64_t sim_draw(uint64_t *state, uint64_t below)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (*state >> 33) % below;
}

#endif
