/* What `ai-runner firmware build` decides: written as image_config.h and image.c beside the models. */
#ifndef AIV_IMAGE_H
#define AIV_IMAGE_H

#include <stdint.h>

#include "image_config.h"
#include "runtime/cm_network.h"

/* image_config.h defines
 *   AIV_DIALECT      AIV_V21, AIV_V31_1B or AIV_V31_2B
 *   AIV_LARGE_PACKET payload of large packets, 0 for none; only with 2-byte headers
 *   AIV_ARENA_BYTES  the largest arena of the models: they take turns
 *   AIV_MAX_INPUTS, AIV_MAX_OUTPUTS  of one model
 *   AIV_MAX_INPUT_BYTES  of one tensor
 *   AIV_BUILD_HASH   eight hexadecimal digits, text */
#define AIV_V21 0x0201u
#define AIV_V31_1B 0x0301u
#define AIV_V31_2B 0x10301u /* both say 0x0301 */

#define AIV_VERSION (AIV_DIALECT & 0xFFFFu)
#define AIV_V2 (AIV_VERSION < 0x0300u)
#define AIV_HEADER_BYTES (AIV_DIALECT == AIV_V31_2B ? 2u : 1u)

extern const cm_network *const aiv_networks[];
extern const uint32_t aiv_n_networks;

#endif
