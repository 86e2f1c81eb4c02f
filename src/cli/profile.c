/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/profile.h"

#include "base/json_write.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PROFILE_MAX_BYTES = 64 * 1024 };

static struct str environment(const char *name)
{
        const char *value = getenv(name);

        return value && *value ? str_from(value) : STR_NULL;
}

bool profile_path(struct cli *cli, struct str *ret_path, struct err *err)
{
        struct str path = cli_value(cli, "profile");
        struct str folder = environment("XDG_CONFIG_HOME");
        struct str home = environment("HOME");

        if (!path.ptr)
                path = environment("COUNTERSIGN_PROFILE");
        if (path.ptr)
                *ret_path = arena_str(&cli->arena, path);
        else if (folder.ptr)
                *ret_path = arena_printf(&cli->arena, "%.*s/countersign/profile.json", STR_ARG(folder));
        else if (home.ptr)
                *ret_path =
                        arena_printf(&cli->arena, "%.*s/.config/countersign/profile.json", STR_ARG(home));
        else
                return err_set(err, ERR_BAD_PARAMETER, "HOME is not set; name the profile with --profile");
        return arena_check(&cli->arena, err);
}

bool file_read(struct arena *arena, struct str path, bool private, size_t cap_bytes, struct str *ret,
               struct err *err)
{
        struct stat info;
        char *bytes;
        ssize_t len;
        size_t at = 0;
        bool ok = false;
        int fd = open(path.ptr, O_RDONLY | O_CLOEXEC);

        if (fd < 0)
                return err_set_errno(err, ERR_SYSTEM, errno, "%s", path.ptr);
        if (fstat(fd, &info) < 0) {
                err_set_errno(err, ERR_SYSTEM, errno, "%s", path.ptr);
                goto out;
        }
        if (private && (info.st_mode & 077) != 0) {
                err_set(err, ERR_SYSTEM, "%s can be read by others; chmod 600 %s", path.ptr, path.ptr);
                goto out;
        }
        if (info.st_size < 0 || (size_t)info.st_size > cap_bytes) {
                err_set(err, ERR_SYSTEM, "%s is larger than %zu bytes", path.ptr, cap_bytes);
                goto out;
        }
        bytes = arena_alloc_bytes(arena, (size_t)info.st_size + 1);
        if (!bytes) {
                err_set(err, ERR_NO_MEMORY, "%s does not fit into memory", path.ptr);
                goto out;
        }
        while (at < (size_t)info.st_size && (len = read(fd, bytes + at, (size_t)info.st_size - at)) != 0) {
                if (len < 0 && errno == EINTR)
                        continue;
                if (len < 0) {
                        err_set_errno(err, ERR_SYSTEM, errno, "%s", path.ptr);
                        goto out;
                }
                at += (size_t)len;
        }
        bytes[at] = '\0';
        *ret = str_make(bytes, at);
        ok = true;
out:
        close(fd);
        return ok;
}

/* Makes the folders above the path; what exists stays as it is. */
static bool make_folders(const char *path, struct err *err)
{
        char folder[4096];

        if (strlen(path) >= sizeof(folder))
                return err_set(err, ERR_SYSTEM, "the path is too long");
        for (size_t i = 1; path[i]; i++) {
                if (path[i] != '/')
                        continue;
                memcpy(folder, path, i);
                folder[i] = '\0';
                if (mkdir(folder, 0700) < 0 && errno != EEXIST)
                        return err_set_errno(err, ERR_SYSTEM, errno, "%s", folder);
        }
        return true;
}

static bool write_all(int fd, struct str bytes)
{
        while (bytes.len > 0) {
                ssize_t len = write(fd, bytes.ptr, bytes.len);

                if (len < 0 && errno != EINTR)
                        return false;
                if (len > 0)
                        bytes = str_slice(bytes, (size_t)len, bytes.len);
        }
        return fsync(fd) == 0;
}

bool file_write_private(struct str path, struct str bytes, bool fresh, struct err *err)
{
        char temporary[4096];
        int fd;

        if (!make_folders(path.ptr, err))
                return false;
        if (snprintf(temporary, sizeof(temporary), "%s.%ld", path.ptr, (long)getpid()) >=
            (int)sizeof(temporary))
                return err_set(err, ERR_SYSTEM, "the path is too long");
        fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return err_set_errno(err, ERR_SYSTEM, errno, "%s", temporary);
        if (!write_all(fd, bytes)) {
                err_set_errno(err, ERR_SYSTEM, errno, "%s", temporary);
                close(fd);
                unlink(temporary);
                return false;
        }
        close(fd);
        /* link refuses an existing name, rename replaces it; both in one step. */
        if ((fresh ? link(temporary, path.ptr) : rename(temporary, path.ptr)) < 0) {
                err_set_errno(err, errno == EEXIST ? ERR_ALREADY_EXISTS : ERR_SYSTEM, errno, "%s", path.ptr);
                unlink(temporary);
                return false;
        }
        if (fresh)
                unlink(temporary);
        return true;
}

static bool read_profile(struct arena *arena, struct profile *profile, struct err *err)
{
        struct str text;
        struct json json;

        if (access(profile->path.ptr, F_OK) != 0)
                return true;
        if (!file_read(arena, profile->path, true, PROFILE_MAX_BYTES, &text, err))
                return false;
        if (!json_parse(arena, text, &json, err))
                return err_prefix(err, "%s", profile->path.ptr);
        profile->server = json_get_string(&json, "server");
        profile->key = json_get_string(&json, "key");
        profile->ca = json_get_string(&json, "ca");
        profile->tenant = json_get_string(&json, "tenant");
        profile->workspace = json_get_string(&json, "workspace");
        profile->principal = json_get_string(&json, "principal");
        profile->signing_key = json_get_string(&json, "signing_key");
        profile->roster_digest = json_get_string(&json, "roster_digest");
        if (!json_get_int(&json, "roster_version", &profile->roster_version))
                profile->roster_version = 0;
        return true;
}

static void override(struct str *value, struct str with)
{
        if (with.ptr)
                *value = with;
}

bool profile_load(struct cli *cli, struct err *err)
{
        struct profile *profile = &cli->profile;

        if (!profile_path(cli, &profile->path, err) || !read_profile(&cli->arena, profile, err))
                return false;
        override(&profile->server, environment("COUNTERSIGN_SERVER"));
        override(&profile->key, environment("COUNTERSIGN_KEY"));
        override(&profile->server, cli_value(cli, "server"));
        override(&profile->tenant, cli_value(cli, "tenant"));
        override(&profile->workspace, cli_value(cli, "workspace"));
        if (!profile->signing_key.ptr) {
                struct str stem = profile->path;

                if (str_ends(stem, STR(".json")))
                        stem = str_slice(stem, 0, stem.len - strlen(".json"));
                profile->signing_key = arena_printf(&cli->arena, "%.*s.key", STR_ARG(stem));
        }
        while (str_ends(profile->server, STR("/")))
                profile->server.len--;
        return arena_check(&cli->arena, err);
}

static void field(struct json_writer *w, const char *key, struct str value)
{
        if (value.ptr && value.len > 0)
                json_field_str(w, key, value);
}

bool profile_save(const struct profile *profile, struct err *err)
{
        BUF_SCOPED text;
        struct json_writer w;

        buf_init(&text, PROFILE_MAX_BYTES);
        json_writer_init(&w, &text);
        json_object_begin(&w);
        field(&w, "server", profile->server);
        field(&w, "key", profile->key);
        field(&w, "ca", profile->ca);
        field(&w, "tenant", profile->tenant);
        field(&w, "workspace", profile->workspace);
        field(&w, "principal", profile->principal);
        field(&w, "signing_key", profile->signing_key);
        if (profile->roster_version > 0) {
                json_field_int(&w, "roster_version", profile->roster_version);
                field(&w, "roster_digest", profile->roster_digest);
        }
        json_object_end(&w);
        buf_append_char(&text, '\n');
        return buf_check(&text, "the profile", err) &&
               file_write_private(profile->path, buf_str(&text), false, err);
}

bool profile_save_roster(struct cli *cli, int64_t version, struct str digest, struct err *err)
{
        struct profile saved = {.path = cli->profile.path};

        cli->profile.roster_version = version;
        cli->profile.roster_digest = digest;
        if (!read_profile(&cli->arena, &saved, err))
                return false;
        if (!saved.tenant.ptr || !str_eq(saved.tenant, cli->profile.tenant))
                return true;
        saved.roster_version = version;
        saved.roster_digest = digest;
        return profile_save(&saved, err);
}

static bool need(struct str value, const char *what, struct err *err)
{
        if (value.ptr && value.len > 0)
                return true;
        return err_set(err, ERR_BAD_PARAMETER,
                       "no %s is known; `countersign login --server URL` makes a profile that knows it",
                       what);
}

bool profile_need_server(const struct cli *cli, struct err *err)
{
        return need(cli->profile.server, "server", err) && need(cli->profile.key, "API key", err);
}

bool profile_need_tenant(const struct cli *cli, struct err *err)
{
        return profile_need_server(cli, err) && need(cli->profile.tenant, "tenant", err);
}

bool profile_need_workspace(const struct cli *cli, struct err *err)
{
        return profile_need_server(cli, err) && need(cli->profile.workspace, "workspace", err);
}

static struct str PRINTF_LIKE(4, 0)
        path_below(struct cli *cli, const char *collection, struct str id, const char *format, va_list args)
{
        struct str rest = arena_vprintf(&cli->arena, format, args);

        return arena_printf(&cli->arena, "/v1/%s/%.*s/%.*s", collection, STR_ARG(id), STR_ARG(rest));
}

struct str tenant_path(struct cli *cli, const char *format, ...)
{
        struct str path;
        va_list args;

        va_start(args, format);
        path = path_below(cli, "tenants", cli->profile.tenant, format, args);
        va_end(args);
        return path;
}

struct str workspace_path(struct cli *cli, const char *format, ...)
{
        struct str path;
        va_list args;

        va_start(args, format);
        path = path_below(cli, "workspaces", cli->profile.workspace, format, args);
        va_end(args);
        return path;
}
