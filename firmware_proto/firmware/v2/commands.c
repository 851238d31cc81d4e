#include "v2/commands.h"

#include "validation.h"

enum { CAN_INSPECT = 1, ALWAYS_SET = 2, CAN_SELF_TEST = 128 };

const uint32_t family_capabilities = CAN_INSPECT | ALWAYS_SET | CAN_SELF_TEST;
const int family_has_runtime_id = 0;

int family_command(const request *asked)
{
    switch (asked->command) {
    case CMD_NETWORK_INFO:
        command_model_info(asked);
        return 1;
    case CMD_NETWORK_RUN:
        command_run(asked);
        return 1;
    case CMD_TEST:
        command_test(asked);
        return 1;
    default:
        return 0;
    }
}
