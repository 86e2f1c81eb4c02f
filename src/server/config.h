/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configuration: one YAML file, environment variables over it, flags over
 * that. One table in config.c knows every key; `listen.port` is
 * COUNTERSIGN_LISTEN_PORT in the environment and --listen-port as a flag.
 * Unknown keys and flags are mistakes. docs/configuration.md is the table, as
 * `countersign config reference` prints it; a test compares the two.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"

struct config {
        struct str file; /* "" when there is none */

        struct str listen_host;
        int64_t listen_port;
        struct str tls_certificate;
        struct str tls_key;
        bool tls_allow_12;

        struct str data_folder;
        struct str root_key_file; /* "": root.key in the data folder */
        struct str region;
        struct str root_provider;
        struct str root_pkcs11_module, root_pkcs11_token, root_pkcs11_key, root_pkcs11_pin_file;
        struct str root_vault_url, root_vault_mount, root_vault_key, root_vault_token_file, root_vault_ca;
        bool providers_allow_loopback;
        int64_t providers_timeout_ms;
        struct str node_regions, region_urls;
        struct str origin;
        struct str node_url; /* "": as it listens */

        int64_t loops;
        struct str store_url;     /* "": SQLite in the data folder */
        struct str store_regions; /* name=URL pairs, separated by blanks */
        int64_t store_pool;
        int64_t store_lock_timeout_ms;
        int64_t store_statement_timeout_ms;
        int64_t store_handles;
        int64_t store_writers;
        int64_t store_readers;

        int64_t session_idle_ms;
        int64_t session_browser_ms;
        int64_t session_cli_ms;
        int64_t session_token_ms;
        int64_t session_key_ms; /* 0: API keys hold without end */

        int64_t connections_max;
        int64_t connections_per_address;
        int64_t idle_timeout_ms;
        int64_t head_timeout_ms;
        int64_t body_timeout_ms;
        int64_t write_timeout_ms;
        int64_t request_timeout_ms;
        int64_t wait_max_ms;
        int64_t drain_ms;

        /* Requests a second, and how many may come at once. 0: no limit. */
        struct str rate_basic_tenant, rate_basic_principal; /* as rate_limit_parse reads them */
        struct str rate_standard_tenant, rate_standard_principal;
        struct str rate_enterprise_tenant, rate_enterprise_principal;
        int64_t rate_address, burst_address;

        int64_t password_memory_kib;
        int64_t password_passes;
        int64_t password_lanes;
        int64_t password_threads;
        int64_t password_queue;
        struct str password_breached; /* file; "" for none */
        struct str passkey_attestation;
        int64_t link_lifetime_ms;
        bool private_issuers;
        int64_t issuer_refetch_ms;

        struct str log_level;
        struct str log_format;
        bool log_requests;
        bool core_dumps;
};

/*
 * Reads file, environment (as `environ`) and flags (argv[0] is the first flag).
 * On failure `problems` has a line for each mistake, with the file's line or
 * the variable or the flag, and the key. Strings live in the arena.
 */
bool config_load(struct arena *arena, int argc, char **argv, char **environment, struct config *ret,
                 struct buf *problems) MUST_USE;

/* Only the text of a file, for tests and `config check FILE`. */
bool config_parse(struct arena *arena, struct str text, const char *file_name, struct config *ret,
                  struct buf *problems) MUST_USE;

/* The reference as Markdown: every key, its meaning, default, range. */
void config_reference(struct buf *buf);
/* The same as JSON: [{"key", "type", "default", "values", "meaning"}]. */
void config_reference_json(struct buf *buf);
/* The values that hold, as YAML; passwords in URLs are left out. */
void config_print(const struct config *config, struct buf *buf);
/* The same as JSON: {"listen.port": 7070, …}; durations in milliseconds. */
void config_print_json(const struct config *config, struct buf *buf);
