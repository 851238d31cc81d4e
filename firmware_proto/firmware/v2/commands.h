/* The commands of the v2 family, one function each. */
#ifndef AIV_V2_COMMANDS_H
#define AIV_V2_COMMANDS_H

#include "messages.h"

void command_model_info(const request *asked);
void command_run(const request *asked);
void command_test(const request *asked);

#endif
