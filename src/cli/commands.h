/* SPDX-License-Identifier: Apache-2.0 */
/* What the table in commands.c points at: a function for each command. */
#pragma once

#include "cli/cli.h"

bool login_run(struct cli *cli, struct err *err) MUST_USE;
bool whoami_run(struct cli *cli, struct err *err) MUST_USE;
bool tenant_create_run(struct cli *cli, struct err *err) MUST_USE;
bool tenant_list_run(struct cli *cli, struct err *err) MUST_USE;
bool tenant_show_run(struct cli *cli, struct err *err) MUST_USE;
bool tenant_get_run(struct cli *cli, struct err *err) MUST_USE;
bool tenant_update_run(struct cli *cli, struct err *err) MUST_USE;
bool tenant_suspend_run(struct cli *cli, struct err *err) MUST_USE;
bool tenant_resume_run(struct cli *cli, struct err *err) MUST_USE;
bool tenant_archive_run(struct cli *cli, struct err *err) MUST_USE;
bool organization_create_run(struct cli *cli, struct err *err) MUST_USE;
bool organization_list_run(struct cli *cli, struct err *err) MUST_USE;
bool organization_get_run(struct cli *cli, struct err *err) MUST_USE;
bool organization_update_run(struct cli *cli, struct err *err) MUST_USE;
bool workspace_create_run(struct cli *cli, struct err *err) MUST_USE;
bool workspace_get_run(struct cli *cli, struct err *err) MUST_USE;
bool workspace_update_run(struct cli *cli, struct err *err) MUST_USE;
bool workspace_suspend_run(struct cli *cli, struct err *err) MUST_USE;
bool workspace_resume_run(struct cli *cli, struct err *err) MUST_USE;
bool workspace_archive_run(struct cli *cli, struct err *err) MUST_USE;
bool workspace_list_run(struct cli *cli, struct err *err) MUST_USE;
bool principal_create_run(struct cli *cli, struct err *err) MUST_USE;
bool principal_list_run(struct cli *cli, struct err *err) MUST_USE;
bool principal_show_run(struct cli *cli, struct err *err) MUST_USE;
bool principal_disable_run(struct cli *cli, struct err *err) MUST_USE;
bool key_create_run(struct cli *cli, struct err *err) MUST_USE;
bool key_list_run(struct cli *cli, struct err *err) MUST_USE;
bool key_revoke_run(struct cli *cli, struct err *err) MUST_USE;
bool key_rotate_run(struct cli *cli, struct err *err) MUST_USE;
bool logout_run(struct cli *cli, struct err *err) MUST_USE;
bool session_list_run(struct cli *cli, struct err *err) MUST_USE;
bool session_revoke_run(struct cli *cli, struct err *err) MUST_USE;
bool token_client_show_run(struct cli *cli, struct err *err) MUST_USE;
bool token_client_set_run(struct cli *cli, struct err *err) MUST_USE;
bool signing_key_create_run(struct cli *cli, struct err *err) MUST_USE;
bool signing_key_list_run(struct cli *cli, struct err *err) MUST_USE;

bool account_create_run(struct cli *cli, struct err *err) MUST_USE;
bool account_list_run(struct cli *cli, struct err *err) MUST_USE;
bool account_link_run(struct cli *cli, struct err *err) MUST_USE;
bool account_disable_run(struct cli *cli, struct err *err) MUST_USE;
bool account_enable_run(struct cli *cli, struct err *err) MUST_USE;
bool account_password_run(struct cli *cli, struct err *err) MUST_USE;
bool factor_show_run(struct cli *cli, struct err *err) MUST_USE;
bool factor_reset_run(struct cli *cli, struct err *err) MUST_USE;
bool factor_totp_run(struct cli *cli, struct err *err) MUST_USE;
bool factor_totp_confirm_run(struct cli *cli, struct err *err) MUST_USE;
bool factor_totp_remove_run(struct cli *cli, struct err *err) MUST_USE;
bool factor_recovery_codes_run(struct cli *cli, struct err *err) MUST_USE;
bool factor_passkey_remove_run(struct cli *cli, struct err *err) MUST_USE;

bool action_settle_run(struct cli *cli, struct err *err) MUST_USE;
bool agent_list_run(struct cli *cli, struct err *err) MUST_USE;
bool agent_show_run(struct cli *cli, struct err *err) MUST_USE;
bool agent_update_run(struct cli *cli, struct err *err) MUST_USE;
bool agent_apply_run(struct cli *cli, struct err *err) MUST_USE;
bool grant_create_run(struct cli *cli, struct err *err) MUST_USE;
bool grant_list_run(struct cli *cli, struct err *err) MUST_USE;
bool grant_revoke_run(struct cli *cli, struct err *err) MUST_USE;

bool realm_create_run(struct cli *cli, struct err *err) MUST_USE;
bool realm_list_run(struct cli *cli, struct err *err) MUST_USE;
bool realm_show_run(struct cli *cli, struct err *err) MUST_USE;
bool realm_update_run(struct cli *cli, struct err *err) MUST_USE;
bool realm_delete_run(struct cli *cli, struct err *err) MUST_USE;
bool roster_init_run(struct cli *cli, struct err *err) MUST_USE;
bool roster_show_run(struct cli *cli, struct err *err) MUST_USE;
bool roster_add_run(struct cli *cli, struct err *err) MUST_USE;
bool roster_remove_run(struct cli *cli, struct err *err) MUST_USE;
bool roster_sign_run(struct cli *cli, struct err *err) MUST_USE;

bool permission_list_run(struct cli *cli, struct err *err) MUST_USE;
bool role_list_run(struct cli *cli, struct err *err) MUST_USE;
bool role_show_run(struct cli *cli, struct err *err) MUST_USE;
bool role_create_run(struct cli *cli, struct err *err) MUST_USE;
bool role_update_run(struct cli *cli, struct err *err) MUST_USE;
bool role_delete_run(struct cli *cli, struct err *err) MUST_USE;
bool group_list_run(struct cli *cli, struct err *err) MUST_USE;
bool group_create_run(struct cli *cli, struct err *err) MUST_USE;
bool group_show_run(struct cli *cli, struct err *err) MUST_USE;
bool group_delete_run(struct cli *cli, struct err *err) MUST_USE;
bool group_members_run(struct cli *cli, struct err *err) MUST_USE;
bool group_add_run(struct cli *cli, struct err *err) MUST_USE;
bool group_remove_run(struct cli *cli, struct err *err) MUST_USE;
bool binding_list_run(struct cli *cli, struct err *err) MUST_USE;
bool binding_show_run(struct cli *cli, struct err *err) MUST_USE;
bool binding_create_run(struct cli *cli, struct err *err) MUST_USE;
bool binding_delete_run(struct cli *cli, struct err *err) MUST_USE;
bool subject_list_run(struct cli *cli, struct err *err) MUST_USE;
bool subject_add_run(struct cli *cli, struct err *err) MUST_USE;
bool subject_remove_run(struct cli *cli, struct err *err) MUST_USE;
bool can_run(struct cli *cli, struct err *err) MUST_USE;
bool catalogue_run(struct cli *cli, struct err *err) MUST_USE;
bool keys_status_run(struct cli *cli, struct err *err) MUST_USE;
bool keys_rotate_root_run(struct cli *cli, struct err *err) MUST_USE;
bool provider_key_add_run(struct cli *cli, struct err *err) MUST_USE;
bool provider_key_list_run(struct cli *cli, struct err *err) MUST_USE;
bool provider_key_show_run(struct cli *cli, struct err *err) MUST_USE;
bool provider_key_rotate_run(struct cli *cli, struct err *err) MUST_USE;
bool provider_key_revoke_run(struct cli *cli, struct err *err) MUST_USE;
bool executor_create_run(struct cli *cli, struct err *err) MUST_USE;
bool executor_list_run(struct cli *cli, struct err *err) MUST_USE;
bool executor_revoke_run(struct cli *cli, struct err *err) MUST_USE;

bool action_submit_run(struct cli *cli, struct err *err) MUST_USE;
bool action_list_run(struct cli *cli, struct err *err) MUST_USE;
bool action_show_run(struct cli *cli, struct err *err) MUST_USE;
bool action_wait_run(struct cli *cli, struct err *err) MUST_USE;
bool action_cancel_run(struct cli *cli, struct err *err) MUST_USE;
bool action_output_run(struct cli *cli, struct err *err) MUST_USE;
bool action_envelope_run(struct cli *cli, struct err *err) MUST_USE;
bool action_receipt_run(struct cli *cli, struct err *err) MUST_USE;
bool approve_run(struct cli *cli, struct err *err) MUST_USE;
bool reject_run(struct cli *cli, struct err *err) MUST_USE;
bool events_run(struct cli *cli, struct err *err) MUST_USE;

bool policy_test_run(struct cli *cli, struct err *err) MUST_USE;
bool policy_list_run(struct cli *cli, struct err *err) MUST_USE;
bool policy_show_run(struct cli *cli, struct err *err) MUST_USE;
bool policy_activate_run(struct cli *cli, struct err *err) MUST_USE;
bool policy_deactivate_run(struct cli *cli, struct err *err) MUST_USE;
bool policy_explain_run(struct cli *cli, struct err *err) MUST_USE;
bool policy_protect_run(struct cli *cli, struct err *err) MUST_USE;
bool policy_unprotect_run(struct cli *cli, struct err *err) MUST_USE;
bool definition_check_run(struct cli *cli, struct err *err) MUST_USE;
bool definition_create_run(struct cli *cli, struct err *err) MUST_USE;
bool definition_list_run(struct cli *cli, struct err *err) MUST_USE;
bool definition_show_run(struct cli *cli, struct err *err) MUST_USE;
bool definition_publish_run(struct cli *cli, struct err *err) MUST_USE;
bool definition_delete_run(struct cli *cli, struct err *err) MUST_USE;
bool definition_promote_run(struct cli *cli, struct err *err) MUST_USE;
bool definition_diff_run(struct cli *cli, struct err *err) MUST_USE;
bool definition_export_run(struct cli *cli, struct err *err) MUST_USE;
bool definition_import_run(struct cli *cli, struct err *err) MUST_USE;
bool environment_show_run(struct cli *cli, struct err *err) MUST_USE;

bool audit_export_run(struct cli *cli, struct err *err) MUST_USE;
bool audit_verify_run(struct cli *cli, struct err *err) MUST_USE;
bool audit_entries_run(struct cli *cli, struct err *err) MUST_USE;
bool audit_key_run(struct cli *cli, struct err *err) MUST_USE;

bool completions_run(struct cli *cli, struct err *err) MUST_USE;
