-- SPDX-License-Identifier: Apache-2.0
-- PostgreSQL checks a list without making a table of it: here only the comment is new, so that both stores
-- have the same numbers.
COMMENT ON COLUMN action.state IS 'src/approvals/transitions.def says how it changes';
