-- SPDX-License-Identifier: Apache-2.0
-- An authorization code counts only while the session in which its owner allowed it stands. '' (of codes that were
-- made before this was kept) is no session.

ALTER TABLE authorization_code ADD COLUMN allowed_in TEXT NOT NULL DEFAULT '';
