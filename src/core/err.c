/* The table of errors as functions, and the sentences of struct ectx. Text that does not fit is cut
 * at the end, never overrun; a wrap keeps the outer words and cuts the inner ones. */
#include "core/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/check.h"

static const struct {
    const char *name;
    const char *text;
    int16_t kafka;
    int16_t http;
    bool retriable;
} table[] = {
#define ERR_ROW(name, kafka, http, retriable, text) {#name, text, kafka, http, retriable},
    ERR_MAP(ERR_ROW)
#undef ERR_ROW
};

static size_t row(enum err e)
{
    CHECK((size_t)e < ARRAY_LEN(table));
    return (size_t)e;
}

const char *err_name(enum err e)
{
    return table[row(e)].name;
}

const char *err_text(enum err e)
{
    return table[row(e)].text;
}

int16_t err_kafka(enum err e)
{
    return table[row(e)].kafka;
}

int err_http(enum err e)
{
    return table[row(e)].http;
}

bool err_retriable(enum err e)
{
    return table[row(e)].retriable;
}

enum err ectx_fail(struct ectx *ec, enum err e, const char *fmt, ...)
{
    if (ec == NULL) {
        return e;
    }
    /* Formatted aside first: an argument may be ec->text itself. */
    char text[sizeof(ec->text)];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    ec->code = e;
    ec->hint[0] = '\0';
    if (n < 0) {
        text[0] = '\0';
    }
    memcpy(ec->text, text, sizeof(text));
    return e;
}

void ectx_hint(struct ectx *ec, const char *fmt, ...)
{
    if (ec == NULL) {
        return;
    }
    va_list ap;
    va_start(ap, fmt);
    if (vsnprintf(ec->hint, sizeof(ec->hint), fmt, ap) < 0) {
        ec->hint[0] = '\0';
    }
    va_end(ap);
}

enum err ectx_wrap(struct ectx *ec, enum err e, const char *fmt, ...)
{
    if (ec == NULL) {
        return e;
    }
    char outer[sizeof(ec->text)];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(outer, sizeof(outer), fmt, ap);
    va_end(ap);
    if (n > 0) {
        char text[sizeof(ec->text)];
        size_t at = (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1;
        memcpy(text, outer, at);
        const char *parts[] = {": ", ec->text};
        for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
            size_t len = strnlen(parts[i], sizeof(ec->text));
            size_t room = sizeof(text) - 1 - at;
            len = len < room ? len : room;
            memcpy(text + at, parts[i], len);
            at += len;
        }
        memcpy(ec->text, text, at);
        ec->text[at] = '\0';
    }
    ec->code = e;
    return e;
}

enum err err_of_errno(int errno_value)
{
    switch (errno_value) {
    case 0:
        return ERR_OK;
    case ENOSPC:
    case EDQUOT:
        return ERR_NO_SPACE;
    case ENOMEM:
    case ENOBUFS:
        return ERR_NO_MEMORY;
    case EMFILE:
    case ENFILE:
        return ERR_NO_DESCRIPTORS;
    case ENOENT:
    case ENOTDIR:
        return ERR_NOT_FOUND;
    case EEXIST:
    case ENOTEMPTY:
        return ERR_EXISTS;
    case EACCES:
    case EPERM:
        return ERR_PERMISSION;
    case EROFS:
        return ERR_READ_ONLY;
    case EAGAIN:
#if EWOULDBLOCK != EAGAIN
    case EWOULDBLOCK:
#endif
    case EINPROGRESS:
        return ERR_AGAIN;
    case ECONNRESET:
    case ECONNABORTED:
    case ECONNREFUSED:
    case EPIPE:
    case ENOTCONN:
    case ESHUTDOWN:
    case ETIMEDOUT:
    case EHOSTUNREACH:
    case ENETUNREACH:
        return ERR_CLOSED;
    case EADDRINUSE:
        return ERR_ADDRESS_IN_USE;
    case EFBIG:
    case EOVERFLOW:
    case ENAMETOOLONG:
        return ERR_LIMIT;
    case EIO:
    default:
        return ERR_IO;
    }
}
