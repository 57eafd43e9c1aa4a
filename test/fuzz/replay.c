/*
 * main() of a fuzz target that is built without libFuzzer: runs the files named on the command
 * line, and the files of the folders named there, through the target once each. Prints how many.
 * A finding ends the process, by the sanitizer or by CHECK; the name of the input is the last line
 * before it.
 *
 * --rounds N: each input is also changed N times, by the target's mutator or a small one here, and
 * the results run too. The same seeds every time: what passes once passes always.
 */
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
__attribute__((weak)) size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max,
                                                     unsigned int seed);

#define CHANGED_MAX 4096

/* The files come in the order of their names, so a run repeats. */
static uint32_t next_random(void)
{
    static uint32_t state = 1;
    state = state * 1664525u + 1013904223u;
    return state >> 8;
}

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max)
{
    size_t at = size == 0 ? 0 : next_random() % size;
    switch (next_random() % 4) {
    case 0: /* one more */
        if (size < max) {
            memmove(data + at + 1, data + at, size - at);
            data[at] = (uint8_t)next_random();
            return size + 1;
        }
        break;
    case 1: /* one less */
        if (size > 1) {
            memmove(data + at, data + at + 1, size - at - 1);
            return size - 1;
        }
        break;
    case 2:
        if (size > 0) {
            data[at] ^= (uint8_t)(1u << next_random() % 8);
        }
        break;
    default:
        if (size > 0) {
            data[at] = (uint8_t)next_random();
        }
        break;
    }
    return size;
}

/* The input after each of `rounds` changes, which add up. */
static void run_changed(const uint8_t *bytes, size_t size, unsigned rounds)
{
    uint8_t *work = malloc(CHANGED_MAX);
    size_t n = size < CHANGED_MAX ? size : CHANGED_MAX;
    if (work == NULL) {
        abort();
    }
    memcpy(work, bytes, n);
    for (unsigned i = 0; i < rounds; i++) {
        n = LLVMFuzzerCustomMutator == NULL
                ? LLVMFuzzerMutate(work, n, CHANGED_MAX)
                : LLVMFuzzerCustomMutator(work, n, CHANGED_MAX, next_random());
        uint8_t *exact = malloc(n > 0 ? n : 1);
        if (exact == NULL) {
            abort();
        }
        memcpy(exact, work, n);
        LLVMFuzzerTestOneInput(exact, n);
        free(exact);
    }
    free(work);
}

static int run_file(const char *path, unsigned rounds)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        perror(path);
        return -1;
    }
    fseek(f, 0, SEEK_END);
    long size = ftell(f);
    rewind(f);
    /* Exactly as large as the input, so that a read past its end is found. */
    uint8_t *bytes = malloc(size > 0 ? (size_t)size : 1);
    if (size < 0 || bytes == NULL || fread(bytes, 1, (size_t)size, f) != (size_t)size) {
        fprintf(stderr, "%s: could not be read\n", path);
        free(bytes);
        fclose(f);
        return -1;
    }
    fclose(f);
    printf("%s\n", path);
    fflush(stdout);
    LLVMFuzzerTestOneInput(bytes, (size_t)size);
    run_changed(bytes, (size_t)size, rounds);
    free(bytes);
    return 1 + (int)rounds;
}

static int run_folder(const char *path, unsigned rounds)
{
    struct dirent **names = NULL;
    int n = scandir(path, &names, NULL, alphasort);
    int ran = n < 0 ? -1 : 0;
    for (int i = 0; i < n; i++) {
        char file[4096];
        int one = 0;
        if (names[i]->d_name[0] != '.') {
            snprintf(file, sizeof(file), "%s/%s", path, names[i]->d_name);
            one = run_file(file, rounds);
        }
        ran = one < 0 || ran < 0 ? -1 : ran + one;
        free(names[i]);
    }
    free(names);
    return ran;
}

int main(int argc, char **argv)
{
    int ran = 0, first = 1;
    unsigned rounds = 0;
    if (argc > 2 && strcmp(argv[1], "--rounds") == 0) {
        rounds = (unsigned)strtoul(argv[2], NULL, 10);
        first = 3;
    }
    for (int i = first; i < argc; i++) {
        struct stat st;
        bool folder = stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode);
        int n = folder ? run_folder(argv[i], rounds) : run_file(argv[i], rounds);
        if (n < 0) {
            return 1;
        }
        ran += n;
    }
    printf("%d inputs\n", ran);
    return ran > 0 ? 0 : 1;
}
