/* The handful of compiler attributes that the house uses, behind names that say what they mean. */
#ifndef LEAT_CORE_COMPILER_H
#define LEAT_CORE_COMPILER_H

#define MUST_USE                          __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt_index, first_arg) __attribute__((format(printf, fmt_index, first_arg)))
#define NORETURN                          __attribute__((noreturn))
#define UNUSED                            __attribute__((unused))
/* A function that returns new memory, to be released by `free_fn`. gcc checks the pairing, clang
 * cannot. */
#ifdef __clang__
#define ALLOCATES(free_fn) __attribute__((malloc))
#else
#define ALLOCATES(free_fn) __attribute__((malloc, malloc(free_fn, 1)))
#endif
/* Of a large variable in a hot path, which is written before it is read: it is not filled with
 * zeros first, as the hardened build fills all others. */
#define NOT_ZEROED   __attribute__((uninitialized))
#define LIKELY(x)    __builtin_expect(!!(x), 1)
#define UNLIKELY(x)  __builtin_expect(!!(x), 0)
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* Says at the call that a MUST_USE result is deliberately ignored; the reason stands beside it. */
#define IGNORE(expr) \
    do {             \
        if (expr) {  \
        }            \
    } while (0)

/* The object of type `type` whose field `field` is at `ptr`. */
#define CONTAINER_OF(ptr, type, field) ((type *)(void *)((char *)(ptr)-offsetof(type, field)))

#endif
