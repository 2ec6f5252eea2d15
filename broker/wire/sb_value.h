/* SPDX-License-Identifier: MPL-2.0
 *
 * What a value is as a number. Pure.
 */
#ifndef SB_VALUE_H
#define SB_VALUE_H

#include "sb_model.h"

/* The value of a number, integer, decimal or boolean (0 or 1), rounded to the nearest double; `otherwise` for any
 * other kind and for NULL. Cannot fail. */
double sb_value_as_number (const sb_value_t *value, double otherwise);

#endif
