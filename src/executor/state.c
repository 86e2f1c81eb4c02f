/* SPDX-License-Identifier: Apache-2.0 */
#include "executor/state.h"

#include "base/base64.h"
#include "base/id.h"
#include "base/json.h"
#include "base/json_write.h"
#include "crypto/dsse.h"
#include "crypto/secret.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
        STATE_ARENA_BYTES = 64 * 1024,
        CREDENTIAL_MAX_BYTES = 8 * 1024,
        ROSTER_FILE_MAX_BYTES = 2 * ROSTER_MAX_BYTES,
};

static bool path_in(const struct state *state, const char *name, char ret[512], struct err *err)
{
        int len = snprintf(ret, 512, "%s/%s", state->dir, name);

        if (len < 0 || len >= 512)
                return err_set(err, ERR_CONFIG, "the state folder's path is too long");
        return true;
}

static bool sync_dir(const char *path, struct err *err)
{
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        bool ok = fd >= 0 && fsync(fd) == 0;

        if (!ok)
                err_set_errno(err, ERR_STORE_FAILED, errno, "cannot make %s durable", path);
        if (fd >= 0)
                close(fd);
        return ok;
}

/* A whole file into `ret` (NUL-terminated, zeroing arenas welcome). *ret_found false when it is absent. */
static bool file_read(const char *path, struct arena *arena, size_t max_bytes, struct str *ret,
                      bool *ret_found, struct err *err)
{
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        struct stat st = {0};
        char *bytes;
        ssize_t n;

        *ret = STR_NULL;
        *ret_found = fd >= 0;
        if (fd < 0)
                return errno == ENOENT || err_set_errno(err, ERR_SYSTEM, errno, "cannot open %s", path);
        if (fstat(fd, &st) < 0 || st.st_size < 0 || (size_t)st.st_size > max_bytes) {
                close(fd);
                return err_set(err, ERR_CONFIG, "%s is not a file of at most %zu bytes", path, max_bytes);
        }
        bytes = arena_alloc(arena, (size_t)st.st_size + 1);
        n = bytes ? read(fd, bytes, (size_t)st.st_size) : 0;
        close(fd);
        if (!bytes)
                return arena_check(arena, err);
        if (n != st.st_size)
                return err_set_errno(err, ERR_SYSTEM, n < 0 ? errno : EIO, "cannot read %s", path);
        *ret = str_make(bytes, (size_t)n);
        return true;
}

static bool file_write_all(int fd, struct str bytes)
{
        while (bytes.len > 0) {
                ssize_t n = write(fd, bytes.ptr, bytes.len);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return false;
                bytes = str_slice(bytes, (size_t)n, bytes.len);
        }
        return fsync(fd) == 0;
}

/* Replaces the file, durably, mode 0600. `folder` is the one that holds it. */
static bool file_replace(const char *folder, const char *path, struct str bytes, struct err *err)
{
        char beside[520];
        bool ok;
        int fd;

        snprintf(beside, sizeof(beside), "%s.new", path);
        fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd < 0)
                return err_set_errno(err, ERR_STORE_FAILED, errno, "cannot write %s", beside);
        ok = file_write_all(fd, bytes);
        if (!ok)
                err_set_errno(err, ERR_STORE_FAILED, errno, "cannot write %s", beside);
        close(fd);
        if (ok && rename(beside, path) < 0)
                ok = err_set_errno(err, ERR_STORE_FAILED, errno, "cannot write %s", path);
        return ok && sync_dir(folder, err);
}

/* ---- opening ---------------------------------------------------------------------------------------- */

/* The folder and what is secret in it are for this user alone. */
static bool check_private(const char *path, struct err *err)
{
        struct stat st;

        if (stat(path, &st) < 0)
                return errno == ENOENT || err_set_errno(err, ERR_SYSTEM, errno, "cannot look at %s", path);
        if (st.st_uid != geteuid())
                return err_set(err, ERR_CONFIG, "%s belongs to another user; run the executor as its owner",
                               path);
        if (st.st_mode & 077)
                return err_set(err, ERR_CONFIG, "%s can be reached by others (mode %03o); run: chmod go= %s",
                               path, st.st_mode & 0777, path);
        return true;
}

static bool open_folder(struct state *state, struct err *err)
{
        char path[512];

        if (mkdir(state->dir, 0700) < 0 && errno != EEXIST)
                return err_set_errno(err, ERR_CONFIG, errno, "cannot make the state folder %s", state->dir);
        if (!check_private(state->dir, err) || !path_in(state, "roster", path, err))
                return false;
        if (mkdir(path, 0700) < 0 && errno != EEXIST)
                return err_set_errno(err, ERR_CONFIG, errno, "cannot make %s", path);
        return true;
}

static bool take_lock(struct state *state, struct err *err)
{
        char path[512];

        if (!path_in(state, "lock", path, err))
                return false;
        state->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (state->lock_fd < 0)
                return err_set_errno(err, ERR_SYSTEM, errno, "cannot open %s", path);
        if (flock(state->lock_fd, LOCK_EX | LOCK_NB) < 0) {
                if (errno == EWOULDBLOCK)
                        return err_set(err, ERR_CONFLICT,
                                       "another executor works with the state folder %s; end it first, or "
                                       "give this one a folder of its own",
                                       state->dir);
                return err_set_errno(err, ERR_SYSTEM, errno, "cannot lock %s", path);
        }
        return true;
}

static bool make_key(struct state *state, const char *path, uint8_t seed[ED25519_SEED_SIZE], struct err *err)
{
        BUF_SCOPED text;

        ed25519_seed_new(seed);
        buf_init(&text, 64);
        base64_append(&text, str_make(seed, ED25519_SEED_SIZE));
        buf_append_char(&text, '\n');
        return buf_check(&text, "the key", err) && file_replace(state->dir, path, buf_str(&text), err);
}

static bool load_key(struct state *state, struct err *err)
{
        uint8_t seed[ED25519_SEED_SIZE];
        struct str text = STR_NULL, bytes = STR_NULL;
        struct arena arena;
        char path[512];
        bool found, ok;

        arena_init_zeroing(&arena, 4096);
        ok = path_in(state, "executor.key", path, err) && check_private(path, err) &&
             file_read(path, &arena, 256, &text, &found, err);
        if (ok && found) {
                ok = base64_decode(&arena, str_trim(text), &bytes) && bytes.len == sizeof(seed);
                if (ok)
                        memcpy(seed, bytes.ptr, sizeof(seed));
                else
                        err_set(err, ERR_CONFIG, "%s does not hold a key", path);
        } else if (ok && state->enrolled) {
                ok = err_set(
                        err, ERR_CONFIG,
                        "%s is missing, though the executor is enrolled; enrol it anew in an empty folder",
                        path);
        } else if (ok) {
                ok = make_key(state, path, seed, err);
        }
        ok = ok && ed25519_key_from_seed(seed, &state->key, err);
        secret_wipe(seed, sizeof(seed));
        arena_done(&arena);
        return ok;
}

static bool read_credential(struct state *state, struct str text, struct err *err)
{
        struct credential *c = &state->credential;
        struct json json;

        if (!json_parse(&state->arena, text, &json, err))
                return false;
        c->server_url = json_get_string(&json, "server");
        c->executor = json_get_string(&json, "executor");
        c->tenant = json_get_string(&json, "tenant");
        c->workspace = json_get_string(&json, "workspace");
        c->environment = json_get_string(&json, "environment");
        c->api_key = json_get_string(&json, "api_key");
        c->token_sha256 = json_get_string(&json, "token_sha256");
        if (!id_is(c->executor, "exe") || !id_is(c->tenant, "ten") || !id_is(c->workspace, "wsp") ||
            c->environment.len == 0 || c->api_key.len == 0 || c->server_url.len == 0)
                return err_set(err, ERR_CONFIG, "a member is missing or malformed");
        state->enrolled = true;
        return true;
}

static bool load_credential(struct state *state, struct err *err)
{
        struct str text = STR_NULL;
        char path[512];
        bool found;

        if (!path_in(state, "credential.json", path, err) || !check_private(path, err) ||
            !file_read(path, &state->arena, CREDENTIAL_MAX_BYTES, &text, &found, err))
                return false;
        if (found && !read_credential(state, text, err)) {
                err->code = ERR_CONFIG;
                return err_prefix(err, "%s", path);
        }
        return true;
}

bool state_open(struct state *state, const char *dir, struct err *err)
{
        *state = (struct state){.lock_fd = -1};
        arena_init_zeroing(&state->arena, STATE_ARENA_BYTES);
        if (strlen(dir) >= sizeof(state->dir))
                return err_set(err, ERR_CONFIG, "the state folder's path is too long");
        memcpy(state->dir, dir, strlen(dir) + 1);
        if (open_folder(state, err) && take_lock(state, err) && load_credential(state, err) &&
            load_key(state, err))
                return true;
        state_close(state);
        return false;
}

void state_close(struct state *state)
{
        ed25519_key_free(state->key);
        if (state->lock_fd >= 0)
                close(state->lock_fd);
        arena_done(&state->arena);
        *state = (struct state){.lock_fd = -1};
}

bool state_is_enrolled(const char *dir)
{
        char path[512];
        int len = snprintf(path, sizeof(path), "%s/credential.json", dir);

        return len > 0 && (size_t)len < sizeof(path) && access(path, F_OK) == 0;
}

/* ---- writing ------------------------------------------------------------------------------------------ */

bool state_write_credential(struct state *state, const struct credential *credential, struct err *err)
{
        struct json_writer w;
        struct buf text;
        char path[512];
        bool ok;

        buf_init(&text, CREDENTIAL_MAX_BYTES);
        json_writer_init(&w, &text);
        json_object_begin(&w);
        json_field_str(&w, "server", credential->server_url);
        json_field_str(&w, "executor", credential->executor);
        json_field_str(&w, "tenant", credential->tenant);
        json_field_str(&w, "workspace", credential->workspace);
        json_field_str(&w, "environment", credential->environment);
        json_field_str(&w, "api_key", credential->api_key);
        json_field_str(&w, "token_sha256", credential->token_sha256);
        json_object_end(&w);
        ok = buf_check(&text, "the credential", err) && path_in(state, "credential.json", path, err) &&
             file_replace(state->dir, path, buf_str(&text), err);
        if (ok) {
                struct str copy = arena_str(&state->arena, buf_str(&text));

                ok = arena_check(&state->arena, err) && read_credential(state, copy, err);
        }
        buf_done_zeroing(&text);
        return ok;
}

bool state_write_roster(struct state *state, int64_t version, struct str envelope_json, struct err *err)
{
        char folder[512], path[520 + 32];

        if (!path_in(state, "roster", folder, err))
                return false;
        if (snprintf(path, sizeof(path), "%s/%lld.json", folder, (long long)version) >= 512)
                return err_set(err, ERR_CONFIG, "the state folder's path is too long");
        return file_replace(folder, path, envelope_json, err);
}

static int64_t last_version(const char *folder)
{
        DIR *dir = opendir(folder);
        struct dirent *entry;
        int64_t last = 0, version;

        while (dir && (entry = readdir(dir))) {
                struct str name = str_from(entry->d_name);

                if (str_ends(name, STR(".json")) && str_to_i64(str_slice(name, 0, name.len - 5), &version) &&
                    version > last)
                        last = version;
        }
        if (dir)
                closedir(dir);
        return last;
}

bool state_read_roster(struct state *state, struct arena *arena, struct roster *ret, struct err *err)
{
        struct dsse_envelope envelope;
        char folder[512], path[520 + 32];
        struct str text = STR_NULL;
        bool found;

        if (!path_in(state, "roster", folder, err))
                return false;
        snprintf(path, sizeof(path), "%s/%lld.json", folder, (long long)last_version(folder));
        if (!file_read(path, arena, ROSTER_FILE_MAX_BYTES, &text, &found, err))
                return false;
        if (!found)
                return err_set(err, ERR_CONFIG,
                               "no roster is kept in %s; enrol this executor anew in an empty folder",
                               folder);
        /* Its signatures were checked when it was accepted; the folder is ours alone. */
        if (!dsse_parse(arena, text, &envelope, err) || !roster_parse(arena, envelope.payload, ret, err))
                return err_prefix(err, "%s", path);
        if (!str_eq(ret->tenant, state->credential.tenant))
                return err_set(err, ERR_CONFIG, "%s is another tenant's", path);
        return true;
}
