/* SPDX-License-Identifier: Apache-2.0 */
#include "api/api_handlers.h"
#include "catalogue/catalogue.h"

static bool parameters_to_api(struct arena *arena, const struct catalogue_operation *operation,
                              struct api_catalogue_operation *out, struct err *err)
{
        struct api_catalogue_parameter *items =
                ARENA_ARRAY(arena, struct api_catalogue_parameter, operation->parameter_count);

        if (!items)
                return arena_check(arena, err);
        for (unsigned i = 0; i < operation->parameter_count; i++) {
                const struct catalogue_parameter *parameter = &operation->parameters[i];

                items[i] = (struct api_catalogue_parameter){
                        .name = str_from(parameter->name),
                        .type = api_catalogue_parameter_type_from(
                                str_from(parameter_type_name(parameter->type))),
                        .required = parameter->required,
                        .summary = str_from(parameter->summary),
                };
        }
        out->parameters = items;
        out->parameters_count = operation->parameter_count;
        return true;
}

FIBER_FN bool catalogue_list(struct request *req, const struct api_catalogue_list_in *in,
                             struct api_catalogue *out, struct err *err)
{
        struct api_catalogue_operation *items =
                ARENA_ARRAY(req->arena, struct api_catalogue_operation, catalogue_count());

        (void)in;
        if (!items)
                return arena_check(req->arena, err);
        for (size_t i = 0; i < catalogue_count(); i++) {
                const struct catalogue_operation *operation = catalogue_at(i);

                items[i] = (struct api_catalogue_operation){
                        .connector = str_from(operation->connector),
                        .operation = str_from(operation->name),
                        .summary = str_from(operation->summary),
                        .effect = api_effect_from(str_from(effect_name(operation->effect))),
                        .repeatable = operation->repeatable,
                        .target = str_from(target_kind_name(operation->target)),
                };
                if (!parameters_to_api(req->arena, operation, &items[i], err))
                        return false;
        }
        out->items = items;
        out->items_count = catalogue_count();
        return true;
}
