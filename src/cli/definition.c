/* Definitions in files. What they mean is the server's to say; here only their name is looked for.
 */
#include "cli/definition.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cli/stream.h"
#include "json/yaml.h"

static enum err read_file(struct cli *cli, const char *file, struct str *out)
{
    const int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return ectx_fail(&cli->ec, err_of_errno(errno), "could not open '%s'", file);
    }
    struct buf b;
    buf_init(&b, YAML_TEXT_MAX);
    enum err e = ERR_OK;
    ssize_t n = 1;
    while (e == ERR_OK && n > 0) {
        if (!buf_reserve(&b, 65536)) {
            e = ectx_fail(&cli->ec, ERR_LIMIT, "'%s' is over %u bytes", file, YAML_TEXT_MAX);
        } else if ((n = read(fd, b.p + b.n, 65536)) < 0 && errno != EINTR) {
            e = ectx_fail(&cli->ec, err_of_errno(errno), "could not read '%s'", file);
        } else {
            b.n += n > 0 ? (size_t)n : 0;
            n = n < 0 ? 1 : n;
        }
    }
    close(fd);
    *out = e == ERR_OK ? arena_str(&cli->arena, buf_str(&b)) : STR_NULL;
    buf_deinit(&b);
    return e != ERR_OK || !str_is_null(*out) ? e : ERR_NO_MEMORY;
}

/* "dir/order.yaml" -> "order" */
static struct str base_name(struct cli *cli, const char *file)
{
    const char *slash = strrchr(file, '/');
    struct str name = str_of(slash == NULL ? file : slash + 1);
    const char *dot = memrchr(name.p, '.', name.n);
    return arena_str(&cli->arena, dot == NULL || dot == name.p
                                      ? name
                                      : str_make(name.p, (size_t)(dot - name.p)));
}

static enum err find_name(struct cli *cli, struct definition *d, const char *file,
                          const char *member)
{
    struct buf text;
    struct yaml_map *map;
    struct json *v;
    buf_init(&text, YAML_TEXT_MAX * 8);
    enum err e = yaml_to_json(d->text, file, &text, &cli->arena, &map, &cli->ec);
    e = e == ERR_OK ? json_parse(buf_str(&text), NULL, &cli->arena, &v, &cli->ec) : e;
    const struct json *name = e == ERR_OK ? json_get(v, member) : NULL;
    if (e == ERR_OK && (name == NULL || name->kind != JSON_STRING)) {
        e = ectx_fail(&cli->ec, ERR_CONFIG, "%s: '%s' is missing: its name", file, member);
    }
    if (e == ERR_OK) {
        const struct str z = arena_str(&cli->arena, name->string);
        d->name = str_is_null(z) ? z : http_encode(&cli->arena, z.p);
    }
    buf_deinit(&text);
    return e;
}

MUST_USE enum err definition_read(struct cli *cli, const char *file, const char *member,
                                  struct definition *out)
{
    const bool input = strcmp(file, "-") == 0;
    if (input && member == NULL) {
        const enum err e = ectx_fail(&cli->ec, ERR_CONFIG, "the input has no name to be called by");
        ectx_hint(&cli->ec, "give a file: its name without folder and suffix is the name");
        return e;
    }
    *out = (struct definition){.file = http_encode(&cli->arena, input ? "input" : file)};
    enum err e = input ? stream_read_input(cli, &out->text) : read_file(cli, file, &out->text);
    if (e != ERR_OK) {
        return e;
    }
    if (member != NULL) {
        e = find_name(cli, out, file, member);
    } else {
        const struct str name = base_name(cli, file);
        out->name = str_is_null(name) ? name : http_encode(&cli->arena, name.p);
    }
    return e == ERR_OK && (str_is_null(out->name) || str_is_null(out->file)) ? ERR_NO_MEMORY : e;
}
