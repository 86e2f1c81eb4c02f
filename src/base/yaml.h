/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The events of a YAML 1.2 text, as libfyaml reads them: for whoever makes
 * something of its own of them (definitions/document.h, server/config_yaml.h)
 * and says what it does not take.
 */
#pragma once

#include "base/buf.h"

struct fy_event;

/* An event, and where it begins, from 1; 0: nowhere. False ends the reading. */
typedef bool (*yaml_event_fn)(void *arg, struct fy_event *event, int line, int column);

enum yaml_outcome {
        YAML_READ,      /* to the end, or as far as was wanted */
        YAML_INVALID,   /* the diagnosis says why: lines "<source>:12:3: error: message" */
        YAML_NO_MEMORY, /* before the first event */
};
enum yaml_outcome yaml_read(struct str text, yaml_event_fn on_event, void *arg, struct buf *diagnosis);
