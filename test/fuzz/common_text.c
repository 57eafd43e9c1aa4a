/* Lines of configuration for the fuzz targets that read text: names of the option table, values
 * that fit or nearly fit. */
#include "config/config.h"
#include "fuzz/common.h"

static void put_value(struct fuzz_source *s, const struct config_option *o, struct buf *out)
{
    static const char *const odd[] = {"",
                                      "true",
                                      "false",
                                      "0",
                                      "-1",
                                      "1e9",
                                      "9223372036854775807",
                                      "18446744073709551616",
                                      "nan",
                                      "a,b",
                                      "127.0.0.1:0",
                                      "[::1]:1",
                                      "0.0.0.0:9092",
                                      "\xff",
                                      "~",
                                      "{}"};
    switch (fuzz_below(s, 4)) {
    case 0:
        buf_put_z(out, o->default_value == NULL ? "" : o->default_value);
        break;
    case 1:
        buf_printf(out, "%.0f", o->min + (double)((int64_t)fuzz_below(s, 3) - 1));
        break;
    case 2:
        buf_printf(out, "%.0f", o->max + (double)((int64_t)fuzz_below(s, 3) - 1));
        break;
    default:
        buf_put_z(out, odd[fuzz_below(s, ARRAY_LEN(odd))]);
        break;
    }
}

static void put_name(struct str name, bool variable, struct buf *out)
{
    if (variable && str_starts(name, "leat.")) {
        name = str_make(name.p + 5, name.n - 5);
    }
    buf_put_z(out, variable ? "LEAT_" : "");
    for (size_t i = 0; i < name.n; i++) {
        bool lower = name.p[i] >= 'a' && name.p[i] <= 'z';
        char c = name.p[i] == '.' ? '_' : lower ? (char)(name.p[i] - 'a' + 'A') : name.p[i];
        buf_put_u8(out, (uint8_t)(variable ? c : name.p[i]));
    }
}

void fuzz_option_put(struct fuzz_source *s, enum fuzz_option_form form, struct buf *out)
{
    const struct config_option *o =
        config_option_at(fuzz_below(s, (uint32_t)config_option_count()));
    bool list = form == FUZZ_OPTION_YAML && fuzz_below(s, 4) == 3;
    put_name(str_of(o->name), form == FUZZ_OPTION_VARIABLE, out);
    buf_put_z(out, form != FUZZ_OPTION_YAML ? "=" : list ? ": [" : ": ");
    put_value(s, o, out);
    buf_put_z(out, list ? "]" : "");
}

size_t fuzz_insert(struct fuzz_source *s, uint8_t *data, size_t size, size_t max, struct str line)
{
    size_t at = fuzz_below(s, (uint32_t)size + 1);
    while (at > 0 && data[at - 1] != '\n') {
        at--;
    }
    if (line.n > max - size) {
        return size;
    }
    memmove(data + at + line.n, data + at, size - at);
    memcpy(data + at, line.p, line.n);
    return size + line.n;
}
