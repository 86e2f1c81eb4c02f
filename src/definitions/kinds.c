/* SPDX-License-Identifier: Apache-2.0 */
#include "definitions/kinds.h"
#include "policy/policy_document.h"

static const struct definition_kind kinds[] = {
        {"workflow", workflow_check},
        {"agent", agent_check},
        {"policy", policy_document_check},
};

const struct definition_kind *definition_kind_find(struct str name)
{
        for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
                if (str_is(name, kinds[i].name))
                        return &kinds[i];
        return NULL;
}
