#include "packets.h"

#include <string.h>

#include "image.h"
#include "port.h"

#define PAYLOAD_MAX (AIV_LARGE_PACKET > PACKET_BYTES ? AIV_LARGE_PACKET : PACKET_BYTES)

enum { SYNC_BYTE = 0xAA, END_OF_MESSAGE = 0x80 };

typedef struct {
    uint8_t bytes[AIV_HEADER_BYTES + PAYLOAD_MAX];
    uint32_t at; /* payload bytes that are used */
    uint32_t count;
} packet;

static packet received, outgoing;
static uint32_t payload = PACKET_BYTES;

void packets_set_payload(uint32_t bytes)
{
    payload = bytes;
    received.at = received.count = 0;
}

static void read_packet(void)
{
    port_read(received.bytes, AIV_HEADER_BYTES + payload);
    uint32_t count = received.bytes[0];
    if (AIV_HEADER_BYTES == 2)
        count = count << 8 | received.bytes[1];
    /* No peer announces more than there is; a misaligned one may seem to. */
    received.count = count < payload ? count : payload;
    received.at = 0;
}

void packets_begin(void)
{
    read_packet();
}

void packets_read(uint8_t *to, uint32_t n)
{
    while (n) {
        while (received.at == received.count) {
            static const uint8_t sync = SYNC_BYTE;
            port_write(&sync, 1);
            read_packet();
        }
        uint32_t available = received.count - received.at;
        uint32_t taken = n < available ? n : available;
        if (to) {
            memcpy(to, received.bytes + AIV_HEADER_BYTES + received.at, taken);
            to += taken;
        }
        received.at += taken;
        n -= taken;
    }
}

static void send_packet(uint8_t mark)
{
    if (AIV_HEADER_BYTES == 2) {
        outgoing.bytes[0] = (uint8_t)(outgoing.count >> 8 | mark);
        outgoing.bytes[1] = (uint8_t)outgoing.count;
    } else {
        outgoing.bytes[0] = (uint8_t)(outgoing.count | mark);
    }
    port_write(outgoing.bytes, AIV_HEADER_BYTES + payload);
    outgoing.count = 0;
}

void packets_write(const uint8_t *from, uint32_t n)
{
    while (n) {
        uint32_t room = payload - outgoing.count;
        uint32_t taken = n < room ? n : room;
        memcpy(outgoing.bytes + AIV_HEADER_BYTES + outgoing.count, from, taken);
        outgoing.count += taken;
        from += taken;
        n -= taken;
        if (outgoing.count == payload)
            send_packet(0);
    }
}

void packets_end(void)
{
    send_packet(END_OF_MESSAGE);
}
