/*
 * main() of a fuzz target that is built without libFuzzer: runs the files named on the command
 * line, and the files of the folders named there, through the target once each. Prints how many.
 * A finding ends the process, by the sanitizer or by CHECK; the name of the input is the last line
 * before it.
 */
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run_file(const char *path)
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
    free(bytes);
    return 1;
}

static int run_folder(const char *path)
{
    struct dirent **names = NULL;
    int n = scandir(path, &names, NULL, alphasort);
    int ran = n < 0 ? -1 : 0;
    for (int i = 0; i < n; i++) {
        char file[4096];
        int one = 0;
        if (names[i]->d_name[0] != '.') {
            snprintf(file, sizeof(file), "%s/%s", path, names[i]->d_name);
            one = run_file(file);
        }
        ran = one < 0 || ran < 0 ? -1 : ran + one;
        free(names[i]);
    }
    free(names);
    return ran;
}

int main(int argc, char **argv)
{
    int ran = 0;
    for (int i = 1; i < argc; i++) {
        struct stat st;
        bool folder = stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode);
        int n = folder ? run_folder(argv[i]) : run_file(argv[i]);
        if (n < 0) {
            return 1;
        }
        ran += n;
    }
    printf("%d inputs\n", ran);
    return ran > 0 ? 0 : 1;
}
