-- SPDX-License-Identifier: Apache-2.0
-- Whose an issuer's token is, for tokens that come to the API by themselves.

CREATE TABLE realm_audience (
        issuer TEXT NOT NULL,
        audience TEXT NOT NULL,
        tenant_id TEXT NOT NULL REFERENCES tenant (id),
        region TEXT NOT NULL,
        realm_id TEXT NOT NULL,
        PRIMARY KEY (issuer, audience)
) STRICT, WITHOUT ROWID;

CREATE INDEX realm_audience_by_realm ON realm_audience (tenant_id, realm_id);
