-- SPDX-License-Identifier: Apache-2.0
-- An issuer's token names its tenant itself (docs/decisions/0064), so issuer and audience are not the first one's who
-- named them: each tenant has rows of its own.

CREATE TABLE issuer_audience (
        tenant_id TEXT NOT NULL REFERENCES tenant (id),
        issuer TEXT NOT NULL,
        audience TEXT NOT NULL,
        realm_id TEXT NOT NULL,
        PRIMARY KEY (tenant_id, issuer, audience)
) STRICT, WITHOUT ROWID;

CREATE INDEX issuer_audience_by_realm ON issuer_audience (tenant_id, realm_id);

INSERT INTO issuer_audience (tenant_id, issuer, audience, realm_id)
SELECT tenant_id, issuer, audience, realm_id FROM realm_audience;

DROP TABLE realm_audience;
