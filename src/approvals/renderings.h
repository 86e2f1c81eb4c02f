/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Renderings that were made lately. One action is rendered again and again in
 * its life, in every reply and every page that shows it, and making a rendering
 * costs more than reading the action. What is found is a rendering of exactly
 * these bytes: all of them are compared, so that nothing but the statement can
 * decide what a person sees. Since a statement names its tenant, nobody finds
 * another tenant's.
 */
#pragma once

#include "documents/rendering.h"

/* As rendering_make; `digest` is only where it looks first. From any thread. */
bool renderings_make(struct arena *arena, struct str digest, struct str statement, struct rendering *ret,
                     struct err *err) MUST_USE;
