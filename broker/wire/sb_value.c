/* SPDX-License-Identifier: MPL-2.0
 *
 * What a value is as a number, for the client library and the tools alike.
 */
#include "sb_value.h"

#include <math.h>

double sb_value_as_number (const sb_value_t *value, double otherwise)
{
    if (!value)
        return otherwise;
    switch (value->kind) {
    case SB_VALUE_NUMBER:
        return value->number;
    case SB_VALUE_INTEGER:
        return (double)value->integer;
    case SB_VALUE_DECIMAL:
        /* Dividing by an exact power of ten gives the nearest double, as a literal would; multiplying does not. */
        return value->decimal.exponent < 0 ? (double)value->decimal.unscaled / pow (10.0, -value->decimal.exponent)
                                           : (double)value->decimal.unscaled * pow (10.0, value->decimal.exponent);
    case SB_VALUE_BOOLEAN:
        return value->boolean ? 1.0 : 0.0;
    case SB_VALUE_NONE:
    case SB_VALUE_TEXT:
    case SB_VALUE_BYTES:
        break;
    }
    return otherwise;
}
