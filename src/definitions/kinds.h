/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kinds of definitions. A kind says what its documents must look like; what
 * they have in common is the head:
 *
 *   document:
 *     dsl: 1.0.0          (workflow only; the others name their format in `agent` or `policy`)
 *     namespace: default  (workflow only)
 *     name: restart-web
 *     version: 1.2.0
 *     title: …            (and summary, tags, metadata; all optional)
 */
#pragma once

#include "definitions/shape.h"

struct definition_kind {
        const char *name;
        /* Reports all that is wrong with the document, its head included. */
        void (*check)(const struct node *root, struct problems *problems);
};

/* NULL: there is no such kind. */
const struct definition_kind *definition_kind_find(struct str name);

/* workflow.c: Open Workflow (CNCF Serverless Workflow) DSL 1.0. */
void workflow_check(const struct node *root, struct problems *problems);
/* agent.c: what an agent may ask for. */
void agent_check(const struct node *root, struct problems *problems);

/* Shapes that several kinds use (shapes_common.c). */
extern const struct shape shape_any, shape_object, shape_text, shape_bool, shape_label, shape_version,
        shape_document_head;
