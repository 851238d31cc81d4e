/* The firmware: waits for a request, answers it, forever. */
#include "validation.h"

#include <string.h>

#include "image.h"
#include "packets.h"
#include "port.h"

#if defined(__clang__)
#define COMPILER "Clang " __clang_version__
#elif defined(__GNUC__)
#define COMPILER "GCC " __VERSION__
#else
#define COMPILER "C"
#endif

enum { COMPILER_MAX = 20, TIME_SOURCE_MAX = 12 };

const char *runtime_description(void)
{
    static char text[NAME_MAX_BYTES + 1];
    text[0] = 0;
    strncat(text, COMPILER, COMPILER_MAX);
    strcat(text, " AiRunner ");
    strncat(text, port_describe()->time_source, TIME_SOURCE_MAX);
    return strcat(text, " time 0x" AIV_BUILD_HASH);
}

static void encode_sync(wire_writer *to, const void *message)
{
    (void)message;
    wire_put_u32(to, 1, AIV_VERSION);
    wire_put_u32(to, 4, family_capabilities);
    if (family_has_runtime_id)
        wire_put_u32(to, 5, RUNTIME_ID);
}

static void encode_system(wire_writer *to, const void *message)
{
    const port_description *port = message;
    wire_put_u32(to, 1, port->device_id);
    wire_put_u32(to, 2, port->system_hz);
    wire_put_u32(to, 3, port->bus_hz);
    wire_put_u32(to, 4, port->cache);
    if (AIV_HEADER_BYTES == 2)
        wire_put_u32(to, 5, AIV_LARGE_PACKET);
}

static void sync(void)
{
    /* The way back from large packets: the answer is already small. */
    packets_set_payload(PACKET_BYTES);
    answer(S_IDLE, ANSWER_SYNC, encode_sync, 0);
}

static void system_info(void)
{
    answer(S_IDLE, ANSWER_SYS_INFO, encode_system, port_describe());
    if (AIV_LARGE_PACKET)
        packets_set_payload(AIV_LARGE_PACKET);
}

int main(int argc, char **argv)
{
    port_start(argc, argv);
    for (;;) {
        request asked;
        if (!receive_request(&asked))
            continue;
        if (asked.command == CMD_SYNC)
            sync();
        else if (asked.command == CMD_SYS_INFO)
            system_info();
        else if (!family_command(&asked))
            answer_refused();
    }
}
