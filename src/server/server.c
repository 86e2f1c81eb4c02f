/* SPDX-License-Identifier: Apache-2.0 */
#include "server/server.h"

#include "access/access.h"
#include "api/notify.h"
#include "approvals/control.h"
#include "definitions/definitions.h"
#include "approvals/work.h"
#include "base/clock.h"
#include "base/heap.h"
#include "base/log_line.h"
#include "crypto/secret.h"
#include "identity/accounts.h"
#include "identity/accounts_throttle.h"
#include "identity/authenticate.h"
#include "identity/oidc.h"
#include "keys/providers.h"
#include "keys/root_providers.h"
#include "keys/rotation.h"
#include "keys/tenant_keys.h"
#include "server/rate_shared.h"
#include "server/state.h"
#include "store/store.h"
#include "policy/activation/control.h"
#include "policy/policies.h"
#include "tenancy/deletion/deletion.h"
#include "tenancy/places.h"
#include "tenancy/regions.h"
#include "tenancy/tenancy.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define SERVER_VERSION "0.1.0"

/* "eu=postgres://… us=…"; the node's own region comes first, so that it is checked at the start. */
static bool read_regions(const struct config *config, struct arena *arena, struct store_options *options,
                         struct err *err)
{
        enum { REGIONS_MAX = 64 };
        struct store_region *regions = arena_alloc(arena, REGIONS_MAX * sizeof(*regions));
        struct str rest = config->store_regions, pair, name;

        if (!regions)
                return err_set(err, ERR_NO_MEMORY, "no memory to start");
        regions[0] = (struct store_region){arena_str(arena, config->region).ptr, NULL};
        options->regions = regions;
        options->region_count = 1;
        while (rest.len > 0) {
                (void)str_cut(&rest, ' ', &pair);
                if (pair.len == 0)
                        continue;
                struct str url = pair;
                if (!str_cut(&url, '=', &name) || url.len == 0 || options->region_count == REGIONS_MAX)
                        return err_set(err, ERR_CONFIG, "store.regions: \"%.*s\" is not name=URL",
                                       STR_ARG(pair));
                bool own = str_eq(name, config->region);
                struct store_region *region = own ? &regions[0] : &regions[options->region_count++];
                *region = (struct store_region){arena_str(arena, name).ptr, arena_str(arena, url).ptr};
        }
        return true;
}

bool server_store_options(const struct config *config, struct arena *arena,
                          struct store_options *ret_options, struct err *err)
{
        *ret_options = (struct store_options){
                .folder = arena_str(arena, config->data_folder).ptr,
                .pool_max = (unsigned)config->store_pool,
                .lock_timeout_ms = (unsigned)config->store_lock_timeout_ms,
                .statement_timeout_ms = (unsigned)config->store_statement_timeout_ms,
                .handles_max = (unsigned)config->store_handles,
                .writers = (unsigned)config->store_writers,
                .readers = (unsigned)config->store_readers,
        };
        if (config->store_url.len > 0) {
                ret_options->url = arena_str(arena, config->store_url).ptr;
                if (!read_regions(config, arena, ret_options, err))
                        return false;
        }
        return arena_check(arena, err);
}

static bool open_store(struct server *server, const struct config *config, struct err *err)
{
        struct store_options options;

        if (!server_store_options(config, &server->strings, &options, err))
                return false;
        /* The embedded store makes its folder; the root key needs one in any case. */
        if (options.url && mkdir(options.folder, 0700) != 0 && errno != EEXIST)
                return err_set_errno(err, ERR_SYSTEM, errno, "the data folder cannot be made");
        return store_open(&options, &server->store, err);
}

static const char *copy(struct server *server, struct str text)
{
        const char *copied = arena_str(&server->strings, text).ptr;

        return copied ? copied : "";
}

/* What protects the key file; nothing but its mode unless configured. */
static bool open_root_provider(struct server *server, const struct config *config, struct err *err)
{
        struct root_pkcs11_config pkcs11 = {
                copy(server, config->root_pkcs11_module), copy(server, config->root_pkcs11_token),
                copy(server, config->root_pkcs11_key), copy(server, config->root_pkcs11_pin_file)};
        struct root_vault_config vault = {
                copy(server, config->root_vault_url), copy(server, config->root_vault_mount),
                copy(server, config->root_vault_key), copy(server, config->root_vault_token_file),
                copy(server, config->root_vault_ca)};

        if (!arena_check(&server->strings, err))
                return false;
        if (str_is(config->root_provider, "pkcs11"))
                return root_pkcs11_open(&pkcs11, &server->root, err);
        if (str_is(config->root_provider, "vault"))
                return root_vault_open(&vault, &server->root, err);
        return true;
}

static bool open_root_key(struct server *server, const struct config *config, struct err *err)
{
        struct str path = config->root_key_file;

        if (path.len == 0)
                path = arena_printf(&server->strings, "%.*s/root.key", STR_ARG(config->data_folder));
        else
                path = arena_str(&server->strings, path);
        return arena_check(&server->strings, err) && open_root_provider(server, config, err) &&
               envelope_open_by(path.ptr, server->root, &server->envelope, err);
}

static void fill_services(struct server *server, const struct config *config)
{
        (void)snprintf(server->origin, sizeof(server->origin), "%.*s", STR_ARG(config->origin));
        server->signer = (struct log_signer){server->envelope, server->origin};
        server->services.store = server->store;
        server->services.envelope = server->envelope;
        server->services.log_signer = &server->signer;
        server->services.loops = server->loops;
        server->services.region = arena_str(&server->strings, config->region);
        server->services.wait_max_ms = config->wait_max_ms;
        server->session_times = (struct session_times){.browser_idle_ms = config->session_idle_ms,
                                                       .browser_ms = config->session_browser_ms,
                                                       .cli_ms = config->session_cli_ms,
                                                       .token_ms = config->session_token_ms,
                                                       .key_ms = config->session_key_ms};
        server->services.session_times = &server->session_times;
        server->services.version = SERVER_VERSION;
}

static void open_exchanges(struct pipeline *pipeline)
{
        pipeline->exchanges_fd = -1;
#ifdef COUNTERSIGN_TEST_HOOKS
        const char *path = getenv("COUNTERSIGN_EXCHANGE_LOG");

        if (path)
                pipeline->exchanges_fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
#endif
}

static bool read_limits(struct pipeline *pipeline, const struct config *config, struct err *err)
{
        const struct {
                const char *key;
                struct str text;
                struct rate_limit *limit;
        } limits[] = {
                {"rate.basic-tenant", config->rate_basic_tenant, &pipeline->tiers[TIER_BASIC].tenant},
                {"rate.basic-principal", config->rate_basic_principal,
                 &pipeline->tiers[TIER_BASIC].principal},
                {"rate.standard-tenant", config->rate_standard_tenant,
                 &pipeline->tiers[TIER_STANDARD].tenant},
                {"rate.standard-principal", config->rate_standard_principal,
                 &pipeline->tiers[TIER_STANDARD].principal},
                {"rate.enterprise-tenant", config->rate_enterprise_tenant,
                 &pipeline->tiers[TIER_ENTERPRISE].tenant},
                {"rate.enterprise-principal", config->rate_enterprise_principal,
                 &pipeline->tiers[TIER_ENTERPRISE].principal},
        };

        for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
                if (!rate_limit_parse(limits[i].text, limits[i].limit, err))
                        return err_prefix(err, "%s", limits[i].key);
        return true;
}

static bool make_pipeline(struct server *server, const struct config *config, struct err *err)
{
        struct pipeline *pipeline = &server->pipeline;

        pipeline->services = &server->services;
        pipeline->metrics = metrics_new(api_route_count);
        pipeline->rates = rate_table_new();
        pipeline->rates_addresses = rate_table_new();
        pipeline->rate_address = (struct rate_limit){config->rate_address, config->burst_address};
        pipeline->request_timeout_ms = config->request_timeout_ms;
        pipeline->log_requests = config->log_requests;
        open_exchanges(pipeline);
        if (!pipeline->metrics || !pipeline->rates || !pipeline->rates_addresses)
                return err_set(err, ERR_NO_MEMORY, "no memory to start");
        return read_limits(pipeline, config, err) && rate_shared_start(&server->services, err);
}

static bool listen_here(struct server *server, const struct config *config, struct err *err)
{
        struct http_server_config http;
        struct tls_server_config tls = {config->tls_certificate, config->tls_key, config->tls_allow_12};
        const char *host = config->listen_host.len > 0 ? config->listen_host.ptr : "localhost";
        bool bare = str_find(config->listen_host, ':') >= 0; /* an IPv6 address needs brackets */

        if (config->tls_certificate.len > 0 && !tls_server_new(&tls, &server->tls, err))
                return false;
        http_server_config_init(&http);
        http.host = config->listen_host;
        http.port = (uint16_t)config->listen_port;
        http.tls = server->tls;
        http.handler = pipeline_handle;
        http.handler_arg = &server->pipeline;
        http.on_protocol_error = pipeline_protocol_error;
        http.protocol_error_arg = &server->pipeline;
        http.connections_max = (unsigned)config->connections_max;
        http.connections_per_ip_max = (unsigned)config->connections_per_address;
        http.idle_timeout_ms = config->idle_timeout_ms;
        http.head_timeout_ms = config->head_timeout_ms;
        http.body_timeout_ms = config->body_timeout_ms;
        http.write_timeout_ms = config->write_timeout_ms;
        if (!http_server_open(server->loops, &http, &server->http, err))
                return false;
        (void)snprintf(server->url, sizeof(server->url), "%s://%s%s%s:%u", server->tls ? "https" : "http",
                       bare ? "[" : "", host, bare ? "]" : "", http_server_port(server->http));
        server->services.url = config->node_url.len > 0 ? arena_str(&server->strings, config->node_url)
                                                        : str_from(server->url);
        /* Handlers read all of the above: nobody is served before it is there. */
        if (!arena_check(&server->strings, err))
                return false;
        http_server_serve(server->http);
        return true;
}

/* By which a person becomes the first administrator, beside the API key for programs. */
static bool make_first_link(struct server *server, const struct tenancy_plan *plan,
                            struct server_first *ret_first, struct err *err)
{
        const struct cell_ref cell = {.tenant = id_str(&plan->tenant), .region = server->services.region};
        struct credential link;
        bool ok = account_first(&server->services, &cell, id_str(&plan->principal), clock_now_ms(), &link,
                                err);

        if (ok)
                (void)snprintf(ret_first->link, sizeof(ret_first->link), "%s", link.text);
        secret_wipe(&link, sizeof(link));
        return ok;
}

static bool start_accounts(struct server *server, const struct config *config, struct err *err)
{
        const struct accounts_config accounts = {
                .passwords = {.parameters = {(uint32_t)config->password_memory_kib,
                                             (uint32_t)config->password_passes,
                                             (uint32_t)config->password_lanes},
                              .threads = (unsigned)config->password_threads,
                              .queue = (unsigned)config->password_queue,
                              .breached = config->password_breached},
                .attestation = str_is(config->passkey_attestation, "refuse") ? WEBAUTHN_ATTESTATION_REFUSE
                                                                             : WEBAUTHN_ATTESTATION_IGNORE,
                .link_ms = config->link_lifetime_ms,
        };

        return accounts_start(&accounts, &server->services.accounts, err);
}

/* Tenancy: what a crash left half-made goes; an empty store gets its first tenant. */
static bool prepare_tenants(struct server *server, struct server_first *ret_first, struct err *err)
{
        struct tenancy_plan plan;

        memset(&plan, 0, sizeof(plan));
        if (!tenancy_start(&server->services, err) ||
            !tenancy_bootstrap(&server->services, server->services.region, &plan, &ret_first->made, err))
                return false;
        if (ret_first->made) {
                (void)snprintf(ret_first->tenant, sizeof(ret_first->tenant), "%s", plan.tenant.text);
                (void)snprintf(ret_first->workspace, sizeof(ret_first->workspace), "%s",
                               plan.workspace.text);
                (void)snprintf(ret_first->api_key, sizeof(ret_first->api_key), "%s", plan.credential.text);
                secret_wipe(&plan.credential, sizeof(plan.credential));
                return make_first_link(server, &plan, ret_first, err);
        }
        return true;
}

/* From another node; on a thread of the store. */
static void hear(struct str message, void *arg)
{
        struct server *server = arg;

        notify_hear(message);
        places_hear(server->services.places, message);
        identity_hear(server->services.identity, message);
        access_hear(server->services.access, message);
        policies_hear(server->services.policies, message);
}

/* Whatever the server runs itself once people have approved it. */
static bool register_control(struct server *server, struct err *err)
{
        struct control *control = control_new();

        if (!control)
                return err_set(err, ERR_NO_MEMORY, "no memory to start");
        control_register(control, &definition_control_promote);
        policy_control_register(control);
        server->services.control = control;
        return deletion_start(&server->services, control, &server->services.deletion, err) &&
               deletion_resume(&server->services, err);
}

static bool start_steps(struct server *server, const struct config *config, struct server_first *ret_first,
                        struct err *err)
{
        if (!open_store(server, config, err) || !open_root_key(server, config, err) ||
            !loops_start((unsigned)config->loops, &server->loops, err))
                return false;
        fill_services(server, config);
        if (!tenant_keys_new(server->envelope, &server->keys, err))
                return false;
        store_set_keys(server->store, server->keys);
        if (!rotation_start(server->store, server->envelope, &server->services.rotation, err))
                return false;
        if (!providers_new(config->providers_allow_loopback, config->providers_timeout_ms,
                           &server->services.providers, err))
                return false;
        if (!regions_new(&server->strings, config->region, config->node_regions, config->region_urls,
                         &server->services.regions, err))
                return false;
        server->services.identity = identity_new(&server->services);
        server->services.throttle = throttle_new();
        server->services.places = places_new(&server->services);
        if (!server->services.identity || !server->services.throttle || !server->services.places)
                return err_set(err, ERR_NO_MEMORY, "no memory to start");
        if (!oidc_new(&server->services,
                      &(struct oidc_options){config->private_issuers, config->issuer_refetch_ms},
                      &server->services.oidc, err))
                return false;
        identity_set_jwt(server->services.identity, oidc_jwt(server->services.oidc));
        server->services.access = access_new(&server->services, err);
        server->services.policies = policies_new(&server->services);
        if (!server->services.policies)
                return err_set(err, ERR_NO_MEMORY, "no memory to start");
        return server->services.access && arena_check(&server->strings, err) &&
               store_listen(server->store, hear, server, err) && register_control(server, err) &&
               start_accounts(server, config, err) && prepare_tenants(server, ret_first, err) &&
               work_start(&server->services, &server->services.work, err) &&
               make_pipeline(server, config, err) && listen_here(server, config, err);
}

bool server_start(const struct config *config, struct server **ret_server, struct server_first *ret_first,
                  struct err *err)
{
        enum { STRINGS_MOST_BYTES = 64 * 1024 };
        struct server *server = heap_alloc_zeroed(1, sizeof(*server));

        *ret_server = NULL;
        *ret_first = (struct server_first){0};
        if (!server)
                return err_set(err, ERR_NO_MEMORY, "no memory to start");
        arena_init(&server->strings, STRINGS_MOST_BYTES);
        /* Keys at rest are in memory that dumps leave out; what a request carries just now is anywhere. */
        if (!config->core_dumps && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
                log_line(LOG_WARN, "core dumps of this process could not be turned off");
        server->drain_ms = config->drain_ms;
        server->pipeline.exchanges_fd = -1;
        if (!start_steps(server, config, ret_first, err)) {
                server_stop(server);
                return false;
        }
        atomic_store(&server->ready, true);
        *ret_server = server;
        return true;
}

const char *server_url(const struct server *server)
{
        return server->url;
}

struct str server_public_url(const struct server *server)
{
        return server->services.url;
}

bool server_reload(struct server *server, struct err *err)
{
        return !server->tls || tls_server_reload(server->tls, err);
}

void server_stop(struct server *server)
{
        if (!server)
                return;
        atomic_store(&server->ready, false);
        if (server->http && !http_server_drain(server->http, server->drain_ms))
                log_line(LOG_WARN, "some requests were cut off; they took longer than limits.drain");
        http_server_free(server->http);
        if (server->store)
                store_listen_stop(server->store);
        work_stop(server->services.work);
        control_free(server->services.control);
        oidc_free(server->services.oidc);
        providers_free(server->services.providers);
        rotation_stop(server->services.rotation);
        accounts_stop(server->services.accounts);
        loops_free(server->loops);
        tls_server_free(server->tls);
        identity_free(server->services.identity);
        throttle_free(server->services.throttle);
        places_free(server->services.places);
        policies_free(server->services.policies);
        access_free(server->services.access);
        store_close(server->store);
        deletion_free(server->services.deletion);
        tenant_keys_free(server->keys);
        envelope_free(server->envelope);
        root_key_free(server->root);
        rate_table_free(server->pipeline.rates);
        rate_table_free(server->pipeline.rates_addresses);
        metrics_free(server->pipeline.metrics);
        arena_done(&server->strings);
        heap_free(server);
}

void server_block_signals(void)
{
        sigset_t set;

        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGHUP);
        pthread_sigmask(SIG_BLOCK, &set, NULL);
        (void)signal(SIGPIPE, SIG_IGN);
}
