/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to src/definitions: what the tables of workflow.c cannot say. Each is
 * the `rule` of a shape; the context is the workflow's root.
 */
#pragma once

#include "definitions/document.h"

#define WORKFLOW_RULE(name) void workflow_rule_##name(const struct node *, struct problems *, void *root)

WORKFLOW_RULE(duration);  /* lasts longer than nothing */
WORKFLOW_RULE(not_empty); /* has at least one member */
WORKFLOW_RULE(one_of);    /* has exactly one member */
WORKFLOW_RULE(script);    /* either code or source */
WORKFLOW_RULE(subflow);   /* a version that is one */
WORKFLOW_RULE(unique_names);
WORKFLOW_RULE(directive); /* goes to a task that is there */
/* The name is one that `use` defines. */
WORKFLOW_RULE(authentication_name);
WORKFLOW_RULE(error_name);
WORKFLOW_RULE(function_name);
WORKFLOW_RULE(retry_name);
WORKFLOW_RULE(secret_name);
WORKFLOW_RULE(timeout_name);
