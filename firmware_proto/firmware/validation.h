/* The commands of a family of dialects: v2/ or v3/. */
#ifndef AIV_VALIDATION_H
#define AIV_VALIDATION_H

#include "messages.h"

/* Capabilities, and whether sync tells the runtime. */
extern const uint32_t family_capabilities;
extern const int family_has_runtime_id;

/* Answers a command besides CMD_SYNC and CMD_SYS_INFO. Returns 0 when there is no such command. */
int family_command(const request *asked);

/* runtime | interface << 8 | compiler << 16: ST.AI, st-ai, GCC. */
#define RUNTIME_ID 0x00010101u

/* The compiler, whose clock times are from, and last the hash of the image; at most NAME_MAX_BYTES. */
const char *runtime_description(void);

#endif
