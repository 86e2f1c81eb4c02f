/* SPDX-License-Identifier: Apache-2.0 */
#include "base/yaml.h"

#include <libfyaml.h>

static void on_diagnosis(struct fy_diag *diag, void *user, const char *text, size_t len)
{
        struct buf *diagnosis = user;

        (void)diag;
        buf_append(diagnosis, text, len);
}

static void read_events(struct fy_parser *parser, yaml_event_fn on_event, void *arg)
{
        struct fy_event *event;
        bool goes_on = true;

        while (goes_on && (event = fy_parser_parse(parser))) {
                const struct fy_mark *mark = fy_event_start_mark(event);

                goes_on = on_event(arg, event, mark ? mark->line + 1 : 0, mark ? mark->column + 1 : 0);
                fy_parser_event_free(parser, event);
        }
}

enum yaml_outcome yaml_read(struct str text, yaml_event_fn on_event, void *arg, struct buf *diagnosis)
{
        enum yaml_outcome outcome = YAML_NO_MEMORY;
        struct fy_diag_cfg diag_config;
        struct fy_parse_cfg config = {.flags = FYPCF_DEFAULT_PARSE};
        struct fy_parser *parser;

        fy_diag_cfg_default(&diag_config);
        diag_config.fp = NULL;
        diag_config.output_fn = on_diagnosis;
        diag_config.user = diagnosis;
        diag_config.colorize = false;
        config.diag = fy_diag_create(&diag_config);
        parser = config.diag ? fy_parser_create(&config) : NULL;
        if (parser && fy_parser_set_string(parser, text.ptr, text.len) == 0) {
                read_events(parser, on_event, arg);
                outcome = fy_parser_get_stream_error(parser) ? YAML_INVALID : YAML_READ;
        }
        if (parser)
                fy_parser_destroy(parser);
        if (config.diag)
                fy_diag_destroy(config.diag);
        return outcome;
}
