/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/envelope.h"
#include "base/base64.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/heap.h"
#include "crypto/root_key.h"
#include "crypto/sealed.h"
#include "crypto/secret.h"
#include "crypto/sha256.h"

#include <errno.h>
#include <pthread.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define ENVELOPE_HEADER STR("countersign-root-key v1")

enum { ENVELOPE_KEYS_MAX = 3, ENVELOPE_FILE_MAX = 16384, ENVELOPE_PATH_MAX = 4096 };

struct envelope_key {
        uint32_t version; /* from 1; 0 is none */
        uint8_t bytes[AEAD_KEY_SIZE];
};

enum { CURRENT, PREVIOUS, NEXT };

/* What the file holds. */
struct envelope_ring {
        struct envelope_key keys[ENVELOPE_KEYS_MAX];
        struct envelope_key derive[ENVELOPE_KEYS_MAX]; /* the last one is never used */
};

/* In secret memory, whole. */
struct envelope {
        pthread_rwlock_t lock; /* guards the ring */
        struct envelope_ring ring;
        _Atomic int64_t lease_us;     /* envelope_lease */
        struct root_key *root;        /* borrowed; NULL: the file's mode protects it */
        char path[ENVELOPE_PATH_MAX]; /* "": only in memory */
};

static void envelope_close_fdp(int *fd)
{
        if (*fd >= 0)
                close(*fd);
}

static void envelope_key_wipe(struct envelope_key *key)
{
        secret_wipe(key, sizeof(*key));
}

static const struct envelope_key *envelope_find(const struct envelope_key keys[ENVELOPE_KEYS_MAX],
                                                uint32_t version)
{
        for (size_t i = 0; i < ENVELOPE_KEYS_MAX; i++) {
                if (version != 0 && keys[i].version == version)
                        return &keys[i];
        }
        return NULL;
}

/* The lock is taken through a const envelope, too: looking changes nothing that anybody sees. */
static pthread_rwlock_t *envelope_lock(const struct envelope *envelope)
{
        return (pthread_rwlock_t *)(uintptr_t)&envelope->lock;
}

/* A copy, for the caller to wipe. Version 0: the current one. */
static bool envelope_take(const struct envelope *envelope, bool derive, uint32_t version,
                          struct envelope_key *ret)
{
        pthread_rwlock_rdlock(envelope_lock(envelope));
        const struct envelope_key *keys = derive ? envelope->ring.derive : envelope->ring.keys;
        const struct envelope_key *found = version == 0 ? &keys[0] : envelope_find(keys, version);
        if (found)
                *ret = *found;
        pthread_rwlock_unlock(envelope_lock(envelope));
        return found != NULL;
}

static bool envelope_new(struct root_key *root, const char *path, struct envelope **ret, struct err *err)
{
        *ret = NULL;
        if (strlen(path) >= ENVELOPE_PATH_MAX)
                return err_set(err, ERR_CONFIG, "the path of the root key file is too long");
        struct envelope *envelope = secret_alloc(sizeof(*envelope));
        if (!envelope)
                return err_set(err, ERR_NO_MEMORY, "no memory for the root key");
        pthread_rwlock_init(&envelope->lock, NULL);
        envelope->root = root;
        envelope->lease_us = INT64_MAX;
        memcpy(envelope->path, path, strlen(path) + 1);
        *ret = envelope;
        return true;
}

void envelope_free(struct envelope *envelope)
{
        if (!envelope)
                return;
        pthread_rwlock_destroy(&envelope->lock);
        secret_free(envelope, sizeof(*envelope));
}

const char *envelope_provider(const struct envelope *envelope)
{
        return envelope->root ? envelope->root->ops->name : "file";
}

/* ---- the file ---------------------------------------------------------------------------------- */

static bool envelope_parse_key(const struct envelope *envelope, struct arena *arena, struct str rest,
                               struct envelope_key *ret, struct err *err)
{
        struct str word, bytes;
        uint64_t version;
        if (!str_cut(&rest, ' ', &word) || !str_to_u64(word, &version) || version == 0 ||
            version > UINT32_MAX || !base64_decode(arena, rest, &bytes))
                return err_set(err, ERR_CONFIG, "a line is not \"<name> <version> <base64>\"");
        if (envelope->root && !envelope->root->ops->unwrap(envelope->root, arena, bytes, &bytes, err))
                return false;
        if (bytes.len != AEAD_KEY_SIZE)
                return err_set(err, ERR_CONFIG, "a key has %zu bytes, not 32", bytes.len);
        ret->version = (uint32_t)version;
        memcpy(ret->bytes, bytes.ptr, AEAD_KEY_SIZE);
        return true;
}

/* Where a line's key goes: each once, in the order of the format. */
static struct envelope_key *envelope_place(struct envelope_ring *ring, struct str name)
{
        if (str_is(name, "current") && ring->keys[0].version == 0)
                return &ring->keys[0];
        if (str_is(name, "previous") && ring->keys[0].version != 0 && ring->keys[1].version == 0)
                return &ring->keys[1];
        if (str_is(name, "next") && ring->keys[CURRENT].version != 0 && ring->keys[NEXT].version == 0)
                return &ring->keys[NEXT];
        if (str_is(name, "derive") && ring->keys[0].version != 0)
                return ring->derive[0].version == 0   ? &ring->derive[0]
                       : ring->derive[1].version == 0 ? &ring->derive[1]
                                                      : NULL;
        return NULL;
}

static bool envelope_check_header(const struct envelope *envelope, struct str line, struct err *err)
{
        struct str rest = line;
        if (!str_starts(rest, ENVELOPE_HEADER))
                return err_set(err, ERR_CONFIG, "it does not begin with \"%s\"", ENVELOPE_HEADER.ptr);
        rest = str_slice(rest, ENVELOPE_HEADER.len, rest.len);
        struct str name = rest.len > 0 ? str_slice(rest, 1, rest.len) : STR("file");
        return str_is(name, envelope_provider(envelope)) ||
               err_set(err, ERR_CONFIG, "it is protected by \"%.*s\", and the configuration says \"%s\"",
                       STR_ARG(name), envelope_provider(envelope));
}

static bool envelope_parse_text(struct envelope *envelope, struct str text, struct err *err)
{
        ARENA_SCOPED arena;
        arena_init_zeroing(&arena, 65536);
        struct envelope_ring *ring = &envelope->ring;
        struct str rest = text, line, name;
        (void)str_cut(&rest, '\n', &line);
        if (!envelope_check_header(envelope, line, err))
                return false;
        while (rest.len > 0) {
                struct envelope_key *place;
                if (!str_cut(&rest, '\n', &line) || !str_cut(&line, ' ', &name) ||
                    !(place = envelope_place(ring, name)))
                        return err_set(err, ERR_CONFIG, "its lines are not current, previous, next, derive");
                if (!envelope_parse_key(envelope, &arena, line, place, err))
                        return false;
        }
        if (ring->keys[0].version == 0 || ring->keys[0].version == ring->keys[1].version ||
            ring->keys[CURRENT].version == ring->keys[NEXT].version)
                return err_set(err, ERR_CONFIG, "it has no current key, or one version twice");
        if (ring->derive[0].version == 0)
                memcpy(ring->derive, ring->keys, sizeof(ring->derive));
        return true;
}

static bool envelope_parse(const char *path, struct str text, struct envelope *envelope, struct err *err)
{
        if (envelope_parse_text(envelope, text, err))
                return true;
        return err_prefix(err, "the root key file %s", path);
}

static bool envelope_format_key(const struct envelope *envelope, struct arena *arena, struct buf *buf,
                                const char *name, const struct envelope_key *key, struct err *err)
{
        struct str bytes = str_make(key->bytes, AEAD_KEY_SIZE);
        if (key->version == 0)
                return true;
        if (envelope->root && !envelope->root->ops->wrap(envelope->root, arena, bytes, &bytes, err))
                return false;
        buf_printf(buf, "%s %u ", name, key->version);
        base64_append(buf, bytes);
        buf_append_char(buf, '\n');
        return true;
}

static bool envelope_format(const struct envelope *envelope, const struct envelope_ring *ring,
                            struct buf *text, struct err *err)
{
        ARENA_SCOPED arena;
        arena_init_zeroing(&arena, 65536);
        buf_append_str(text, ENVELOPE_HEADER);
        if (envelope->root)
                buf_printf(text, " %s", envelope_provider(envelope));
        buf_append_char(text, '\n');
        return envelope_format_key(envelope, &arena, text, "current", &ring->keys[0], err) &&
               envelope_format_key(envelope, &arena, text, "previous", &ring->keys[1], err) &&
               envelope_format_key(envelope, &arena, text, "next", &ring->keys[NEXT], err) &&
               envelope_format_key(envelope, &arena, text, "derive", &ring->derive[0], err) &&
               envelope_format_key(envelope, &arena, text, "derive", &ring->derive[1], err) &&
               buf_check(text, "the root key file", err);
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
static bool envelope_write(const char *path, const struct envelope *envelope,
                           const struct envelope_ring *ring, bool replace, bool *ret_exists, struct err *err)
{
        char temporary[4096];
        uint64_t unique;
        random_bytes(&unique, sizeof(unique));
        if (snprintf(temporary, sizeof(temporary), "%s.%016llx", path, (unsigned long long)unique) >=
            (int)sizeof(temporary))
                return err_set(err, ERR_CONFIG, "the path of the root key file is too long");
        struct buf text;
        buf_init(&text, ENVELOPE_FILE_MAX);
        bool ok = envelope_format(envelope, ring, &text, err);
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

/* The first key, or whoever's came first. */
static bool envelope_create(struct envelope *envelope, struct err *err)
{
        struct envelope_ring *ring = &envelope->ring;
        bool exists = false, missing = false;
        ring->keys[0].version = ring->derive[0].version = 1;
        random_bytes(ring->keys[0].bytes, AEAD_KEY_SIZE);
        random_bytes(ring->derive[0].bytes, AEAD_KEY_SIZE);
        if (envelope->path[0] == '\0')
                return true;
        if (!envelope_write(envelope->path, envelope, ring, false, &exists, err))
                return false;
        if (!exists)
                return true;
        secret_wipe(ring, sizeof(*ring));
        if (!envelope_read(envelope->path, envelope, &missing, err))
                return false;
        return !missing || err_set(err, ERR_CONFIG, "the root key file %s was taken away", envelope->path);
}

bool envelope_open_by(const char *path, struct root_key *root, struct envelope **ret, struct err *err)
{
        _cleanup_(envelope_freep) struct envelope *envelope = NULL;
        bool missing = false;
        if (!envelope_new(root, path, &envelope, err) || !envelope_read(path, envelope, &missing, err) ||
            (missing && !envelope_create(envelope, err)))
                return false;
        *ret = envelope;
        envelope = NULL;
        return true;
}

bool envelope_open(const char *path, struct envelope **ret, struct err *err)
{
        return envelope_open_by(path, NULL, ret, err);
}

bool envelope_open_ephemeral(struct envelope **ret, struct err *err)
{
        return envelope_new(NULL, "", ret, err) && envelope_create(*ret, err);
}

/* ---- rotation ---------------------------------------------------------------------------------- */

/* Durable first, then in use. */
static bool envelope_replace(struct envelope *envelope, const struct envelope_ring *ring, struct err *err)
{
        bool exists;
        if (envelope->path[0] != '\0' && !envelope_write(envelope->path, envelope, ring, true, &exists, err))
                return false;
        pthread_rwlock_wrlock(&envelope->lock);
        envelope->ring = *ring;
        pthread_rwlock_unlock(&envelope->lock);
        return true;
}

static bool envelope_push(struct envelope_ring *ring, struct err *err)
{
        if (ring->keys[0].version == UINT32_MAX)
                return err_set(err, ERR_CONFIG, "the root key has no further version");
        ring->keys[1] = ring->keys[0];
        ring->keys[0].version++;
        random_bytes(ring->keys[0].bytes, AEAD_KEY_SIZE);
        return true;
}

bool envelope_rotate(struct envelope *envelope, struct err *err)
{
        struct envelope_ring ring = envelope->ring;
        bool ok =
                ring.keys[1].version == 0 ||
                err_set(err, ERR_CONFLICT, "root key version %u is still in use: the last rotation goes on",
                        ring.keys[1].version);
        ok = ok && envelope_push(&ring, err) && envelope_replace(envelope, &ring, err);
        secret_wipe(&ring, sizeof(ring));
        return ok;
}

bool envelope_retire(struct envelope *envelope, struct err *err)
{
        struct envelope_ring ring = envelope->ring;
        secret_wipe(&ring.keys[1], sizeof(ring.keys[1]));
        bool ok = envelope_replace(envelope, &ring, err);
        secret_wipe(&ring, sizeof(ring));
        return ok;
}

bool envelope_rotate_file(const char *path, struct err *err)
{
        _cleanup_(envelope_freep) struct envelope *envelope = NULL;
        bool missing;
        if (!envelope_new(NULL, path, &envelope, err) || !envelope_read(path, envelope, &missing, err))
                return false;
        if (missing)
                return err_set(err, ERR_CONFIG, "there is no root key file %s", path);
        return envelope_push(&envelope->ring, err) && envelope_replace(envelope, &envelope->ring, err);
}

static uint32_t envelope_version_at(const struct envelope *envelope, int place)
{
        pthread_rwlock_rdlock(envelope_lock(envelope));
        uint32_t version = envelope->ring.keys[place].version;
        pthread_rwlock_unlock(envelope_lock(envelope));
        return version;
}

uint32_t envelope_previous_version(const struct envelope *envelope)
{
        return envelope_version_at(envelope, PREVIOUS);
}

uint32_t envelope_next_version(const struct envelope *envelope)
{
        return envelope_version_at(envelope, NEXT);
}

uint32_t envelope_current_version(const struct envelope *envelope)
{
        return envelope_version_at(envelope, CURRENT);
}

/* ---- with other nodes ---------------------------------------------------------------------------- */

static bool envelope_put_next(struct envelope *envelope, const struct envelope_key *next, struct err *err)
{
        struct envelope_ring ring = envelope->ring;
        ring.keys[NEXT] = *next;
        bool ok = envelope_replace(envelope, &ring, err);
        secret_wipe(&ring, sizeof(ring));
        return ok;
}

bool envelope_stage_new(struct envelope *envelope, struct err *err)
{
        _cleanup_(envelope_key_wipe) struct envelope_key next = {0};
        if (envelope_previous_version(envelope) != 0 || envelope_next_version(envelope) != 0)
                return err_set(err, ERR_CONFLICT, "the last rotation of the root key goes on");
        next.version = envelope_current_version(envelope) + 1;
        random_bytes(next.bytes, AEAD_KEY_SIZE);
        return envelope_put_next(envelope, &next, err);
}

bool envelope_stage(struct envelope *envelope, uint32_t version, struct str key, struct err *err)
{
        _cleanup_(envelope_key_wipe) struct envelope_key next = {.version = version};
        if (version <= envelope_current_version(envelope) || key.len != AEAD_KEY_SIZE)
                return err_set(err, ERR_CONFLICT, "root key version %u cannot come next", version);
        memcpy(next.bytes, key.ptr, AEAD_KEY_SIZE);
        return envelope_put_next(envelope, &next, err);
}

bool envelope_unstage(struct envelope *envelope, struct err *err)
{
        const struct envelope_key none = {0};
        return envelope_next_version(envelope) == 0 || envelope_put_next(envelope, &none, err);
}

bool envelope_promote(struct envelope *envelope, struct err *err)
{
        struct envelope_ring ring = envelope->ring;
        bool ok = (ring.keys[NEXT].version != 0 && ring.keys[PREVIOUS].version == 0) ||
                  err_set(err, ERR_CONFLICT, "there is no next root key, or the last rotation goes on");
        if (ok) {
                ring.keys[PREVIOUS] = ring.keys[CURRENT];
                ring.keys[CURRENT] = ring.keys[NEXT];
                secret_wipe(&ring.keys[NEXT], sizeof(ring.keys[NEXT]));
                ok = envelope_replace(envelope, &ring, err);
        }
        secret_wipe(&ring, sizeof(ring));
        return ok;
}

bool envelope_copy_next(const struct envelope *envelope, struct arena *arena, struct str *ret_key,
                        struct err *err)
{
        _cleanup_(envelope_key_wipe) struct envelope_key next = {0};
        if (!envelope_take(envelope, false, envelope_next_version(envelope), &next) ||
            next.version != envelope_next_version(envelope))
                return err_set(err, ERR_CONFLICT, "there is no next root key");
        *ret_key = arena_str(arena, str_make(next.bytes, AEAD_KEY_SIZE));
        return arena_check(arena, err);
}

void envelope_key_id(const struct envelope *envelope, uint32_t version, char ret[ENVELOPE_KEY_ID_SIZE])
{
        _cleanup_(envelope_key_wipe) struct envelope_key found = {0};
        char hex[SHA256_HEX_SIZE];
        struct sha256 mac;
        ret[0] = '\0';
        if (version == 0 || !envelope_take(envelope, false, version, &found))
                return;
        hmac_sha256(str_make(found.bytes, AEAD_KEY_SIZE), STR("countersign/root-key-id"), &mac);
        sha256_format(&mac, hex);
        memcpy(ret, hex, ENVELOPE_KEY_ID_SIZE - 1);
        ret[ENVELOPE_KEY_ID_SIZE - 1] = '\0';
}

void envelope_lease(struct envelope *envelope, int64_t until_us)
{
        envelope->lease_us = until_us;
}

static bool envelope_may_wrap(const struct envelope *envelope)
{
        int64_t until_us = envelope->lease_us;
        return until_us == INT64_MAX || clock_boot_us() < until_us;
}

/* ---- wrapping ---------------------------------------------------------------------------------- */

uint32_t envelope_version_of(struct str wrapped)
{
        return sealed_version(SEALED_BY_ROOT, wrapped);
}

bool envelope_is_current(const struct envelope *envelope, struct str wrapped)
{
        return sealed_version(SEALED_BY_ROOT, wrapped) == envelope_current_version(envelope) &&
               envelope_may_wrap(envelope);
}

bool envelope_wrap(const struct envelope *envelope, struct arena *arena, const struct str *row,
                   size_t row_count, struct str secret, struct str *ret_wrapped, struct err *err)
{
        _cleanup_(envelope_key_wipe) struct envelope_key current = {0};
        if (!envelope_may_wrap(envelope))
                return err_set(err, ERR_STORE_BUSY,
                               "this node has not heard for too long which root key the others use");
        (void)envelope_take(envelope, false, 0, &current);
        const struct sealed_key key = {SEALED_BY_ROOT, current.version, current.bytes};
        return sealed_make(arena, &key, row, row_count, secret, ret_wrapped, err);
}

bool envelope_unwrap(const struct envelope *envelope, struct arena *arena, const struct str *row,
                     size_t row_count, struct str wrapped, struct str *ret_secret, struct err *err)
{
        uint32_t version = sealed_version(SEALED_BY_ROOT, wrapped);
        _cleanup_(envelope_key_wipe) struct envelope_key found = {0};
        if (version == 0)
                return err_set(err, ERR_BAD_SIGNATURE, "a wrapped secret of %zu bytes is malformed",
                               wrapped.len);
        if (!envelope_take(envelope, false, version, &found))
                return err_set(
                        err, ERR_BAD_SIGNATURE,
                        "a secret is wrapped by root key version %u, which the key file does not have",
                        version);
        const struct sealed_key key = {SEALED_BY_ROOT, version, found.bytes};
        return sealed_open(arena, &key, row, row_count, wrapped, ret_secret, err);
}

uint32_t envelope_derive_version(const struct envelope *envelope)
{
        pthread_rwlock_rdlock(envelope_lock(envelope));
        uint32_t version = envelope->ring.derive[0].version;
        pthread_rwlock_unlock(envelope_lock(envelope));
        return version;
}

bool envelope_derive(const struct envelope *envelope, uint32_t version, struct str purpose,
                     uint8_t ret_key[32], struct err *err)
{
        _cleanup_(envelope_key_wipe) struct envelope_key found = {0};
        if (version == 0 || !envelope_take(envelope, true, version, &found))
                return err_set(err, ERR_NOT_FOUND, "the key file has no derivation secret version %u",
                               version);
        return hkdf_sha256(str_make(found.bytes, AEAD_KEY_SIZE), STR("countersign/derive"), purpose, ret_key,
                           32, err);
}
