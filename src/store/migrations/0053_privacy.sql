-- SPDX-License-Identifier: Apache-2.0
-- What an action carries is sealed with a key of its own, and gone with that key.

-- Whether the workspace was in the data mode `full` when the action was asked for.
ALTER TABLE action ADD COLUMN keeps_content INTEGER NOT NULL DEFAULT 0 CHECK (keeps_content IN (0, 1));
-- The action's key, under the tenant's. NULL: what was sealed with it is gone for ever.
ALTER TABLE action ADD COLUMN content_key BLOB;
ALTER TABLE action ADD COLUMN sealed_task_name BLOB;
ALTER TABLE action ADD COLUMN sealed_instruction BLOB;
ALTER TABLE action ADD COLUMN sealed_message BLOB;
ALTER TABLE action ADD COLUMN sealed_report BLOB;
-- Of the report's envelope: so that the same one is known again.
ALTER TABLE action ADD COLUMN report_sha256 TEXT;

-- `statement` and `action_output.data` hold sealed bytes from here on. `message` is the server's own, for
-- what it runs itself; an executor's is sealed.
ALTER TABLE action DROP COLUMN task_name;
ALTER TABLE action DROP COLUMN instruction;
ALTER TABLE action DROP COLUMN report;
