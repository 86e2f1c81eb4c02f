-- SPDX-License-Identifier: Apache-2.0
-- What requests leave behind beside their effect: events to publish, and replies to repeat.

-- The outbox: written in the transaction of the change that it tells of.
CREATE TABLE event (
        tenant_id TEXT NOT NULL,
        seq INTEGER NOT NULL,
        id TEXT NOT NULL,
        type TEXT NOT NULL,
        subject TEXT NOT NULL,
        time_ms INTEGER NOT NULL,
        data TEXT NOT NULL,
        PRIMARY KEY (tenant_id, seq)
) STRICT, WITHOUT ROWID;

-- One row for each Idempotency-Key that a principal has used. The reply is sealed with a key made
-- from the caller's own credential, since replies may hold secrets that are shown once.
CREATE TABLE idempotency (
        tenant_id TEXT NOT NULL,
        principal_id TEXT NOT NULL,
        operation TEXT NOT NULL,
        key TEXT NOT NULL,
        request_sha256 BLOB NOT NULL,
        status INTEGER NOT NULL,
        sealed_reply BLOB NOT NULL,
        expires_ms INTEGER NOT NULL,
        PRIMARY KEY (tenant_id, principal_id, operation, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_by_expiry ON idempotency (tenant_id, expires_ms);
