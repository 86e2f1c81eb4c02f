/* SPDX-License-Identifier: Apache-2.0 */
/* All commands of the client, one row each. */
#include "cli/commands.h"

#define END                                                                                                 \
        {                                                                                                   \
                NULL, NULL, NULL                                                                            \
        }

#define START "Begin"
#define ACTIONS "Ask, decide, follow"
#define PROOF "Prove"
#define PEOPLE "Who may do what"
#define PLACES "Where it happens"
#define DEFINITIONS "What can run"

static const struct cli_option login_options[] = {
        {"browser", NULL, "through the browser, also when standard input is no terminal"},
        {"device", NULL, "through the browser of another device, by a code"},
        {"second-factor", NULL, "with a second factor, which some commands ask for"},
        {"no-browser", NULL, "only show the address, start no browser"},
        {"key", "KEY", "an API key instead; `-` or a pipe: read from standard input"},
        {"keep-key", NULL, "the key that the profile has already"},
        {"ca", "FILE", "trust this certificate authority instead of the system's"},
        END,
};
static const struct cli_option secret_options[] = {
        {"write-profile", "FILE", "put the new key into a profile instead of showing it"},
        {"name", "NAME", "what the key is called"},
        {"expires", "DURATION", "when it stops, such as 30d; never unless told"},
        {"scope", "PERMISSION", "limit it to this permission; may be repeated"},
        END,
};
static const struct cli_option rotate_options[] = {
        {"overlap", "DURATION", "how long the old key still holds: 10m unless told, at most 168h"},
        {"write-profile", "FILE", "put the new key into a profile instead of showing it"},
        END,
};
static const struct cli_option token_client_options[] = {
        {"jwks", "FILE", "a JWK set with the public keys that its assertions are signed with"},
        {"bind", "WORKSPACE", "the id of the workspace that its tokens are for"},
        {"agent-scope", "SCOPE", "of an agent: read_only, read_write or code_gen"},
        {"risk-tier", "TIER", "of an agent"},
        END,
};
static const struct cli_option tenant_options[] = {
        {"tier", "TIER", "basic, standard or enterprise"},
        {"region", "REGION", "home region"},
        {"administrator", "NAME", "name of the first administrator"},
        {"write-profile", "FILE", "put the administrator's key into a profile instead of showing it"},
        END,
};
static const struct cli_option provider_key_options[] = {
        {"base-url", "URL", "where the provider is; needed for azure_openai and openai_compatible"},
        {"secret-file", "FILE",
         "read the key from this file, which others may not read; standard input unless told"},
        END,
};
static const struct cli_option provider_rotate_options[] = {
        {"overlap", "DURATION", "how long the old one may still be used; 1h unless told"},
        {"secret-file", "FILE",
         "read the new key from this file, which others may not read; standard input unless told"},
        END,
};
static const struct cli_option keys_rotate_options[] = {
        {"alone", NULL, "do not wait for other nodes of this store; those that run end"},
        {"wait", NULL, "until nothing is under the old key any more, and print how long it took"},
        END,
};
static const struct cli_option limit_options[] = {
        {"limit", "N", "at most so many, newest first where there is an order"},
        END,
};
#define LABEL                                                                                               \
        {                                                                                                   \
                "label", "KEY=VALUE", "a label; may be repeated"                                            \
        }
#define SELECTOR                                                                                            \
        {                                                                                                   \
                "selector", "SELECTOR", "only those whose labels fit, such as stage=prd,team!=web"          \
        }
#define VERSION                                                                                             \
        {                                                                                                   \
                "version", "N", "only if this is still its version; the one that stands unless told"        \
        }
static const struct cli_option tenant_list_options[] = {
        {"limit", "N", "at most so many"},
        SELECTOR,
        END,
};
static const struct cli_option tenant_update_options[] = {
        {"name", "NAME", "another name"},
        {"tier", "TIER", "basic, standard or enterprise"},
        LABEL,
        {"remove-label", "KEY", "a label to take away; may be repeated"},
        VERSION,
        END,
};
static const struct cli_option organization_options[] = {
        {"owner", "PRINCIPAL", "the id of who owns it"},
        LABEL,
        END,
};
static const struct cli_option organization_update_options[] = {
        {"name", "NAME", "another name"},
        {"owner", "PRINCIPAL", "the id of who owns it, or none"},
        LABEL,
        {"remove-label", "KEY", "a label to take away; may be repeated"},
        VERSION,
        END,
};
static const struct cli_option workspace_options[] = {
        {"organization", "ORGANIZATION", "id or name; the tenant's first unless told"},
        {"region", "REGION", "where its data is; the tenant's home unless told"},
        {"data-mode", "MODE", "metadata-only or full"},
        {"owner", "PRINCIPAL", "the id of who owns it"},
        LABEL,
        END,
};
static const struct cli_option workspace_update_options[] = {
        {"name", "NAME", "another name"},
        {"data-mode", "MODE", "metadata-only or full"},
        {"owner", "PRINCIPAL", "the id of who owns it, or none"},
        LABEL,
        {"remove-label", "KEY", "a label to take away; may be repeated"},
        VERSION,
        END,
};
static const struct cli_option principal_options[] = {
        {"role", "ROLE", "administrator, operator, approver, auditor or agent; may be repeated"},
        {"scope", "SCOPE", "of an agent: read_only, code_gen or read_write, which it is unless told"},
        {"risk", "TIER", "of an agent: low, medium (unless told), high or critical"},
        {"no-grants", NULL, "an agent is granted everything unless told so; `grant create` grants more"},
        END,
};
static const struct cli_option agent_update_options[] = {
        {"scope", "SCOPE", "read_only, code_gen or read_write"},
        {"risk", "TIER", "low, medium, high or critical"},
        VERSION,
        END,
};
static const struct cli_option version_options[] = {
        VERSION,
        END,
};
static const struct cli_option grant_options[] = {
        {"environment", "ENVIRONMENT", "only there; anywhere unless told"},
        END,
};
static const struct cli_option own_role_options[] = {
        {"permission", "PERMISSION", "what it allows; may be repeated"},
        {"owner-permission", "PERMISSION", "what it allows on the holder's own things; may be repeated"},
        {"description", "TEXT", "what it is for"},
        END,
};
static const struct cli_option group_options[] = {
        {"description", "TEXT", "what it is for"},
        END,
};
static const struct cli_option binding_list_options[] = {
        {"principal", "PRINCIPAL", "only those of its own"},
        {"group", "GROUP", "only those of the group"},
        {"limit", "N", "at most so many"},
        END,
};
static const struct cli_option binding_options[] = {
        {"group", NULL, "the first argument is a group"},
        {"organization", "ORGANIZATION", "there, instead of at the tenant"},
        {"workspace-id", "WORKSPACE", "there, instead of at the tenant; an id or a name"},
        {"forbid", NULL, "forbid what the role allows: that wins over every binding that allows it"},
        {"condition", "CEL", "only when this is true: docs/access.md"},
        END,
};
static const struct cli_option can_options[] = {
        {"explain", NULL, "the rules that matched, what they saw, what would have to change"},
        {"environment", "ENVIRONMENT", "as if it were about this one"},
        {"address", "ADDRESS", "as if asked from there"},
        {"time", "TIME", "as if asked then, such as 2030-01-01T08:00:00Z"},
        END,
};
static const struct cli_option roster_init_options[] = {
        {"approver", NULL, "you also approve actions, not only change the roster"},
        {"yes", NULL, "do not ask"},
        END,
};
static const struct cli_option account_options[] = {
        {"login", "NAME", "the login name; the person chooses it when it is left out"},
        END,
};
static const struct cli_option roster_add_options[] = {
        {"role", "ROLE", "approver (unless told) or administrator; may be repeated"},
        {"key", "BASE64", "this public key instead of those that they have offered; may be repeated"},
        {"passkeys", NULL, "the passkeys that they have registered, too"},
        {"threshold", "N", "how many administrators must sign the version after this one"},
        {"out", "FILE", "where to put it while signatures are missing"},
        {"yes", NULL, "do not ask"},
        END,
};
static const struct cli_option roster_remove_options[] = {
        {"threshold", "N", "how many administrators must sign the version after this one"},
        {"out", "FILE", "where to put it while signatures are missing"},
        {"yes", NULL, "do not ask"},
        END,
};
static const struct cli_option yes_options[] = {
        {"yes", NULL, "do not ask"},
        END,
};
static const struct cli_option submit_options[] = {
        {"wait", NULL, "wait for the action's end; the exit status says how it ended"},
        {"timeout", "DURATION", "with --wait: at most so long"},
        {"expires-in", "DURATION", "until when it can be approved and run: 1h unless told, at most 24h"},
        {"task", "WORDS", "what you are busy with; shown to approvers as your words"},
        {"instruction", "WORDS", "what you were told; shown to approvers as your words"},
        {"param", "NAME=VALUE", "a parameter, as --NAME=VALUE says it too"},
        END,
};
static const struct cli_option list_options[] = {
        {"state", "STATE", "only those: pending, approved, claimed, succeeded, failed, …"},
        {"limit", "N", "at most so many, newest first"},
        END,
};
static const struct cli_option wait_options[] = {
        {"timeout", "DURATION", "at most so long, such as 90s; for ever unless told"},
        END,
};
static const struct cli_option output_options[] = {
        {"follow", NULL, "until nothing more will come"},
        {"raw", NULL, "the bytes as they are, also those that a terminal obeys"},
        END,
};
static const struct cli_option out_options[] = {
        {"out", "FILE", "into this file instead of standard output"},
        END,
};
static const struct cli_option approve_options[] = {
        {"yes", NULL, "do not ask"},
        {"digest", "HEX", "refuse unless the action has this digest"},
        {"accept-uninspectable", NULL, "you have read the parts that nobody here can judge"},
        END,
};
static const struct cli_option reject_options[] = {
        {"yes", NULL, "do not ask"},
        {"digest", "HEX", "refuse unless the action has this digest"},
        END,
};
static const struct cli_option event_options[] = {
        {"after", "ID", "continue behind this event; with 0 from the oldest that is kept"},
        {"count", "N", "end after so many"},
        END,
};
static const struct cli_option executor_options[] = {
        {"token-file", "FILE", "put the token into this file instead of showing it"},
        END,
};
static const struct cli_option verify_options[] = {
        {"key", "VKEY", "the log's public key, as `countersign audit key --bare` prints it"},
        {"key-file", "FILE", "the same in a file"},
        END,
};
static const struct cli_option key_options[] = {
        {"bare", NULL, "only the key, for --key-file"},
        END,
};
static const struct cli_option definition_list_options[] = {
        {"kind", "KIND", "only those: workflow, agent, policy"},
        {"name", "NAME", "only those"},
        {"state", "STATE", "only those: draft, published"},
        {"tag", "NAME=VALUE", "only those with this tag"},
        {"environment", "ENVIRONMENT", "only those that are promoted there"},
        {"limit", "N", "at most so many"},
        END,
};
static const struct cli_option bare_options[] = {
        {"bare", NULL, "only the document, as it was kept"},
        END,
};
static const struct cli_option policy_test_options[] = {
        {"explain", NULL,
         "for each example: the rules, the values that they saw, what would have to change"},
        END,
};
static const struct cli_option policy_place_options[] = {
        {"layer", "LAYER", "where it decides: workspace (unless told), tenant, tier, platform"},
        {"tier", "TIER", "of the layer tier, whose policies are in the platform's own tenant"},
        END,
};
static const struct cli_option policy_explain_options[] = {
        {"kind", "KIND", "of who asks: user, service, agent; yourself unless told"},
        {"requester", "ID", "who asks"},
        {"risk", "TIER", "of who asks: low, medium, high, critical"},
        {"scope", "SCOPE", "of who asks: read_only, read_write, code_gen"},
        {"time", "TIME", "when, as 2026-03-02T03:00:00Z; now unless told"},
        {"param", "NAME=VALUE", "a parameter of the operation; may be repeated"},
        END,
};
static const struct cli_option publish_options[] = {
        {"digest", "HEX", "refuse unless the draft has this digest"},
        END,
};

static const struct cli_option realm_options[] = {
        {"issuer", "URL", "the issuer, exactly as it stands in its tokens"},
        {"client-id", "ID", "the client that we are there"},
        {"client-secret-file", "FILE", "its secret is the first line; - reads standard input"},
        {"authentication", "basic|post|none", "how we prove who we are; none: a public client"},
        {"algorithm", "ALG", "a signature that is accepted, such as ES256; may be repeated"},
        {"audience", "TEXT",
         "of the issuer's tokens that the API takes, with the tenant's id in it; empty for none"},
        {"scopes", "WORDS", "what is asked for; openid profile email unless told"},
        {"roles", "EXPRESSION", "CEL over claims that yields names of roles"},
        {"name-claim", "CLAIM", "the person's name; name unless told"},
        {"email-claim", "CLAIM", "the person's address; email unless told"},
        {"second-factor-acr", "ACR", "how the issuer says that a second factor was shown; empty for none"},
        {"clock-skew", "SECONDS", "how far clocks may differ; 60 unless told"},
        END,
};

const struct cli_command cli_commands[] = {
        {START, "login", "--server URL", "Log in, and keep server and credential in the profile",
         "Through your browser, on this machine or with --device on another; or with an API key,\n"
         "which is read without being shown. The profile is one file with mode 0600:\n"
         "~/.config/countersign/profile.json, or what $COUNTERSIGN_PROFILE or --profile name.",
         "countersign login --server https://countersign.example.com\n"
         "countersign login --device\n"
         "countersign login --server http://127.0.0.1:7070 --keep-key",
         login_options, 0, 0, false, login_run},
        {START, "logout", "", "End the session, and take the credential out of the profile", NULL,
         "countersign logout", NULL, 0, 0, false, logout_run},
        {START, "whoami", "", "Who the credential stands for, and how long it holds", NULL,
         "countersign whoami\ncountersign whoami --json", NULL, 0, 0, false, whoami_run},
        {START, "completions", "bash|zsh", "Completions for your shell", NULL,
         "countersign completions bash > /etc/bash_completion.d/countersign", NULL, 1, 1, false,
         completions_run},

        {ACTIONS, "catalogue", "[OPERATION]", "What can be asked for", NULL,
         "countersign catalogue\ncountersign catalogue container.remove", NULL, 0, 1, false, catalogue_run},
        {ACTIONS, "action submit", "ENVIRONMENT CONNECTOR OPERATION [TARGET]", "Ask for one operation",
         "Parameters of the operation are options behind its name: --force, --timeout 10,\n"
         "lists and maps by repeating: --env A=1 --env B=2.",
         "countersign action submit test docker container.list\n"
         "countersign action submit test docker container.remove web --force --wait",
         submit_options, 3, 4, true, action_submit_run},
        {ACTIONS, "action list", "", "Actions, newest first", NULL,
         "countersign action list --state pending", list_options, 0, 0, false, action_list_run},
        {ACTIONS, "action show", "ACTION", "One action, with what its bytes say", NULL, NULL, NULL, 1, 1,
         false, action_show_run},
        {ACTIONS, "action wait", "ACTION", "Wait for an action's end; the exit status says how it ended",
         NULL, NULL, wait_options, 1, 1, false, action_wait_run},
        {ACTIONS, "action cancel", "ACTION", "Withdraw an action that nobody has claimed", NULL, NULL, NULL,
         1, 1, false, action_cancel_run},
        {ACTIONS, "action settle", "ACTION succeeded|failed NOTE",
         "Say how an action ended whose executor does not",
         "For an action that is indeterminate, or claimed by an executor that you have revoked.\n"
         "NOTE says how you know. Who asked for the action cannot settle it.",
         "countersign action settle act_01jd3q4r5s6t7v8w9x0y1z2a3b failed still-runs", NULL, 3, 3, false,
         action_settle_run},
        {ACTIONS, "action output", "ACTION", "What the operation has printed", NULL, NULL, output_options, 1,
         1, false, action_output_run},
        {ACTIONS, "approve", "ACTION", "Read what would happen, and sign it",
         "Fetches the statement, computes its digest, renders it here from the bytes, holds\n"
         "that against the server's rendering, asks, and signs those bytes with your key.",
         "countersign action list --state pending", approve_options, 1, 1, false, approve_run},
        {ACTIONS, "reject", "ACTION", "Sign a no", NULL, NULL, reject_options, 1, 1, false, reject_run},
        {ACTIONS, "events", "", "The tenant's events as they happen", NULL,
         "countersign events --after 0 --count 1", event_options, 0, 0, false, events_run},

        {PROOF, "action envelope", "ACTION", "The frozen statement with its signatures (DSSE)", NULL, NULL,
         out_options, 1, 1, false, action_envelope_run},
        {PROOF, "action receipt", "ACTION", "The action's log entries with proofs that verify offline", NULL,
         NULL, out_options, 1, 1, false, action_receipt_run},
        {PROOF, "audit entries", "", "What the log holds, newest first", NULL,
         "countersign audit entries --limit 5", limit_options, 0, 0, false, audit_entries_run},
        {PROOF, "audit export", "", "The whole log in one file that verifies offline", NULL,
         "countersign audit export --out log.ndjson", out_options, 0, 0, false, audit_export_run},
        {PROOF, "audit key", "", "The log's public key", NULL, "countersign audit key --bare > log.vkey",
         key_options, 0, 0, false, audit_key_run},
        {PROOF, "audit verify", "FILE", "Check an export or a receipt, offline",
         "Needs nothing but the file and the log's public key. On failure it names the\n"
         "place and exits with 9.",
         "countersign audit verify log.ndjson --key-file log.vkey", verify_options, 1, 1, false,
         audit_verify_run},

        {PEOPLE, "principal create", "user|service|agent NAME", "Create somebody who can act", NULL,
         "countersign principal create agent deploy-bot --role agent\n"
         "countersign principal create agent reader --role agent --scope read_only --no-grants",
         principal_options, 2, 2, false, principal_create_run},
        {PEOPLE, "principal list", "", "Who can act for the tenant", NULL, "countersign principal list",
         limit_options, 0, 0, false, principal_list_run},
        {PEOPLE, "principal show", "PRINCIPAL", "Who somebody is, and the roles bound at the tenant",
         "PRINCIPAL is an id, or a name that only one has.", "countersign principal show deploy-bot", NULL,
         1, 1, false, principal_show_run},
        {PEOPLE, "principal disable", "PRINCIPAL", "Disable somebody; their keys stop at once",
         "PRINCIPAL is an id, or a name that only one has.", NULL, NULL, 1, 1, false, principal_disable_run},
        {PEOPLE, "permission list", "", "All permissions that roles are made of", NULL, NULL, NULL, 0, 0,
         false, permission_list_run},
        {PEOPLE, "role list", "", "The built-in roles and the tenant's own", NULL, NULL, limit_options, 0, 0,
         false, role_list_run},
        {PEOPLE, "role show", "ROLE", "What a role allows", NULL, "countersign role show operator", NULL, 1,
         1, false, role_show_run},
        {PEOPLE, "role create", "NAME", "Define a role of the tenant's own",
         "A permission that begins with x: is the tenant's own, for other programs to ask about.",
         "countersign role create log-reader --permission log.read", own_role_options, 1, 1, false,
         role_create_run},
        {PEOPLE, "role update", "ROLE", "Change what a role of the tenant's own allows", NULL, NULL,
         own_role_options, 1, 1, false, role_update_run},
        {PEOPLE, "role delete", "ROLE", "Delete a role that nothing binds any more", NULL, NULL, NULL, 1, 1,
         false, role_delete_run},
        {PEOPLE, "group list", "", "The groups of principals", NULL, NULL, limit_options, 0, 0, false,
         group_list_run},
        {PEOPLE, "group create", "NAME", "Create a group", NULL, "countersign group create night-shift",
         group_options, 1, 1, false, group_create_run},
        {PEOPLE, "group show", "GROUP", "One group", NULL, NULL, NULL, 1, 1, false, group_show_run},
        {PEOPLE, "group delete", "GROUP", "Delete a group with its memberships and bindings", NULL, NULL,
         NULL, 1, 1, false, group_delete_run},
        {PEOPLE, "group members", "GROUP", "Who is in a group", NULL, NULL, limit_options, 1, 1, false,
         group_members_run},
        {PEOPLE, "group add", "GROUP PRINCIPAL", "Put a principal into a group", NULL,
         "countersign group add night-shift deploy-bot", NULL, 2, 2, false, group_add_run},
        {PEOPLE, "group remove", "GROUP PRINCIPAL", "Take a principal out of a group", NULL, NULL, NULL, 2,
         2, false, group_remove_run},
        {PEOPLE, "binding list", "", "Who is bound to which role, where", NULL, NULL, binding_list_options,
         0, 0, false, binding_list_run},
        {PEOPLE, "binding show", "BINDING", "One binding", NULL, NULL, NULL, 1, 1, false, binding_show_run},
        {PEOPLE, "binding create", "PRINCIPAL|GROUP ROLE", "Bind a role, or forbid what it allows", NULL,
         "countersign binding create ann auditor --condition \"network.address.startsWith('10.')\"",
         binding_options, 2, 2, false, binding_create_run},
        {PEOPLE, "binding delete", "BINDING", "Take a binding away", NULL, NULL, NULL, 1, 1, false,
         binding_delete_run},
        {PEOPLE, "subject list", "PRINCIPAL", "The names by which other programs know a principal", NULL,
         NULL, NULL, 1, 1, false, subject_list_run},
        {PEOPLE, "subject add", "PRINCIPAL TYPE ID", "Name a principal as another program does", NULL,
         "countersign subject add ann user ann@example.com", NULL, 3, 3, false, subject_add_run},
        {PEOPLE, "subject remove", "PRINCIPAL TYPE ID", "Take such a name away", NULL, NULL, NULL, 3, 3,
         false, subject_remove_run},
        {PEOPLE, "can", "PRINCIPAL OPERATION [RESOURCE]", "Whether somebody may do something, and why",
         "OPERATION is an operation of the contract or a permission. RESOURCE is an id, or TYPE:ID for a "
         "thing of another program; the tenant unless told. The exit status is 3 when the answer is no.",
         "countersign can ann log.read --explain", can_options, 2, 3, false, can_run},
        {PEOPLE, "key create", "PRINCIPAL", "A new API key, shown once", NULL,
         "countersign key create deploy-bot --expires 30d --write-profile deploy-bot.json", secret_options,
         1, 1, false, key_create_run},
        {PEOPLE, "key list", "PRINCIPAL", "Somebody's API keys, without their secrets", NULL,
         "countersign key list deploy-bot", limit_options, 1, 1, false, key_list_run},
        {PEOPLE, "key revoke", "PRINCIPAL KEY", "Revoke an API key, effective at once", NULL, NULL, NULL, 2,
         2, false, key_revoke_run},
        {PEOPLE, "key rotate", "PRINCIPAL KEY",
         "A successor for an API key; the old one holds a while longer", NULL,
         "countersign key rotate deploy-bot key_… --overlap 1h --write-profile deploy-bot.json",
         rotate_options, 2, 2, false, key_rotate_run},
        {PEOPLE, "session list", "[PRINCIPAL]", "Where you, or somebody else, are logged in", NULL,
         "countersign session list", limit_options, 0, 1, false, session_list_run},
        {PEOPLE, "session revoke", "SESSION|all [PRINCIPAL]", "End a session, or all but this one", NULL,
         "countersign session revoke all", NULL, 1, 2, false, session_revoke_run},
        {PEOPLE, "token-client show", "PRINCIPAL", "How a service or an agent gets its tokens", NULL,
         "countersign token-client show deploy-bot", NULL, 1, 1, false, token_client_show_run},
        {PEOPLE, "token-client set", "PRINCIPAL", "Its public keys, and what its tokens are bound to",
         "What is not given is taken away.",
         "countersign token-client set deploy-bot --jwks keys.json --agent-scope read_only",
         token_client_options, 1, 1, false, token_client_set_run},
        {PEOPLE, "signing-key create", "", "Make your own Ed25519 key and offer its public half",
         "The private key stays in one file beside the profile, mode 0600.",
         "countersign signing-key create", NULL, 0, 0, false, signing_key_create_run},
        {PEOPLE, "signing-key list", "[PRINCIPAL]", "The public keys that somebody has offered", NULL,
         "countersign signing-key list", NULL, 0, 1, false, signing_key_list_run},
        {PEOPLE, "account create", "PRINCIPAL",
         "Give a person a local account, and a link to set its password",
         "Hand the link to the person and to nobody else: it works once.",
         "countersign account create ann --login ann@example.com", account_options, 1, 1, false,
         account_create_run},
        {PEOPLE, "account list", "", "The tenant's local accounts", NULL, "countersign account list",
         limit_options, 0, 0, false, account_list_run},
        {PEOPLE, "account link", "PRINCIPAL", "A new one-time link to set the password; the older ones end",
         NULL, "countersign account link ann", NULL, 1, 1, false, account_link_run},
        {PEOPLE, "account disable", "PRINCIPAL",
         "Let nobody log in to the account; its sessions end at once", NULL,
         "countersign account disable ann", NULL, 1, 1, false, account_disable_run},
        {PEOPLE, "account enable", "PRINCIPAL", "Let the person log in again", NULL,
         "countersign account enable ann", NULL, 1, 1, false, account_enable_run},
        {PEOPLE, "account password", "", "Change your own password",
         "Reads the current and the new one, a line each.", "countersign account password", NULL, 0, 0,
         false, account_password_run},
        {PEOPLE, "factor show", "[PRINCIPAL]", "Somebody's second factors and passkeys", NULL,
         "countersign factor show ann", NULL, 0, 1, false, factor_show_run},
        {PEOPLE, "factor reset", "PRINCIPAL", "Take away all second factors of somebody who has lost theirs",
         NULL, "countersign factor reset ann", NULL, 1, 1, false, factor_reset_run},
        {PEOPLE, "factor totp", "", "Set up one-time passwords for yourself", NULL,
         "countersign factor totp", NULL, 0, 0, false, factor_totp_run},
        {PEOPLE, "factor totp-confirm", "CODE", "Show the first code, so that they count", NULL,
         "countersign factor totp-confirm 123456", NULL, 1, 1, false, factor_totp_confirm_run},
        {PEOPLE, "factor totp-remove", "", "Take your one-time passwords away", NULL,
         "countersign factor totp-remove", NULL, 0, 0, false, factor_totp_remove_run},
        {PEOPLE, "factor recovery-codes", "", "Ten new recovery codes instead of those there were", NULL,
         "countersign factor recovery-codes", NULL, 0, 0, false, factor_recovery_codes_run},
        {PEOPLE, "factor passkey-remove", "PASSKEY", "Take a passkey of yours away", NULL,
         "countersign factor passkey-remove pky_01jd3q4r5s6t7v8w9x0y1z2a3b", NULL, 1, 1, false,
         factor_passkey_remove_run},
        {PEOPLE, "agent list", "", "The tenant's agents: how far each may go", NULL,
         "countersign agent list", limit_options, 0, 0, false, agent_list_run},
        {PEOPLE, "agent show", "AGENT", "One agent", NULL, "countersign agent show deploy-bot", NULL, 1, 1,
         false, agent_show_run},
        {PEOPLE, "agent update", "AGENT", "Change an agent's scope or risk tier, effective at once", NULL,
         "countersign agent update deploy-bot --scope code_gen --risk high", agent_update_options, 1, 1,
         false, agent_update_run},
        {PEOPLE, "agent apply", "AGENT DEFINITION",
         "Make a published definition what an agent is: scope, risk, grants",
         "What it was granted before is revoked. DEFINITION is an id, or agent/NAME@VERSION.",
         "countersign agent apply deploy-bot agent/release-bot@1.0.0", version_options, 2, 2, false,
         agent_apply_run},
        {PEOPLE, "grant create", "AGENT CONNECTOR [OPERATION]", "Let an agent ask for an operation",
         "Without OPERATION all of the connector's; \"*\" as CONNECTOR: everything.",
         "countersign grant create deploy-bot docker container.restart --environment test", grant_options, 2,
         3, false, grant_create_run},
        {PEOPLE, "grant list", "AGENT", "What an agent is, and was, granted", NULL,
         "countersign grant list deploy-bot", limit_options, 1, 1, false, grant_list_run},
        {PEOPLE, "grant revoke", "AGENT GRANT", "Revoke a grant, effective at once on every node", NULL,
         NULL, NULL, 2, 2, false, grant_revoke_run},
        {PEOPLE, "realm create", "NAME", "Let people sign in through an OpenID Connect issuer",
         "The answer names the redirect URI and the logout URI to register with the issuer.",
         "countersign realm create corp --issuer https://id.example.com --client-id countersign "
         "--client-secret-file secret --roles claims.roles",
         realm_options, 1, 1, false, realm_create_run},
        {PEOPLE, "realm list", "", "Where people sign in", NULL, "countersign realm list", NULL, 0, 0, false,
         realm_list_run},
        {PEOPLE, "realm show", "REALM", "One realm, by name or id", NULL, NULL, NULL, 1, 1, false,
         realm_show_run},
        {PEOPLE, "realm update", "REALM", "Change what is given; the rest stays", NULL,
         "countersign realm update corp --audience https://countersign.example.com/$TENANT", realm_options,
         1, 1, false, realm_update_run},
        {PEOPLE, "realm delete", "REALM", "Delete a realm; who came through it is signed out", NULL, NULL,
         yes_options, 1, 1, false, realm_delete_run},
        {PEOPLE, "roster init", "", "Begin the roster with yourself as its administrator", NULL, NULL,
         roster_init_options, 0, 0, false, roster_init_run},
        {PEOPLE, "roster show", "", "Whose signatures count, checked from the first version on", NULL,
         "countersign roster show", NULL, 0, 0, false, roster_show_run},
        {PEOPLE, "roster add", "PRINCIPAL", "Put somebody on the roster, or change what they are there",
         "Builds the next version from the chain that was verified here, signs it, and puts\n"
         "it; where more administrators must sign, --out keeps it for them.",
         NULL, roster_add_options, 1, 1, false, roster_add_run},
        {PEOPLE, "roster remove", "PRINCIPAL", "Take somebody off the roster", NULL, NULL,
         roster_remove_options, 1, 1, false, roster_remove_run},
        {PEOPLE, "roster sign", "FILE", "Add your signature to a version that others must sign too", NULL,
         NULL, yes_options, 1, 1, false, roster_sign_run},

        {PLACES, "tenant create", "NAME", "Create a tenant with its first administrator", NULL, NULL,
         tenant_options, 1, 1, false, tenant_create_run},
        {PLACES, "tenant list", "", "All tenants; for platform administrators", NULL,
         "countersign tenant list\ncountersign tenant list --selector client=yes", tenant_list_options, 0, 0,
         false, tenant_list_run},
        {PLACES, "tenant show", "[TENANT]", "Your tenant", NULL, "countersign tenant show", NULL, 0, 1,
         false, tenant_show_run},
        {PLACES, "tenant get", "TENANT", "Any tenant, by id or name; for platform administrators", NULL,
         NULL, NULL, 1, 1, false, tenant_get_run},
        {PLACES, "tenant update", "TENANT", "Change a tenant's name, tier or labels", NULL, NULL,
         tenant_update_options, 1, 1, false, tenant_update_run},
        {PLACES, "tenant suspend", "TENANT", "Stop a tenant at once, on every node", NULL, NULL, NULL, 1, 1,
         false, tenant_suspend_run},
        {PLACES, "tenant resume", "TENANT", "Let a suspended or archived tenant go on", NULL, NULL, NULL, 1,
         1, false, tenant_resume_run},
        {PLACES, "tenant archive", "TENANT", "Make a tenant readable only",
         "What its people can still ask for is the deletion:\n"
         "countersign action submit control-plane countersign tenant.delete TENANT",
         NULL, NULL, 1, 1, false, tenant_archive_run},
        {PLACES, "organization create", "NAME", "Create an organization", NULL,
         "countersign organization create sales --label cost-centre=7", organization_options, 1, 1, false,
         organization_create_run},
        {PLACES, "organization list", "", "The tenant's organizations", NULL,
         "countersign organization list", tenant_list_options, 0, 0, false, organization_list_run},
        {PLACES, "organization get", "ORGANIZATION", "One organization, by id or name", NULL, NULL, NULL, 1,
         1, false, organization_get_run},
        {PLACES, "organization update", "ORGANIZATION", "Change an organization's name, labels or owner",
         NULL, NULL, organization_update_options, 1, 1, false, organization_update_run},
        {PLACES, "workspace create", "NAME", "Create a workspace", NULL,
         "countersign workspace create shop --label stage=prd", workspace_options, 1, 1, false,
         workspace_create_run},
        {PLACES, "workspace list", "", "The tenant's workspaces", NULL, "countersign workspace list",
         tenant_list_options, 0, 0, false, workspace_list_run},
        {PLACES, "workspace get", "WORKSPACE", "One workspace, by id or name", NULL, NULL, NULL, 1, 1, false,
         workspace_get_run},
        {PLACES, "workspace update", "WORKSPACE", "Change a workspace's name, data mode, labels or owner",
         NULL, NULL, workspace_update_options, 1, 1, false, workspace_update_run},
        {PLACES, "workspace suspend", "WORKSPACE", "Stop a workspace at once, on every node", NULL, NULL,
         NULL, 1, 1, false, workspace_suspend_run},
        {PLACES, "workspace resume", "WORKSPACE", "Let a suspended or archived workspace go on", NULL, NULL,
         NULL, 1, 1, false, workspace_resume_run},
        {PLACES, "workspace archive", "WORKSPACE", "Make a workspace readable only",
         "Only an archived workspace can be deleted, by an action that people approve:\n"
         "countersign action submit control-plane countersign workspace.delete WORKSPACE",
         NULL, NULL, 1, 1, false, workspace_archive_run},
        {PLACES, "keys status", "", "How the root key stands, and what a rotation has left; platform only",
         NULL, "countersign keys status", NULL, 0, 0, false, keys_status_run},
        {PLACES, "keys rotate-root", "",
         "Make a new root key; all keys are wrapped anew meanwhile; platform only", NULL,
         "countersign keys rotate-root --wait", keys_rotate_options, 0, 0, false, keys_rotate_root_run},
        {PLACES, "provider-key add", "PROVIDER NAME",
         "Store a model provider's key; it is checked and never shown",
         "PROVIDER is openai, azure_openai, anthropic or openai_compatible. The key is read from\n"
         "standard input or a file, never from the command line.",
         "countersign provider-key add openai main --secret-file openai.key", provider_key_options, 2, 2,
         false, provider_key_add_run},
        {PLACES, "provider-key list", "", "The workspace's keys of model providers", NULL,
         "countersign provider-key list", limit_options, 0, 0, false, provider_key_list_run},
        {PLACES, "provider-key show", "KEY", "One of them: last four characters, fingerprint, last use",
         NULL, NULL, NULL, 1, 1, false, provider_key_show_run},
        {PLACES, "provider-key rotate", "KEY", "Let a new secret take over, with an overlap", NULL, NULL,
         provider_rotate_options, 1, 1, false, provider_key_rotate_run},
        {PLACES, "provider-key revoke", "KEY", "Revoke it; its secrets are erased", NULL, NULL, NULL, 1, 1,
         false, provider_key_revoke_run},
        {PLACES, "executor create", "NAME ENVIRONMENT", "Announce an executor; prints its one-time token",
         NULL, "countersign executor create prd-1 prd", executor_options, 2, 2, false, executor_create_run},
        {PLACES, "executor list", "", "The workspace's executors", NULL, "countersign executor list",
         limit_options, 0, 0, false, executor_list_run},
        {PLACES, "executor revoke", "EXECUTOR", "Revoke an executor, effective at once", NULL, NULL, NULL, 1,
         1, false, executor_revoke_run},

        {DEFINITIONS, "definition check", "KIND FILE",
         "What publishing this document would say; keeps nothing",
         "KIND is workflow (Open Workflow DSL 1.0), agent or policy. Every mistake comes with\n"
         "its line and column. Exits with 6 when there is one.",
         NULL, NULL, 2, 2, false, definition_check_run},
        {DEFINITIONS, "definition create", "KIND FILE", "Keep a document as a draft",
         "Name and version stand in the document. A draft of that name and version is\n"
         "replaced; what is published never changes.",
         NULL, NULL, 2, 2, false, definition_create_run},
        {DEFINITIONS, "definition list", "", "The workspace's definitions", NULL,
         "countersign definition list --kind workflow --state published", definition_list_options, 0, 0,
         false, definition_list_run},
        {DEFINITIONS, "definition show", "DEFINITION", "One definition with its document",
         "DEFINITION is an id, or KIND/NAME@VERSION.", NULL, bare_options, 1, 1, false, definition_show_run},
        {DEFINITIONS, "definition publish", "DEFINITION", "Check a draft and make it final", NULL, NULL,
         publish_options, 1, 1, false, definition_publish_run},
        {DEFINITIONS, "definition delete", "DEFINITION", "Throw a draft away", NULL, NULL, NULL, 1, 1, false,
         definition_delete_run},
        {DEFINITIONS, "definition diff", "DEFINITION OTHER", "What the other version changes", NULL, NULL,
         NULL, 2, 2, false, definition_diff_run},
        {DEFINITIONS, "definition promote", "DEFINITION ENVIRONMENT",
         "Make a version what an environment has",
         "For test and dev at once; for all others it becomes an action that must be approved.", NULL, NULL,
         2, 2, false, definition_promote_run},
        {DEFINITIONS, "definition export", "", "All definitions of the workspace, one a line", NULL,
         "countersign definition export --out definitions.ndjson", out_options, 0, 0, false,
         definition_export_run},
        {DEFINITIONS, "definition import", "FILE", "Take over an export; all of it or nothing", NULL, NULL,
         NULL, 1, 1, false, definition_import_run},
        {DEFINITIONS, "policy test", "FILE", "Run a policy's own examples; keeps nothing",
         "Exits with 6 when the policy has a mistake or an example does not hold.",
         "countersign policy test nights.yaml --explain", policy_test_options, 1, 1, false, policy_test_run},
        {DEFINITIONS, "policy list", "", "The policies that are in force in the workspace", NULL, NULL, NULL,
         0, 0, false, policy_list_run},
        {DEFINITIONS, "policy show", "NAME", "The document of a policy that is in force", NULL, NULL, NULL,
         1, 1, false, policy_show_run},
        {DEFINITIONS, "policy activate", "DEFINITION", "Put a published policy into force",
         "Of each name one version is in force. Where the tenant has protected its policies,\n"
         "it becomes an action that must be approved.",
         "countersign policy activate policy/nights@1.0.0", policy_place_options, 1, 1, false,
         policy_activate_run},
        {DEFINITIONS, "policy deactivate", "DEFINITION", "Put a policy out of force", NULL, NULL,
         policy_place_options, 1, 1, false, policy_deactivate_run},
        {DEFINITIONS, "policy explain", "ENVIRONMENT CONNECTOR OPERATION [TARGET]",
         "What would be decided on an action, and why; asks for nothing", NULL,
         "countersign policy explain prd docker container.remove web", policy_explain_options, 3, 4, false,
         policy_explain_run},
        {DEFINITIONS, "policy protect", "", "Let every change of the tenant's policies need approval", NULL,
         NULL, NULL, 0, 0, false, policy_protect_run},
        {DEFINITIONS, "policy unprotect", "", "Ask that policies may change without approval again", NULL,
         NULL, NULL, 0, 0, false, policy_unprotect_run},
        {DEFINITIONS, "environment show", "ENVIRONMENT", "The definitions that an environment has", NULL,
         "countersign environment show prd", NULL, 1, 1, false, environment_show_run},
        {0},
};
