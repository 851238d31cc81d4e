/* Messages as packets: a header of one or two bytes with the count of valid payload bytes, and a payload that is always
 * sent whole. */
#ifndef AIV_PACKETS_H
#define AIV_PACKETS_H

#include <stdint.h>

enum { PACKET_BYTES = 32 };

/* The payload of packets from now on, both ways: PACKET_BYTES or AIV_LARGE_PACKET. */
void packets_set_payload(uint32_t bytes);

/* Drops what is left of the current packet and waits for the first one of a message. */
void packets_begin(void);

/* Waits for n bytes of the message, asking for another packet with a sync byte whenever one is used up. `to` may be 0:
 * then the bytes are dropped. */
void packets_read(uint8_t *to, uint32_t n);

void packets_write(const uint8_t *from, uint32_t n);

/* Sends what is left, marked as the end of the message. */
void packets_end(void);

#endif
