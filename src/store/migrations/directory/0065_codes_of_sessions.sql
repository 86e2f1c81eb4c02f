-- SPDX-License-Identifier: Apache-2.0
-- A device code counts only while the session in which its owner allowed it stands. '' (of codes that nobody
-- allowed yet, or that were allowed before this was kept) is no session.

ALTER TABLE device_login ADD COLUMN allowed_in TEXT NOT NULL DEFAULT '';
