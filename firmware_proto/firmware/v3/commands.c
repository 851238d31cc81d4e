#include "v3/commands.h"

#include "validation.h"

enum { CAN_OBSERVE = 1, CAN_READ_WRITE = 8, CAN_SELF_TEST = 128 };

const uint32_t family_capabilities = CAN_OBSERVE | CAN_READ_WRITE | CAN_SELF_TEST;
const int family_has_runtime_id = 1;

int family_command(const request *asked)
{
    switch (asked->command) {
    case CMD_NETWORK_INFO:
        command_model_info(asked);
        return 1;
    case CMD_NETWORK_RUN:
        command_run(asked);
        return 1;
    case CMD_MEMORY_READ:
        command_memory_read(asked);
        return 1;
    case CMD_MEMORY_WRITE:
        command_memory_write(asked);
        return 1;
    case CMD_MEMORY_CHECKSUM:
        command_memory_checksum(asked);
        return 1;
    case CMD_TEST:
        command_test(asked);
        return 1;
    default:
        return 0;
    }
}
