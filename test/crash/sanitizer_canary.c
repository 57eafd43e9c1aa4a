/*
 * Is a finding of a sanitizer seen? Commits one fault of a kind and ends by SIGKILL, as a server in
 * the tests does, or cleanly where the kind is only found then. test/parts/80-sanitizers runs it
 * with the options with which it runs everything else, and expects a report.
 *
 *   sanitizer_canary race|heap|undefined|leak|none
 */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uint32_t shared;

static void *touch(void *arg)
{
    (void)arg;
    for (int i = 0; i < 1000; i++) {
        shared++;
    }
    return NULL;
}

static int race(void)
{
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        if (pthread_create(&threads[i], NULL, touch, NULL) != 0) {
            return 1;
        }
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    return shared == 0;
}

static int heap(size_t n)
{
    char *volatile p = malloc(n); /* volatile: no compiler is to see what is wrong here */
    if (p == NULL) {
        return 1;
    }
    memset(p, 1, n);
    volatile size_t at = n;
    int seen = p[at];
    free(p);
    return seen;
}

static int undefined(int n)
{
    volatile int most = INT32_MAX;
    return most + n;
}

static int leak(size_t n)
{
    volatile uintptr_t gone = (uintptr_t)malloc(n);
    gone ^= UINTPTR_MAX;
    return gone == 0;
}

int main(int argc, char **argv)
{
    const char *kind = argc == 2 ? argv[1] : "";
    volatile int seen = 0;
    if (strcmp(kind, "race") == 0) {
        seen = race();
    } else if (strcmp(kind, "heap") == 0) {
        seen = heap((size_t)argc * 8);
    } else if (strcmp(kind, "undefined") == 0) {
        seen = undefined(argc);
    } else if (strcmp(kind, "leak") == 0) {
        seen = leak((size_t)argc * 8);
        return 0;
    } else if (strcmp(kind, "none") != 0) {
        fputs("usage: sanitizer_canary race|heap|undefined|leak|none\n", stderr);
        return 2;
    }
    (void)seen;
    kill(getpid(), SIGKILL);
    return 0;
}
