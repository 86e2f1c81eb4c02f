-- SPDX-License-Identifier: Apache-2.0
-- Log-ins by device code (RFC 8628): the device does not know yet whose it will be, so they wait here.
-- Opaque ids only.

CREATE TABLE device_login (
        -- SHA-256 of the device's code, and of the short code that the person types.
        device_hash BLOB NOT NULL PRIMARY KEY,
        user_hash BLOB NOT NULL UNIQUE,
        created_ms INTEGER NOT NULL,
        expires_ms INTEGER NOT NULL,
        polled_ms INTEGER NOT NULL,
        interval_ms INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('waiting', 'allowed', 'refused', 'used')),
        tenant_id TEXT REFERENCES tenant (id),
        principal_id TEXT,
        realm TEXT,
        methods TEXT,
        authenticated_ms INTEGER,
        second_factor_ms INTEGER,
        provider_session TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX device_login_by_expiry ON device_login (expires_ms);
CREATE INDEX device_login_by_tenant ON device_login (tenant_id);
