-- SPDX-License-Identifier: Apache-2.0
-- Agents that are there go on as before, with a grant of everything that can be seen and revoked.
INSERT INTO agent_profile (tenant_id, principal_id, scope, risk, revision, changed_ms)
SELECT tenant_id, id, 'read_write', 'medium', 1, created_ms FROM principal WHERE kind = 'agent';

INSERT INTO agent_grant (tenant_id, id, principal_id, connector, operation, environment, granted_ms)
SELECT tenant_id, 'gnt_' || substr(id, 5), id, '*', '*', '', created_ms FROM principal WHERE kind = 'agent';
