-- SPDX-License-Identifier: Apache-2.0
-- A decision may be signed by a passkey: the rest of its WebAuthn assertion. Both or neither.

ALTER TABLE decision ADD COLUMN authenticator_data BLOB;
ALTER TABLE decision ADD COLUMN client_data BLOB;
