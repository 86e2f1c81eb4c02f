-- SPDX-License-Identifier: Apache-2.0
-- As 0056_agents_before_grants.sql; the owner of the tables sees all rows meanwhile. The policies are made again
-- after every migration.

ALTER TABLE principal NO FORCE ROW LEVEL SECURITY;
ALTER TABLE agent_profile NO FORCE ROW LEVEL SECURITY;
ALTER TABLE agent_grant NO FORCE ROW LEVEL SECURITY;

INSERT INTO agent_profile (tenant_id, principal_id, scope, risk, revision, changed_ms)
SELECT tenant_id, id, 'read_write', 'medium', 1, created_ms FROM principal WHERE kind = 'agent';

INSERT INTO agent_grant (tenant_id, id, principal_id, connector, operation, environment, granted_ms)
SELECT tenant_id, 'gnt_' || substr(id, 5), id, '*', '*', '', created_ms FROM principal WHERE kind = 'agent';
