/* The commands of the v3 family, one function each. */
#ifndef AIV_V3_COMMANDS_H
#define AIV_V3_COMMANDS_H

#include "messages.h"

void command_model_info(const request *asked);
void command_run(const request *asked);
void command_memory_read(const request *asked);
void command_memory_write(const request *asked);
void command_memory_checksum(const request *asked);
void command_test(const request *asked);

/* Memory commands act on a buffer of the firmware from now on, or no longer. Returns whether they do. */
int memory_toggle_test_mode(void);

#endif
