/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/passwords_list.h"

#include "base/heap.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SHA1_SIZE = 20, SHA1_HEX = 40, LINE_MAX_BYTES = 128, WORDS_MAX = 10000000 };

struct password_list {
        int fd;           /* of hashes; -1 for words */
        off_t size_bytes; /* of its file */
        uint64_t *words;  /* the first 8 bytes of each word's SHA-1, in order */
        size_t count;
};

static void sha1(struct str text, uint8_t ret[SHA1_SIZE])
{
        unsigned len = SHA1_SIZE;

        if (EVP_Digest(text.ptr ? text.ptr : "", text.len, ret, &len, EVP_sha1(), NULL) != 1)
                abort(); /* as sha256_of: there is nothing to do without digests */
}

static uint64_t first_of(const uint8_t hash[SHA1_SIZE])
{
        uint64_t value = 0;

        for (int i = 0; i < 8; i++)
                value = value << 8 | hash[i];
        return value;
}

static bool is_hash_line(const char *line, size_t len)
{
        if (len < SHA1_HEX ||
            (len > SHA1_HEX && line[SHA1_HEX] != ':' && !isspace((unsigned char)line[SHA1_HEX])))
                return false;
        for (size_t i = 0; i < SHA1_HEX; i++)
                if (!isxdigit((unsigned char)line[i]))
                        return false;
        return true;
}

static int by_value(const void *a, const void *b)
{
        uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

        return left < right ? -1 : left > right;
}

static bool read_words(struct password_list *list, FILE *file, const char *path, struct err *err)
{
        char *line = NULL;
        size_t size = 0, room = 0;
        ssize_t len;
        bool ok = true;

        while (ok && (len = getline(&line, &size, file)) >= 0) {
                uint8_t hash[SHA1_SIZE];

                while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r'))
                        len--;
                if (len == 0)
                        continue;
                if (list->count == room) {
                        uint64_t *more;

                        room = room ? 2 * room : 1024;
                        more = heap_realloc(list->words, room * sizeof(*more));
                        if (!more || list->count >= WORDS_MAX)
                                ok = err_set(err, ERR_CONFIG,
                                             "%s: more than %d lines, or no memory for them", path,
                                             WORDS_MAX);
                        if (!more)
                                break;
                        list->words = more;
                }
                sha1(str_make(line, (size_t)len), hash);
                list->words[list->count++] = first_of(hash);
        }
        if (ok && ferror(file))
                ok = err_set_errno(err, ERR_CONFIG, errno, "%s", path);
        free(line);
        if (list->count > 0)
                qsort(list->words, list->count, sizeof(*list->words), by_value);
        return ok;
}

bool password_list_open(const char *path, struct password_list **ret, struct err *err)
{
        struct password_list *list = heap_alloc_zeroed(1, sizeof(*list));
        FILE *file = fopen(path, "re");
        char line[LINE_MAX_BYTES];
        struct stat facts;
        size_t len;
        bool ok;

        *ret = NULL;
        if (!list || !file) {
                int number = errno;

                if (file)
                        (void)fclose(file);
                heap_free(list);
                return file ? err_set(err, ERR_NO_MEMORY, "no memory for the list of passwords")
                            : err_set_errno(err, ERR_CONFIG, number, "%s", path);
        }
        list->fd = -1;
        len = fread(line, 1, SHA1_HEX + 1, file);
        rewind(file);
        if (is_hash_line(line, len)) {
                list->fd = fcntl(fileno(file), F_DUPFD_CLOEXEC, 0);
                ok = list->fd >= 0 && fstat(list->fd, &facts) == 0;
                list->size_bytes = ok ? facts.st_size : 0;
                if (!ok)
                        (void)err_set_errno(err, ERR_CONFIG, errno, "%s", path);
        } else {
                ok = read_words(list, file, path, err);
        }
        (void)fclose(file);
        if (!ok) {
                password_list_close(list);
                return false;
        }
        *ret = list;
        return true;
}

void password_list_close(struct password_list *list)
{
        if (!list)
                return;
        if (list->fd >= 0)
                (void)close(list->fd);
        heap_free(list->words);
        heap_free(list);
}

/* The first line that begins at `at` or behind it: its start and its hash in upper case. False: there is
 * none. */
static bool line_behind(const struct password_list *list, off_t at, off_t *ret_start, char ret_hex[SHA1_HEX],
                        bool *ret_failed)
{
        char text[2 * LINE_MAX_BYTES];
        size_t skip = 0;
        ssize_t len = pread(list->fd, text, sizeof(text), at > 0 ? at - 1 : 0);

        *ret_failed = len < 0;
        if (len <= 0)
                return false;
        if (at > 0) {
                while (skip < (size_t)len && text[skip] != '\n')
                        skip++;
                skip++;
        }
        *ret_start = (at > 0 ? at - 1 : 0) + (off_t)skip;
        if (skip + SHA1_HEX > (size_t)len)
                return false;
        for (size_t i = 0; i < SHA1_HEX; i++)
                ret_hex[i] = (char)toupper((unsigned char)text[skip + i]);
        return true;
}

static bool file_has(const struct password_list *list, const uint8_t hash[SHA1_SIZE], bool *ret_failed)
{
        char wanted[SHA1_HEX + 1], found[SHA1_HEX];
        off_t low = 0, high = list->size_bytes;

        for (size_t i = 0; i < SHA1_SIZE; i++)
                (void)snprintf(wanted + 2 * i, 3, "%02X", hash[i]);
        while (low < high) {
                off_t middle = low + (high - low) / 2;
                off_t start;
                int order;

                if (!line_behind(list, middle, &start, found, ret_failed)) {
                        high = middle; /* the last line begins before */
                        if (*ret_failed)
                                return false;
                        continue;
                }
                order = memcmp(wanted, found, SHA1_HEX);
                if (order == 0)
                        return true;
                if (order < 0)
                        high = middle;
                else
                        low = start + SHA1_HEX;
        }
        return false;
}

bool password_list_has(const struct password_list *list, struct str password, bool *ret_failed)
{
        uint8_t hash[SHA1_SIZE];
        uint64_t value;

        *ret_failed = false;
        sha1(password, hash);
        if (list->fd >= 0)
                return file_has(list, hash, ret_failed);
        value = first_of(hash);
        return list->count > 0 &&
               bsearch(&value, list->words, list->count, sizeof(*list->words), by_value) != NULL;
}
