/* SPDX-License-Identifier: Apache-2.0 */
#include "server/config.h"

#include "base/clock.h"
#include "base/heap.h"
#include "server/config_keys.h"
#include "server/config_yaml.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#define AT(field) offsetof(struct config, field)
#define SECOND ((int64_t)1000)
#define HOUR (3600 * SECOND)

const struct config_key config_keys[] = {
        {"listen.host", KEY_TEXT, AT(listen_host), "127.0.0.1", 0, 255, NULL,
         "Address to listen on; empty for all"},
        {"listen.port", KEY_INTEGER, AT(listen_port), "7070", 0, 65535, NULL,
         "Port to listen on; 0 takes any free one"},
        {"tls.certificate", KEY_TEXT, AT(tls_certificate), "", 0, 4096, NULL,
         "PEM file with the certificate's chain; empty for plain HTTP"},
        {"tls.key", KEY_TEXT, AT(tls_key), "", 0, 4096, NULL, "PEM file with the certificate's private key"},
        {"tls.allow-12", KEY_BOOL, AT(tls_allow_12), "false", 0, 0, NULL, "Also speak TLS 1.2"},
        {"data.folder", KEY_TEXT, AT(data_folder), "data", 1, 4096, NULL,
         "Where the embedded store lives; made if missing"},
        {"data.root-key", KEY_TEXT, AT(root_key_file), "", 0, 4096, NULL,
         "File with the root key; empty for `root.key` in the data folder, made on the first start"},
        {"root.provider", KEY_WORD, AT(root_provider), "file", 0, 0, "file pkcs11 vault",
         "What protects the root key file: its mode, a PKCS #11 token, or a Vault or OpenBao transit key"},
        {"root.pkcs11-module", KEY_TEXT, AT(root_pkcs11_module), "", 0, 4096, NULL, "The token's library"},
        {"root.pkcs11-token", KEY_TEXT, AT(root_pkcs11_token), "", 0, 32, NULL, "The token's label"},
        {"root.pkcs11-key", KEY_TEXT, AT(root_pkcs11_key), "", 0, 255, NULL,
         "The label of an AES-256 key on the token"},
        {"root.pkcs11-pin-file", KEY_TEXT, AT(root_pkcs11_pin_file), "", 0, 4096, NULL,
         "File with the token's PIN, mode 0600"},
        {"root.vault-url", KEY_TEXT, AT(root_vault_url), "", 0, 512, NULL, "Where Vault or OpenBao is"},
        {"root.vault-mount", KEY_TEXT, AT(root_vault_mount), "transit", 1, 255, NULL,
         "Where its transit engine is mounted"},
        {"root.vault-key", KEY_TEXT, AT(root_vault_key), "", 0, 255, NULL, "The transit key's name"},
        {"root.vault-token-file", KEY_TEXT, AT(root_vault_token_file), "", 0, 4096, NULL,
         "File with the token for it, mode 0600; read for each call"},
        {"root.vault-ca", KEY_TEXT, AT(root_vault_ca), "", 0, 4096, NULL,
         "PEM file of the authority that certified it; empty for the system's"},
        {"providers.allow-loopback", KEY_BOOL, AT(providers_allow_loopback), "false", 0, 0, NULL,
         "Model providers may be on this machine, also by http; for tests and local models"},
        {"providers.timeout", KEY_DURATION, AT(providers_timeout_ms), "5s", 100, 60 * SECOND, NULL,
         "How long a provider may take to say whether a key is right"},
        {"node.region", KEY_TEXT, AT(region), "local", 1, 32, NULL,
         "The region whose cells this node serves; home region of new tenants"},
        {"node.regions", KEY_TEXT, AT(node_regions), "", 0, 1024, NULL,
         "All regions that this node serves, such as `us ca`; empty for `node.region` alone"},
        {"node.region-urls", KEY_TEXT, AT(region_urls), "", 0, 8192, NULL,
         "Where other regions are served, such as `eu=https://eu.example.com`; requests for them are sent "
         "there"},
        {"node.origin", KEY_TEXT, AT(origin), "countersign.local", 1, 200, NULL,
         "Name under which logs sign their checkpoints; a tenant's log is `<origin>/<tenant>`"},
        {"node.url", KEY_TEXT, AT(node_url), "", 0, 250, NULL,
         "Where browsers and identity providers reach the server, such as "
         "`https://countersign.example.com`, "
         "without a slash at the end; empty: as it listens"},
        {"node.loops", KEY_INTEGER, AT(loops), "0", 0, 256, NULL, "Event loops; 0 for one a CPU"},
        {"store.url", KEY_TEXT, AT(store_url), "", 0, 2048, NULL,
         "`postgres://…` of the database that several nodes share; empty for the embedded store. Keep the "
         "password in `~/.pgpass`"},
        {"store.regions", KEY_TEXT, AT(store_regions), "", 0, 8192, NULL,
         "Regions with a database of their own: `eu=postgres://… us=postgres://…`"},
        {"store.pool", KEY_INTEGER, AT(store_pool), "0", 0, 1000, NULL,
         "Connections to one region's database at most; 0 lets the store choose"},
        {"store.lock-timeout", KEY_DURATION, AT(store_lock_timeout_ms), "10s", 100, HOUR, NULL,
         "How long a transaction on PostgreSQL waits for another's lock"},
        {"store.statement-timeout", KEY_DURATION, AT(store_statement_timeout_ms), "30s", 100, HOUR, NULL,
         "How long a statement on PostgreSQL may take"},
        {"store.handles", KEY_INTEGER, AT(store_handles), "0", 0, 100000, NULL,
         "Cells held open at most; 0 lets the store choose"},
        {"store.writers", KEY_INTEGER, AT(store_writers), "0", 0, 64, NULL,
         "Threads that write; 0 lets the store choose"},
        {"store.readers", KEY_INTEGER, AT(store_readers), "0", 0, 64, NULL,
         "Threads that read; 0 lets the store choose"},
        {"sessions.idle", KEY_DURATION, AT(session_idle_ms), "30m", 2 * 60 * SECOND, 24 * HOUR, NULL,
         "How long a browser's session may rest, to the minute"},
        {"sessions.browser", KEY_DURATION, AT(session_browser_ms), "12h", 5 * 60 * SECOND, 720 * HOUR, NULL,
         "How long a browser's session lasts at most"},
        {"sessions.cli", KEY_DURATION, AT(session_cli_ms), "12h", 5 * 60 * SECOND, 720 * HOUR, NULL,
         "How long a log-in of the command line lasts"},
        {"sessions.token", KEY_DURATION, AT(session_token_ms), "10m", 60 * SECOND, HOUR, NULL,
         "How long a token of a service or an agent lasts"},
        {"sessions.key", KEY_DURATION, AT(session_key_ms), "0s", 0, 87600 * HOUR, NULL,
         "How long an API key holds that is made without an end of its own; `0s` for ever"},
        {"limits.connections", KEY_INTEGER, AT(connections_max), "20000", 1, 10000000, NULL,
         "Connections in total"},
        {"limits.connections-per-address", KEY_INTEGER, AT(connections_per_address), "0", 0, 10000000, NULL,
         "Connections of one client address; 0 for no limit"},
        {"limits.idle-timeout", KEY_DURATION, AT(idle_timeout_ms), "75s", SECOND, HOUR, NULL,
         "How long a connection may wait for its next request"},
        {"limits.head-timeout", KEY_DURATION, AT(head_timeout_ms), "10s", 100, HOUR, NULL,
         "How long a request's head may take"},
        {"limits.body-timeout", KEY_DURATION, AT(body_timeout_ms), "20s", 100, HOUR, NULL,
         "How long a request's body may take, besides what its size allows"},
        {"limits.write-timeout", KEY_DURATION, AT(write_timeout_ms), "20s", 100, HOUR, NULL,
         "How long a client may read nothing of its reply"},
        {"limits.request-timeout", KEY_DURATION, AT(request_timeout_ms), "30s", SECOND, HOUR, NULL,
         "How long a request may take, besides what it asked to wait"},
        {"limits.wait", KEY_DURATION, AT(wait_max_ms), "60s", SECOND, HOUR, NULL,
         "The longest `wait` that a request gets"},
        {"limits.drain", KEY_DURATION, AT(drain_ms), "20s", 0, HOUR, NULL,
         "How long running requests may take to end after SIGTERM"},
        {"rate.basic-tenant", KEY_TEXT, AT(rate_basic_tenant), "100/s burst 1000", 1, 64, NULL,
         "Requests of one tenant of the tier `basic`, all its principals together; or `none`"},
        {"rate.basic-principal", KEY_TEXT, AT(rate_basic_principal), "50/s burst 500", 1, 64, NULL,
         "Requests of one principal of such a tenant; or `none`"},
        {"rate.standard-tenant", KEY_TEXT, AT(rate_standard_tenant), "1000/s burst 5000", 1, 64, NULL,
         "Requests of one tenant of the tier `standard`, all its principals together; or `none`"},
        {"rate.standard-principal", KEY_TEXT, AT(rate_standard_principal), "200/s burst 2000", 1, 64, NULL,
         "Requests of one principal of such a tenant; or `none`"},
        {"rate.enterprise-tenant", KEY_TEXT, AT(rate_enterprise_tenant), "5000/s burst 20000", 1, 64, NULL,
         "Requests of one tenant of the tier `enterprise`, all its principals together; or `none`"},
        {"rate.enterprise-principal", KEY_TEXT, AT(rate_enterprise_principal), "1000/s burst 10000", 1, 64,
         NULL, "Requests of one principal of such a tenant; or `none`"},
        {"rate.address", KEY_INTEGER, AT(rate_address), "20", 0, 1000000, NULL,
         "Requests a second without valid credentials from one client address; 0 for no limit"},
        {"rate.address-burst", KEY_INTEGER, AT(burst_address), "100", 1, 1000000, NULL,
         "Requests without valid credentials that one address may send at once"},
        {"identity.password-memory", KEY_INTEGER, AT(password_memory_kib), "65536", 8, 4194304, NULL,
         "Argon2id: KiB of memory for each log-in that runs; passwords follow at their next log-in"},
        {"identity.password-passes", KEY_INTEGER, AT(password_passes), "3", 1, 1000, NULL,
         "Argon2id: passes"},
        {"identity.password-lanes", KEY_INTEGER, AT(password_lanes), "4", 1, 64, NULL, "Argon2id: lanes"},
        {"identity.password-threads", KEY_INTEGER, AT(password_threads), "1", 1, 16, NULL,
         "Log-ins that are hashed at once, each with that much memory"},
        {"identity.password-queue", KEY_INTEGER, AT(password_queue), "64", 1, 10000, NULL,
         "Log-ins that may wait; the next one is told to come again"},
        {"identity.password-breached", KEY_TEXT, AT(password_breached), "", 0, 4096, NULL,
         "File with passwords that nobody may set: SHA-1 in hexadecimal in order, or one password a line; "
         "empty "
         "for none"},
        {"identity.passkey-attestation", KEY_WORD, AT(passkey_attestation), "ignore", 0, 0, "ignore refuse",
         "What becomes of passkeys whose attestation names certificates, or has another format than none or "
         "packed"},
        {"identity.link-lifetime", KEY_DURATION, AT(link_lifetime_ms), "24h", 60 * SECOND, 30 * 24 * HOUR,
         NULL, "How long a one-time link holds by which a person sets a password"},
        {"identity.private-issuers", KEY_BOOL, AT(private_issuers), "false", 0, 0, NULL,
         "Let tenants name identity providers at private addresses, and at http:// on loopback"},
        {"identity.issuer-refetch", KEY_DURATION, AT(issuer_refetch_ms), "10s", 100, HOUR, NULL,
         "The least time between two fetches of an identity provider's keys"},
        {"log.level", KEY_WORD, AT(log_level), "info", 0, 0, "debug info warn error",
         "The least level of the operators' log lines"},
        {"log.format", KEY_WORD, AT(log_format), "text", 0, 0, "text json",
         "How log lines are written, to standard error"},
        {"log.requests", KEY_BOOL, AT(log_requests), "true", 0, 0, NULL, "A line for each request"},
        {"process.core-dumps", KEY_BOOL, AT(core_dumps), "false", 0, 0, NULL,
         "Whether a crash may leave a core file, and debuggers of the same user may look into the process; "
         "what requests carry at that moment would be in it"},
};

const size_t config_key_count = sizeof(config_keys) / sizeof(config_keys[0]);

struct loader {
        struct arena *arena;
        struct config *config;
        struct buf *problems;
        bool ok;
};

/* Where a value came from, for the message. */
struct origin {
        const char *file;
        int line;
        const char *name; /* of the variable or flag; NULL for the file */
};

static void PRINTF_LIKE(4, 5)
        complain(struct loader *l, const struct origin *from, const char *key, const char *format, ...)
{
        char message[ERR_MESSAGE_MAX];
        va_list args;

        va_start(args, format);
        (void)vsnprintf(message, sizeof(message), format, args);
        va_end(args);
        if (from->name)
                buf_printf(l->problems, "%s: %s: %s\n", from->name, key, message);
        else
                buf_printf(l->problems, "%s:%d: %s: %s\n", from->file, from->line, key, message);
        l->ok = false;
}

static bool words_have(const char *words, struct str wanted)
{
        struct str rest = str_from(words);
        struct str word;

        while (rest.len > 0) {
                (void)str_cut(&rest, ' ', &word);
                if (str_eq(word, wanted))
                        return true;
        }
        return false;
}

static void set_number(struct loader *l, const struct config_key *key, struct str value,
                       const struct origin *from)
{
        int64_t *field = (int64_t *)(void *)((char *)l->config + key->offset);
        bool duration = key->type == KEY_DURATION;
        int64_t number;

        if (duration ? !duration_parse(value, &number) : !str_to_i64(value, &number)) {
                complain(l, from, key->name, "\"%.*s\" is not %s", STR_ARG(value),
                         duration ? "a duration such as 500ms, 30s or 2m" : "a whole number");
                return;
        }
        if (number < key->minimum || number > key->maximum) {
                complain(l, from, key->name, "%.*s is out of range: %lld to %lld%s", STR_ARG(value),
                         (long long)key->minimum, (long long)key->maximum, duration ? " ms" : "");
                return;
        }
        *field = number;
}

static void set(struct loader *l, const struct config_key *key, struct str value, const struct origin *from)
{
        void *field = (char *)l->config + key->offset;

        switch (key->type) {
        case KEY_BOOL:
                if (str_is(value, "true") || str_is(value, "false"))
                        *(bool *)field = str_is(value, "true");
                else
                        complain(l, from, key->name, "\"%.*s\" is neither true nor false", STR_ARG(value));
                return;
        case KEY_INTEGER:
        case KEY_DURATION:
                set_number(l, key, value, from);
                return;
        case KEY_WORD:
                if (!words_have(key->words, value))
                        complain(l, from, key->name, "\"%.*s\" is none of: %s", STR_ARG(value), key->words);
                break;
        case KEY_TEXT:
                if ((int64_t)value.len < key->minimum || (int64_t)value.len > key->maximum)
                        complain(l, from, key->name, "%zu bytes long, allowed are %lld to %lld", value.len,
                                 (long long)key->minimum, (long long)key->maximum);
                break;
        }
        *(struct str *)field = arena_str(l->arena, value);
}

static void unknown_key(struct loader *l, struct str name, const struct origin *from)
{
        const char *nearest = NULL;
        size_t best = 4;

        for (size_t i = 0; i < config_key_count; i++) {
                size_t d = str_distance(name, str_from(config_keys[i].name));

                if (d < best) {
                        best = d;
                        nearest = config_keys[i].name;
                }
        }
        complain(l, from, arena_strdup(l->arena, arena_printf(l->arena, "%.*s", STR_ARG(name)).ptr),
                 "this key is not known%s%s%s", nearest ? "; did you mean " : "", nearest ? nearest : "",
                 nearest ? "?" : "");
}

static const struct config_key *key_find(struct str name)
{
        for (size_t i = 0; i < config_key_count; i++)
                if (str_is(name, config_keys[i].name))
                        return &config_keys[i];
        return NULL;
}

static void load_defaults(struct loader *l)
{
        static const struct origin from = {.name = "the default"};

        for (size_t i = 0; i < config_key_count; i++)
                set(l, &config_keys[i], str_from(config_keys[i].standard), &from);
}

static void load_text(struct loader *l, struct str text, const char *file_name)
{
        struct yaml_entry *entries = NULL;

        if (!config_yaml_read(l->arena, text, file_name, &entries, l->problems))
                l->ok = false;
        for (; entries; entries = entries->next) {
                const struct config_key *key = key_find(entries->key);
                struct origin from = {.file = file_name, .line = entries->line};

                if (key)
                        set(l, key, entries->value, &from);
                else
                        unknown_key(l, entries->key, &from);
        }
}

static void load_file(struct loader *l, const char *path)
{
        enum { FILE_MOST = 1 << 20 };
        FILE *file = fopen(path, "re");
        char *text = arena_alloc_bytes(l->arena, FILE_MOST);
        size_t len;

        if (!file || !text) {
                buf_printf(l->problems, "%s: cannot be read: %s\n", path, strerror(errno));
                l->ok = false;
        } else {
                len = fread(text, 1, FILE_MOST, file);
                if (ferror(file) || !feof(file)) {
                        buf_printf(l->problems, "%s: cannot be read, or is larger than 1 MiB\n", path);
                        l->ok = false;
                } else {
                        l->config->file = arena_str(l->arena, str_from(path));
                        load_text(l, str_make(text, len), path);
                }
        }
        if (file)
                (void)fclose(file);
}

/* "listen.port" as LISTEN_PORT (upper) or listen-port. */
static void key_spell(const char *name, bool upper, char *text, size_t size)
{
        size_t i = 0;

        for (; name[i] && i + 1 < size; i++) {
                bool mark = name[i] == '.' || name[i] == '-';

                text[i] = mark    ? (upper ? '_' : '-')
                          : upper ? (char)toupper((unsigned char)name[i])
                                  : name[i];
        }
        text[i] = '\0';
}

static const char *environment_get(char **environment, const char *name)
{
        size_t len = strlen(name);

        for (; environment && *environment; environment++)
                if (strncmp(*environment, name, len) == 0 && (*environment)[len] == '=')
                        return *environment + len + 1;
        return NULL;
}

static void load_environment(struct loader *l, char **environment)
{
        for (size_t i = 0; i < config_key_count; i++) {
                char name[96] = "COUNTERSIGN_";
                struct origin from = {.name = name};
                const char *value;

                key_spell(config_keys[i].name, true, name + strlen(name), sizeof(name) - strlen(name));
                value = environment_get(environment, name);
                if (value)
                        set(l, &config_keys[i], str_from(value), &from);
        }
}

static const struct config_key *flag_find(struct str flag)
{
        for (size_t i = 0; i < config_key_count; i++) {
                char name[96];

                key_spell(config_keys[i].name, false, name, sizeof(name));
                if (str_is(flag, name))
                        return &config_keys[i];
        }
        return NULL;
}

/* Returns how many arguments it took. --config was taken before. */
static int load_flag(struct loader *l, int argc, char **argv)
{
        struct str rest = str_from(argv[0]);
        struct origin from = {.name = argv[0]};
        const struct config_key *key;
        struct str name;
        bool has_value;

        if (!str_starts(rest, STR("--"))) {
                complain(l, &from, "flag", "not a flag; flags begin with --");
                return 1;
        }
        rest = str_slice(rest, 2, rest.len);
        has_value = str_cut(&rest, '=', &name);
        if (str_is(name, "config"))
                return has_value ? 1 : 2;
        key = flag_find(name);
        if (!key) {
                complain(l, &from, "flag", "this flag is not known; see `countersign config reference`");
                return 1;
        }
        if (has_value) {
                set(l, key, rest, &from);
                return 1;
        }
        if (key->type == KEY_BOOL &&
            (argc < 2 || (strcmp(argv[1], "true") != 0 && strcmp(argv[1], "false") != 0))) {
                set(l, key, STR("true"), &from);
                return 1;
        }
        if (argc < 2) {
                complain(l, &from, key->name, "needs a value");
                return 1;
        }
        set(l, key, str_from(argv[1]), &from);
        return 2;
}

static const char *file_flag(int argc, char **argv)
{
        for (int i = 0; i < argc; i++) {
                if (strncmp(argv[i], "--config=", 9) == 0)
                        return argv[i] + 9;
                if (strcmp(argv[i], "--config") == 0)
                        return i + 1 < argc ? argv[i + 1] : "";
        }
        return NULL;
}

/* What no single key can say. */
static void check_whole(struct loader *l)
{
        const struct config *config = l->config;

        if ((config->tls_certificate.len > 0) != (config->tls_key.len > 0)) {
                buf_printf(l->problems, "tls.certificate and tls.key: both are needed, or neither\n");
                l->ok = false;
        }
        if (config->node_url.len > 0 && ((!str_starts(config->node_url, STR("https://")) &&
                                          !str_starts(config->node_url, STR("http://"))) ||
                                         str_ends(config->node_url, STR("/")))) {
                buf_printf(l->problems, "node.url: \"%.*s\": https://… without a slash at the end\n",
                           STR_ARG(config->node_url));
                l->ok = false;
        }
        for (size_t i = 0; i < config->region.len; i++) {
                char c = config->region.ptr[i];

                if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9' && i > 0) && !(c == '-' && i > 0)) {
                        buf_printf(l->problems,
                                   "node.region: \"%.*s\": lower-case letters, digits and "
                                   "hyphens, a letter first\n",
                                   STR_ARG(config->region));
                        l->ok = false;
                        return;
                }
        }
}

static bool load_end(struct loader *l)
{
        if (l->ok)
                check_whole(l);
        if (arena_failed(l->arena) && l->ok) {
                buf_printf(l->problems, "no memory to read the configuration\n");
                l->ok = false;
        }
        return l->ok;
}

bool config_load(struct arena *arena, int argc, char **argv, char **environment, struct config *ret,
                 struct buf *problems)
{
        struct loader l = {arena, ret, problems, true};
        const char *file = file_flag(argc, argv);

        *ret = (struct config){.file = STR("")};
        load_defaults(&l);
        if (!file)
                file = environment_get(environment, "COUNTERSIGN_CONFIG");
        if (file)
                load_file(&l, file);
        load_environment(&l, environment);
        for (int i = 0; i < argc;)
                i += load_flag(&l, argc - i, argv + i);
        return load_end(&l);
}

bool config_parse(struct arena *arena, struct str text, const char *file_name, struct config *ret,
                  struct buf *problems)
{
        struct loader l = {arena, ret, problems, true};

        *ret = (struct config){.file = str_from(file_name)};
        load_defaults(&l);
        load_text(&l, text, file_name);
        return load_end(&l);
}
