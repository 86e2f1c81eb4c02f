/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/envelope.h"
#include "base/base64.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/heap.h"
#include "crypto/sealed.h"
#include "crypto/secret.h"
#include "crypto/sha256.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define ENVELOPE_HEADER STR("countersign-root-key v1")

enum {
        ENVELOPE_KEYS_MAX = 2,
        ENVELOPE_FILE_MAX = 4096,
};

struct envelope_key {
        uint32_t version; /* from 1; 0 is none */
        uint8_t bytes[AEAD_KEY_SIZE];
};

/* In secret memory. keys[0] is the current one, keys[1] the previous one, if any. */
struct envelope {
        struct envelope_key keys[ENVELOPE_KEYS_MAX];
};

static void envelope_close_fdp(int *fd)
{
        if (*fd >= 0)
                close(*fd);
}

static const struct envelope_key *envelope_find(const struct envelope *envelope, uint32_t version)
{
        for (size_t i = 0; i < ENVELOPE_KEYS_MAX; i++) {
                if (version != 0 && envelope->keys[i].version == version)
                        return &envelope->keys[i];
        }
        return NULL;
}

static bool envelope_new(struct envelope **ret, struct err *err)
{
        *ret = secret_alloc(sizeof(**ret));
        if (!*ret)
                return err_set(err, ERR_NO_MEMORY, "no memory for the root key");
        return true;
}

void envelope_free(struct envelope *envelope)
{
        secret_free(envelope, sizeof(*envelope));
}

static bool envelope_parse_key(struct arena *arena, struct str line, const char *role,
                               struct envelope_key *ret)
{
        struct str rest = line, word, bytes;
        uint64_t version;
        if (!str_cut(&rest, ' ', &word) || !str_is(word, role) || !str_cut(&rest, ' ', &word) ||
            !str_to_u64(word, &version) || version == 0 || version > UINT32_MAX ||
            !base64_decode(arena, rest, &bytes) || bytes.len != AEAD_KEY_SIZE)
                return false;
        ret->version = (uint32_t)version;
        memcpy(ret->bytes, bytes.ptr, AEAD_KEY_SIZE);
        return true;
}

static bool envelope_parse(const char *path, struct str text, struct envelope *envelope, struct err *err)
{
        ARENA_SCOPED arena;
        arena_init_zeroing(&arena, 65536);
        struct str rest = text, line;
        if (!str_cut(&rest, '\n', &line) || !str_eq(line, ENVELOPE_HEADER))
                return err_set(err, ERR_CONFIG, "%s does not begin with \"%s\"", path, ENVELOPE_HEADER.ptr);
        if (!str_cut(&rest, '\n', &line) || !envelope_parse_key(&arena, line, "current", &envelope->keys[0]))
                return err_set(err, ERR_CONFIG,
                               "%s: line 2 is not \"current <version> <base64 of 32 bytes>\"", path);
        if (rest.len == 0)
                return true;
        if (!str_cut(&rest, '\n', &line) || rest.len > 0 ||
            !envelope_parse_key(&arena, line, "previous", &envelope->keys[1]) ||
            envelope->keys[1].version == envelope->keys[0].version)
                return err_set(err, ERR_CONFIG,
                               "%s: line 3 is not \"previous <version> <base64 of 32 bytes>\"", path);
        return true;
}

static void envelope_format_key(struct buf *buf, const char *role, const struct envelope_key *key)
{
        if (key->version == 0)
                return;
        buf_printf(buf, "%s %u ", role, key->version);
        base64_append(buf, str_make(key->bytes, AEAD_KEY_SIZE));
        buf_append_char(buf, '\n');
}

/* ret_missing instead of an error when there is no such file. */
static bool envelope_read(const char *path, struct envelope *envelope, bool *ret_missing, struct err *err)
{
        _cleanup_(envelope_close_fdp) int fd = open(path, O_RDONLY | O_CLOEXEC);
        *ret_missing = fd < 0 && errno == ENOENT;
        if (*ret_missing)
                return true;
        struct stat st;
        if (fd < 0 || fstat(fd, &st) < 0)
                return err_set_errno(err, ERR_CONFIG, errno, "cannot open the root key file %s", path);
        if (st.st_mode & 077)
                return err_set(err, ERR_CONFIG,
                               "the root key file %s can be read by others (mode %03o): chmod 600 it, and "
                               "rotate the key if others could have read it",
                               path, (unsigned)(st.st_mode & 0777));
        char *text = secret_alloc(ENVELOPE_FILE_MAX);
        if (!text)
                return err_set(err, ERR_NO_MEMORY, "no memory for the root key");
        ssize_t len = read(fd, text, ENVELOPE_FILE_MAX);
        bool ok = len >= 0 ? envelope_parse(path, str_make(text, (size_t)len), envelope, err)
                           : err_set_errno(err, ERR_CONFIG, errno, "cannot read the root key file %s", path);
        secret_free(text, ENVELOPE_FILE_MAX);
        return ok;
}

/* Makes the entry in the folder durable as well. */
static bool envelope_sync_folder(const char *path)
{
        char folder[4096];
        const char *slash = strrchr(path, '/');
        int len = slash ? (int)(slash - path) + 1 : 1;
        if (snprintf(folder, sizeof(folder), "%.*s", len, slash ? path : ".") >= (int)sizeof(folder))
                return false;
        _cleanup_(envelope_close_fdp) int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd >= 0 && fsync(fd) == 0;
}

static bool envelope_write_temporary(const char *path, struct str text)
{
        _cleanup_(envelope_close_fdp) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        return fd >= 0 && write(fd, text.ptr, text.len) == (ssize_t)text.len && fsync(fd) == 0;
}

/*
 * Writes the key file whole or not at all. A new one never replaces another
 * that came first: link(2) fails then, and *ret_exists says so.
 */
static bool envelope_write(const char *path, const struct envelope *envelope, bool replace, bool *ret_exists,
                           struct err *err)
{
        char temporary[4096];
        uint64_t unique;
        random_bytes(&unique, sizeof(unique));
        if (snprintf(temporary, sizeof(temporary), "%s.%016llx", path, (unsigned long long)unique) >=
            (int)sizeof(temporary))
                return err_set(err, ERR_CONFIG, "the path of the root key file is too long");
        struct buf text;
        buf_init(&text, ENVELOPE_FILE_MAX);
        buf_append_str(&text, ENVELOPE_HEADER);
        buf_append_char(&text, '\n');
        envelope_format_key(&text, "current", &envelope->keys[0]);
        envelope_format_key(&text, "previous", &envelope->keys[1]);
        bool ok = buf_check(&text, "the root key file", err);
        if (ok && !envelope_write_temporary(temporary, buf_str(&text)))
                ok = err_set_errno(err, ERR_CONFIG, errno, "cannot write the root key file %s", temporary);
        buf_done_zeroing(&text);
        *ret_exists = false;
        if (ok && (replace ? rename(temporary, path) : link(temporary, path)) < 0) {
                *ret_exists = !replace && errno == EEXIST;
                ok = *ret_exists ||
                     err_set_errno(err, ERR_CONFIG, errno, "cannot write the root key file %s", path);
        }
        unlink(temporary);
        if (ok && !envelope_sync_folder(path))
                ok = err_set_errno(err, ERR_CONFIG, errno, "cannot make the root key file %s durable", path);
        return ok;
}

bool envelope_open(const char *path, struct envelope **ret, struct err *err)
{
        _cleanup_(envelope_freep) struct envelope *envelope = NULL;
        bool missing = false, exists = false;
        if (!envelope_new(&envelope, err) || !envelope_read(path, envelope, &missing, err))
                return false;
        if (missing) {
                envelope->keys[0].version = 1;
                random_bytes(envelope->keys[0].bytes, AEAD_KEY_SIZE);
                if (!envelope_write(path, envelope, false, &exists, err))
                        return false;
                /* Somebody else was first: theirs is the key. */
                if (exists) {
                        if (!envelope_read(path, envelope, &missing, err))
                                return false;
                        if (missing)
                                return err_set(err, ERR_CONFIG, "the root key file %s came and went", path);
                }
        }
        *ret = envelope;
        envelope = NULL;
        return true;
}

bool envelope_open_ephemeral(struct envelope **ret, struct err *err)
{
        struct envelope *envelope = secret_alloc(sizeof(*envelope));
        if (!envelope)
                return err_set(err, ERR_NO_MEMORY, "no memory for the root key");
        envelope->keys[0].version = 1;
        random_bytes(envelope->keys[0].bytes, AEAD_KEY_SIZE);
        *ret = envelope;
        return true;
}

bool envelope_rotate_file(const char *path, struct err *err)
{
        _cleanup_(envelope_freep) struct envelope *envelope = NULL;
        bool missing = false, exists = false;
        if (!envelope_new(&envelope, err) || !envelope_read(path, envelope, &missing, err))
                return false;
        if (missing)
                return err_set(err, ERR_CONFIG, "there is no root key file %s to rotate", path);
        if (envelope->keys[0].version == UINT32_MAX)
                return err_set(err, ERR_CONFIG, "the root key has no further version");
        envelope->keys[1] = envelope->keys[0];
        envelope->keys[0].version++;
        random_bytes(envelope->keys[0].bytes, AEAD_KEY_SIZE);
        return envelope_write(path, envelope, true, &exists, err);
}

uint32_t envelope_current_version(const struct envelope *envelope)
{
        return envelope->keys[0].version;
}

uint32_t envelope_version_of(struct str wrapped)
{
        return sealed_version(SEALED_BY_ROOT, wrapped);
}

bool envelope_is_current(const struct envelope *envelope, struct str wrapped)
{
        return sealed_version(SEALED_BY_ROOT, wrapped) == envelope->keys[0].version;
}

bool envelope_wrap(const struct envelope *envelope, struct arena *arena, const struct str *row,
                   size_t row_count, struct str secret, struct str *ret_wrapped, struct err *err)
{
        const struct sealed_key key = {SEALED_BY_ROOT, envelope->keys[0].version, envelope->keys[0].bytes};
        return sealed_make(arena, &key, row, row_count, secret, ret_wrapped, err);
}

bool envelope_unwrap(const struct envelope *envelope, struct arena *arena, const struct str *row,
                     size_t row_count, struct str wrapped, struct str *ret_secret, struct err *err)
{
        uint32_t version = sealed_version(SEALED_BY_ROOT, wrapped);
        if (version == 0)
                return err_set(err, ERR_BAD_SIGNATURE, "a wrapped secret of %zu bytes is malformed",
                               wrapped.len);
        const struct envelope_key *found = envelope_find(envelope, version);
        if (!found)
                return err_set(
                        err, ERR_BAD_SIGNATURE,
                        "a secret is wrapped by root key version %u, which the key file does not have",
                        version);
        const struct sealed_key key = {SEALED_BY_ROOT, version, found->bytes};
        return sealed_open(arena, &key, row, row_count, wrapped, ret_secret, err);
}

uint32_t envelope_derive_version(const struct envelope *envelope)
{
        return envelope->keys[0].version;
}

bool envelope_derive(const struct envelope *envelope, uint32_t version, struct str purpose,
                     uint8_t ret_key[32], struct err *err)
{
        const struct envelope_key *key = envelope_find(envelope, version);
        if (!key)
                return err_set(err, ERR_NOT_FOUND, "the key file has no root key version %u", version);
        return hkdf_sha256(str_make(key->bytes, AEAD_KEY_SIZE), STR("countersign/derive"), purpose, ret_key,
                           32, err);
}
