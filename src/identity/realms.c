/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/realms.h"

#include "access/bindings.h"
#include "access/roles.h"
#include "api/services.h"
#include "identity/cache.h"
#include "identity/oidc.h"
#include "identity/realms_sql.h"
#include "identity/sessions.h"
#include "keys/tenant_keys.h"

enum { URL_MAX = 512, NAME_MAX_BYTES = 128, SUBJECT_MAX = 255, EXPRESSION_MAX = 4096 };

static const char *const authentication_names[] = {"basic", "post", "none"};

const char *client_authentication_name(enum client_authentication one)
{
        return authentication_names[one];
}

/* ---- checks ---------------------------------------------------------------------------------------- */

/* RFC 6749 section 3.3: words of visible ASCII without quotes and backslash; `openid` makes it OpenID
 * Connect. */
static bool scopes_are_good(struct str scopes)
{
        bool has_openid = false;
        struct str word;

        for (size_t i = 0; i < scopes.len; i++)
                if (scopes.ptr[i] < ' ' || scopes.ptr[i] > '~' || scopes.ptr[i] == '"' ||
                    scopes.ptr[i] == '\\')
                        return false;
        while (scopes.len > 0) {
                (void)str_cut(&scopes, ' ', &word);
                has_openid |= str_is(word, "openid");
        }
        return has_openid;
}

bool realm_check(const struct oidc *oidc, const struct realm *realm, bool has_secret, struct err *err)
{
        struct err why;

        if (!oidc_url_check(oidc, realm->issuer, &why))
                return err_set_at(err, ERR_BAD_FIELD, "/issuer", "%s", why.message);
        /* OpenID Connect Discovery section 3: no query and no fragment. */
        if (str_find(realm->issuer, '?') >= 0)
                return err_set_at(err, ERR_BAD_FIELD, "/issuer", "an issuer has no query");
        if (!scopes_are_good(realm->scopes))
                return err_set_at(err, ERR_BAD_FIELD, "/scopes",
                                  "scopes are words, and openid is one of them");
        if (realm->client_authentication != CLIENT_NONE && !has_secret)
                return err_set_at(err, ERR_MISSING_FIELD, "/client_secret",
                                  "a client that authenticates itself needs its secret");
        if (realm->client_authentication == CLIENT_NONE && has_secret)
                return err_set_at(err, ERR_BAD_FIELD, "/client_secret", "a public client has no secret");
        /* ID tokens are for the client; a token that acts must be for something else. */
        if (realm->audience.ptr && str_eq(realm->audience, realm->client_id))
                return err_set_at(
                        err, ERR_BAD_FIELD, "/audience",
                        "the audience must not be the client's id: ID tokens would be credentials");
        if (realm->algs == 0 || (realm->algs & ~JOSE_PUBLIC))
                return err_set_at(err, ERR_BAD_FIELD, "/algorithms", "at least one algorithm is needed");
        if (!oidc_expression_check(oidc, realm->roles_expression, err)) {
                err_prefix(err, "roles_expression");
                return false;
        }
        return true;
}

/* ---- rows ------------------------------------------------------------------------------------------ */

static bool from_row(const struct sql_realm_get_row *row, struct realm *ret, struct err *err)
{
        *ret = (struct realm){
                .id = row->id,
                .name = row->name,
                .issuer = row->issuer,
                .client_id = row->client_id,
                .client_secret = row->client_secret,
                .algs = (uint32_t)row->algorithms,
                .audience = row->audience,
                .scopes = row->scopes,
                .roles_expression = row->roles_expression,
                .name_claim = row->name_claim,
                .email_claim = row->email_claim,
                .clock_skew_ms = row->clock_skew_ms,
                .second_factor_acr = row->second_factor_acr,
                .version = row->version,
                .created_ms = row->created_ms,
        };
        for (unsigned i = CLIENT_BASIC; i <= CLIENT_NONE; i++)
                if (str_is(row->client_authentication, authentication_names[i])) {
                        ret->client_authentication = (enum client_authentication)i;
                        return true;
                }
        return err_set(err, ERR_INTERNAL, "realm %.*s has a client authentication that is none",
                       STR_ARG(row->id));
}

bool realm_find(struct tx *tx, struct str id, struct realm *ret, struct err *err)
{
        struct sql_realm_get_row row;
        bool found;

        if (!sql_realm_get(tx, id, &row, &found, err))
                return false;
        if (!found)
                return err_set(err, ERR_NOT_FOUND, "there is no such realm");
        return from_row(&row, ret, err);
}

bool realm_all(struct tx *tx, struct realm ret[REALMS_MAX], size_t *ret_count, struct err *err)
{
        SQL_SCOPED(realm_list) c = {0};
        struct sql_realm_get_row row;
        bool has = true;

        *ret_count = 0;
        if (!sql_realm_list_open(tx, STR(""), REALMS_MAX, &c, err))
                return false;
        while (*ret_count < REALMS_MAX) {
                if (!sql_realm_list_next(&c, &row, &has, err))
                        return false;
                if (!has)
                        break;
                if (!from_row(&row, &ret[(*ret_count)++], err))
                        return false;
        }
        return true;
}

/* Where the secret lies, so that it opens nowhere else. */
static bool seal(struct tx *tx, const struct realm *realm, struct str secret, struct str *ret,
                 struct err *err)
{
        const struct str row[] = {STR("realm"), realm->id, STR("client_secret")};

        return tenant_key_seal(tx, row, 3, secret, ret, err);
}

bool realm_secret(struct tx *tx, struct arena *arena, const struct realm *realm, struct str *ret,
                  struct err *err)
{
        const struct str row[] = {STR("realm"), realm->id, STR("client_secret")};

        *ret = STR_NULL;
        return !realm->client_secret.ptr ||
               tenant_key_open(tx, arena, row, 3, realm->client_secret, ret, err);
}

/* What is written of a realm, new or changed: members of both statements' inputs. */
#define REALM_COLUMNS(realm)                                                                                \
        .id = (realm)->id, .issuer = (realm)->issuer, .client_id = (realm)->client_id,                      \
        .client_secret = (realm)->client_secret,                                                            \
        .client_authentication = str_from(authentication_names[(realm)->client_authentication]),            \
        .algorithms = (realm)->algs, .audience = (realm)->audience, .scopes = (realm)->scopes,              \
        .roles_expression = (realm)->roles_expression, .name_claim = (realm)->name_claim,                   \
        .email_claim = (realm)->email_claim, .clock_skew_ms = (realm)->clock_skew_ms,                       \
        .second_factor_acr = (realm)->second_factor_acr

bool realm_add(struct tx *tx, struct realm *realm, struct str secret, int64_t now_ms, struct err *err)
{
        struct sql_realm_count_row count;
        struct id id = id_new("rlm");
        int64_t changes;
        bool found;

        if (!realm->id.ptr)
                realm->id = arena_str(tx_arena(tx), id_str(&id));
        realm->version = 1;
        realm->created_ms = now_ms;
        if (!arena_check(tx_arena(tx), err) || !sql_realm_count(tx, &count, &found, err))
                return false;
        if (count.realms >= REALMS_MAX)
                return err_set(err, ERR_LIMIT_REACHED, "a tenant has at most %d realms", REALMS_MAX);
        if (secret.ptr && !seal(tx, realm, secret, &realm->client_secret, err))
                return false;
        if (!sql_realm_insert(
                    tx,
                    &(struct sql_realm_insert_in){REALM_COLUMNS(realm), .name = realm->name, .now = now_ms},
                    &changes, err))
                return false;
        return changes == 1 || err_set(err, ERR_ALREADY_EXISTS, "a realm with this name exists already");
}

bool realm_change(struct tx *tx, struct realm *realm, struct str secret, struct err *err)
{
        int64_t changes;

        if (secret.ptr && !seal(tx, realm, secret, &realm->client_secret, err))
                return false;
        if (!sql_realm_update(tx,
                              &(struct sql_realm_update_in){REALM_COLUMNS(realm), .version = realm->version},
                              &changes, err))
                return false;
        realm->version++;
        return changes == 1 || err_set(err, ERR_PRECONDITION_FAILED, "the realm has changed meanwhile");
}

bool realm_remove(const struct services *services, struct tx *tx, struct str id, int64_t now_ms,
                  struct err *err)
{
        struct realm realm;
        int64_t changes;

        /* By the realm's own id: the person may have come through another one of the same issuer since. */
        if (!realm_find(tx, id, &realm, err) || !sql_realm_session_revoke(tx, id, now_ms, &changes, err) ||
            !identity_forget_on_commit(services, tx, id, err) ||
            !sql_realm_binding_delete_all(tx, id, &changes, err) ||
            !access_forget_on_commit(services, tx, tx_tenant(tx), err))
                return false;
        /* Who came through it holds nothing by it any more: somebody must be left who can manage the tenant.
         */
        return access_check_administrators(services->access, tx, err) &&
               sql_realm_delete(tx, id, &changes, err);
}

/* ---- people ------------------------------------------------------------------------------------------ */

static bool no_role(struct str name, struct err *err)
{
        return err_set(err, ERR_FORBIDDEN,
                       "the realm's expression gives \"%.*s\", which is no role for people",
                       STR_ARG(str_slice(name, 0, 64)));
}

/* As the contract has them; what claims say may be anything. */
static bool is_role_name(struct str name)
{
        for (size_t i = 0; i < name.len; i++)
                if (!(name.ptr[i] >= 'a' && name.ptr[i] <= 'z') &&
                    !(name.ptr[i] >= 'A' && name.ptr[i] <= 'Z') &&
                    !(name.ptr[i] >= '0' && name.ptr[i] <= '9') && name.ptr[i] != '-')
                        return false;
        return name.len > 0 && name.len <= 64;
}

static bool has_own(const struct realm_roles *roles, struct str id)
{
        for (size_t i = 0; i < roles->own_count; i++)
                if (str_eq(roles->own[i], id))
                        return true;
        return false;
}

static bool add_role(struct tx *tx, struct str name, struct realm_roles *roles, struct err *err)
{
        struct access_named_role found;

        if (!is_role_name(name))
                return no_role(name, err);
        if (!access_role_find(tx, name, false, &found, err))
                return err->code == ERR_BAD_FIELD ? no_role(name, err) : false;
        if (found.built_in && !role_fits(PRINCIPAL_USER, found.role))
                return no_role(name, err);
        if (found.built_in)
                roles->built_in |= ROLE_BIT(found.role);
        else if (!has_own(roles, found.id))
                roles->own[roles->own_count++] = found.id;
        return true;
}

bool realm_roles(const struct oidc *oidc, struct tx *tx, const struct realm *realm,
                 const struct json *claims, struct realm_roles *ret, struct err *err)
{
        struct str names[REALM_ROLES_MAX];
        size_t count;

        *ret = (struct realm_roles){0};
        if (!oidc_expression_names(oidc, tx_arena(tx), realm->roles_expression, claims, names,
                                   REALM_ROLES_MAX, &count, err))
                return false;
        for (size_t i = 0; i < count; i++)
                if (!add_role(tx, names[i], ret, err))
                        return false;
        return ret->built_in != 0 || ret->own_count > 0 ||
               err_set(err, ERR_FORBIDDEN,
                       "your account there gives you no role here; ask an administrator of your tenant");
}

/* A claim as a name for people: some text, without control characters, short. */
static struct str claim_text(struct tx *tx, const struct json *claims, struct str claim,
                             struct str otherwise)
{
        const struct json *value = json_get_str(claims, claim);
        struct str text = value && value->type == JSON_STRING ? str_trim(value->string) : STR("");
        char *copy;

        if (text.len == 0)
                text = otherwise;
        text = str_slice(text, 0, str_utf8_prefix(str_slice(text, 0, NAME_MAX_BYTES)));
        copy = arena_alloc_bytes(tx_arena(tx), text.len + 1);
        if (!copy)
                return STR("");
        for (size_t i = 0; i < text.len; i++)
                copy[i] = (unsigned char)text.ptr[i] < ' ' || text.ptr[i] == 0x7f ? ' ' : text.ptr[i];
        return str_make(copy, text.len);
}

static bool give_roles(struct tx *tx, const struct realm *realm, struct str principal,
                       const struct realm_roles *roles, int64_t now_ms, struct err *err)
{
        return access_bind_roles(tx, principal, roles->built_in, realm->id, now_ms, err) &&
               access_bind_own_roles(tx, principal, roles->own, roles->own_count, realm->id, now_ms, err);
}

/*
 * Whether the person holds just these roles through this realm; those that others gave are not the realm's
 * to touch.
 */
static bool holds_these(struct tx *tx, struct str realm, struct str principal,
                        const struct realm_roles *roles, bool *ret, struct err *err)
{
        SQL_SCOPED(realm_binding_list) c = {0};
        struct sql_realm_binding_list_row row;
        uint32_t built_in = 0;
        size_t own_count = 0;
        bool same = true;
        bool has = true;
        enum role role;

        if (!sql_realm_binding_list_open(tx, principal, realm, ROLE_COUNT + REALM_ROLES_MAX + 1, &c, err))
                return false;
        for (;;) {
                if (!sql_realm_binding_list_next(&c, &row, &has, err))
                        return false;
                if (!has)
                        break;
                if (row.role.ptr && role_from(row.role, &role))
                        built_in |= ROLE_BIT(role);
                else if (row.role_id.ptr && has_own(roles, row.role_id))
                        own_count++;
                else
                        same = false;
        }
        *ret = same && built_in == roles->built_in && own_count == roles->own_count;
        return true;
}

static bool refresh_person(const struct services *services, struct tx *tx, const struct realm *realm,
                           struct str id, struct str name, const struct realm_roles *roles, int64_t now_ms,
                           struct err *err)
{
        int64_t renamed;
        int64_t taken;
        bool same;

        if (!sql_principal_rename(tx, id, name, &renamed, err) ||
            !holds_these(tx, realm->id, id, roles, &same, err))
                return false;
        if (!same && (!sql_realm_binding_delete(tx, id, realm->id, &taken, err) ||
                      !give_roles(tx, realm, id, roles, now_ms, err) ||
                      !access_forget_on_commit(services, tx, id, err)))
                return false;
        return (renamed == 0 && same) || identity_forget_on_commit(services, tx, id, err);
}

bool realm_person(const struct services *services, struct tx *tx, const struct realm *realm,
                  struct str subject, const struct json *claims, const struct realm_roles *roles,
                  int64_t now_ms, struct identity_principal *ret, bool *ret_new, struct err *err)
{
        struct str name = claim_text(tx, claims, realm->name_claim, subject);
        struct str email = claim_text(tx, claims, realm->email_claim, STR(""));
        struct sql_realm_subject_get_row row;
        bool found;

        /* OpenID Connect Core section 2: at most 255 ASCII characters. */
        if (subject.len == 0 || subject.len > SUBJECT_MAX)
                return err_set(err, ERR_UNAUTHENTICATED, "the issuer's subject is empty or too long");
        if (!sql_realm_subject_get(tx, realm->issuer, subject, &row, &found, err))
                return false;
        *ret_new = !found;
        if (!found) {
                *ret = (struct identity_principal){
                        .kind = PRINCIPAL_USER, .name = name, .created_by = realm->id};
                if (!identity_principal_create(tx, ret, now_ms, err) ||
                    !give_roles(tx, realm, ret->id, roles, now_ms, err))
                        return false;
        } else {
                if (!identity_principal_get(tx, row.principal_id, ret, err))
                        return false;
                if (ret->disabled)
                        return err_set(err, ERR_FORBIDDEN, "this person is disabled here");
                if (!refresh_person(services, tx, realm, ret->id, name, roles, now_ms, err))
                        return false;
        }
        return sql_realm_subject_put(tx, realm->issuer, subject, ret->id, realm->id, email, now_ms, err);
}
