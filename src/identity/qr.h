/* SPDX-License-Identifier: Apache-2.0 */
/*
 * QR codes (ISO/IEC 18004:2015) of short texts, to be shown on a screen: byte
 * mode, error correction level L, versions 1 to 20, the mask with the least
 * penalty. Pure functions.
 */
#pragma once

#include "base/str.h"

#include <stdint.h>

enum {
        QR_VERSION_MAX = 20,
        QR_SIZE_MAX = 17 + 4 * QR_VERSION_MAX,
        QR_TEXT_MAX = 858, /* bytes; table 7 */
        QR_QUIET = 4,      /* light modules that must surround it (section 5.3.8) */
};

struct qr {
        int version;
        int size;                                   /* modules of a side */
        uint8_t dark[QR_SIZE_MAX][QR_SIZE_MAX];     /* [y][x]: 1 where it is dark */
        uint8_t function[QR_SIZE_MAX][QR_SIZE_MAX]; /* 1 where it carries no data */
};

/* False when the text is longer than QR_TEXT_MAX. */
bool qr_make(struct str text, struct qr *ret);
