/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/root_providers.h"

#include "base/base64.h"
#include "base/buf.h"
#include "base/heap.h"
#include "base/json.h"
#include "base/json_write.h"
#include "crypto/secret.h"
#include "io/http_client.h"
#include "io/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TIMEOUT_MS = 10000, ANSWER_MAX_BYTES = 64 * 1024, SECRET_FILE_MAX = 4096 };

struct root_vault {
        struct root_key root; /* first */
        struct root_vault_config config;
        struct tls_client *tls;
        struct http_client *client;
};

bool root_secret_read(struct arena *arena, const char *path, const char *what, struct str *ret,
                      struct err *err)
{
        char *text = arena_alloc_bytes(arena, SECRET_FILE_MAX);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        struct stat st;
        ssize_t len = -1;

        if (fd >= 0 && fstat(fd, &st) == 0 && (st.st_mode & 077) != 0) {
                close(fd);
                return err_set(err, ERR_CONFIG, "%s %s can be read by others: chmod 600 it", what, path);
        }
        if (fd >= 0 && text)
                len = read(fd, text, SECRET_FILE_MAX);
        if (fd >= 0)
                close(fd);
        if (len < 0)
                return err_set_errno(err, ERR_CONFIG, errno, "%s %s cannot be read", what, path);
        *ret = str_trim(str_make(text, (size_t)len));
        return ret->len > 0 || err_set(err, ERR_CONFIG, "%s %s is empty", what, path);
}

/* One call; ret: the member of the answer's `data`, in the arena. */
static bool call(struct root_vault *vault, struct arena *arena, const char *operation, const char *given,
                 struct str value, const char *wanted, struct str *ret, struct err *err)
{
        const struct root_vault_config *config = &vault->config;
        struct http_response response;
        struct json_writer w;
        struct json answer;
        struct str token;
        BUF_SCOPED body;

        buf_init(&body, ANSWER_MAX_BYTES);
        json_writer_init(&w, &body);
        json_object_begin(&w);
        json_field_str(&w, given, value);
        json_object_end(&w);
        if (!buf_check(&body, "the question to the key service", err) ||
            !root_secret_read(arena, config->token_file, "the key service's token file", &token, err))
                return false;
        struct http_header headers[] = {{STR("X-Vault-Token"), token},
                                        {STR("Content-Type"), STR("application/json")}};
        struct http_client_call request = {
                .method = STR("POST"),
                .url = arena_printf(arena, "%s/v1/%s/%s/%s", config->url, config->mount, operation,
                                    config->key),
                .headers = headers,
                .n_headers = 2,
                .body = buf_str(&body),
                .timeout_ms = TIMEOUT_MS,
                .cap_bytes = ANSWER_MAX_BYTES,
        };
        bool ok = arena_check(arena, err) && http_call(vault->client, &request, arena, &response, err);

        secret_wipe(body.ptr, body.len);
        if (!ok)
                return err_prefix(err, "the key service %s", config->url);
        if (response.status != 200)
                return err_set(err, response.status == 400 ? ERR_BAD_SIGNATURE : ERR_UPSTREAM_PROTOCOL,
                               "the key service %s answers %d to \"%s\" with the key \"%s\"", config->url,
                               response.status, operation, config->key);
        if (!json_parse(arena, response.body, &answer, err))
                return err_prefix(err, "the key service's answer");
        *ret = json_get_string(json_get(&answer, "data"), wanted);
        return ret->len > 0 ||
               err_set(err, ERR_UPSTREAM_PROTOCOL, "the key service's answer has no \"%s\"", wanted);
}

static bool vault_wrap(struct root_key *root, struct arena *arena, struct str key, struct str *ret_wrapped,
                       struct err *err)
{
        return call((struct root_vault *)root, arena, "encrypt", "plaintext", base64_encode(arena, key),
                    "ciphertext", ret_wrapped, err);
}

static bool vault_unwrap(struct root_key *root, struct arena *arena, struct str wrapped, struct str *ret_key,
                         struct err *err)
{
        struct str text;

        if (!call((struct root_vault *)root, arena, "decrypt", "ciphertext", wrapped, "plaintext", &text,
                  err))
                return false;
        return base64_decode(arena, text, ret_key) ||
               err_set(err, ERR_UPSTREAM_PROTOCOL, "the key service's plaintext is not base64");
}

static void vault_free(struct root_key *root)
{
        struct root_vault *vault = (struct root_vault *)root;

        http_client_free(vault->client);
        tls_client_free(vault->tls);
        heap_free(vault);
}

static const struct root_key_ops vault_ops = {"vault", vault_wrap, vault_unwrap, vault_free};

bool root_vault_open(const struct root_vault_config *config, struct root_key **ret, struct err *err)
{
        struct tls_client_config tls = {.ca_file = str_from(config->ca_file)};
        struct str url = str_from(config->url);
        struct http_client_config client;

        if (config->key[0] == '\0' || config->token_file[0] == '\0')
                return err_set(err, ERR_CONFIG, "root.vault-key and root.vault-token-file are needed");
        if (!str_starts(url, STR("https://")) && !str_starts(url, STR("http://127.0.0.1:")) &&
            !str_starts(url, STR("http://[::1]:")))
                return err_set(err, ERR_CONFIG, "root.vault-url begins with https://");

        struct root_vault *vault = heap_alloc_zeroed(1, sizeof(*vault));

        if (!vault)
                return err_set(err, ERR_NO_MEMORY, "no memory to start");
        vault->root.ops = &vault_ops;
        vault->config = *config;
        http_client_config_init(&client);
        client.idle_max = 0;
        if (!tls_client_new(&tls, &vault->tls, err)) {
                vault_free(&vault->root);
                return false;
        }
        client.tls = vault->tls;
        if (!http_client_new(&client, &vault->client, err)) {
                vault_free(&vault->root);
                return false;
        }
        *ret = &vault->root;
        return true;
}
