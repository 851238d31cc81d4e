/* The protobuf wire format, as far as these messages need it.
 *
 * Encoding: a message is a function that puts its fields; an inner message is run twice, first to count its bytes for
 * the length in front of it. Nothing is buffered beyond a packet.
 * Decoding: fields come one by one and in any order; unknown ones are skipped by not looking at them. */
#ifndef AIV_WIRE_H
#define AIV_WIRE_H

#include <stdint.h>

/* ---- encoding ---- */

typedef struct {
    int counting; /* counts only; else the bytes go to the packets */
    uint32_t count;
} wire_writer;

typedef void (*wire_encoder)(wire_writer *to, const void *message);

void wire_put_u32(wire_writer *to, uint32_t field, uint32_t value);
void wire_put_u64(wire_writer *to, uint32_t field, uint64_t value);
void wire_put_i32(wire_writer *to, uint32_t field, int32_t value);
void wire_put_float(wire_writer *to, uint32_t field, float value);
void wire_put_bytes(wire_writer *to, uint32_t field, const uint8_t *bytes, uint32_t n);
/* The same byte n times. */
void wire_put_fill(wire_writer *to, uint32_t field, uint8_t byte, uint32_t n);
/* At most max bytes of a string; 0 counts as empty. */
void wire_put_string(wire_writer *to, uint32_t field, const char *text, uint32_t max);
void wire_put_message(wire_writer *to, uint32_t field, wire_encoder encode, const void *message);

/* ---- decoding ---- */

typedef enum { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 } wire_type;

/* A message that is being read from the packets. */
typedef struct {
    uint32_t left;    /* bytes of it that have not been read */
    uint32_t pending; /* bytes at the start of them that belong to the current field */
    int malformed;
} wire_reader;

typedef struct {
    uint32_t number;
    wire_type type;
    uint64_t value; /* of a number; of bytes or an inner message the length */
} wire_field;

/* Waits for a message. Returns 0, with the device ready for another, when its length makes no sense: it is longer than
 * max. */
int wire_begin(wire_reader *from, uint32_t max);

/* The next field, 0 at the end. Whatever of the previous field was not taken is skipped. */
int wire_next(wire_reader *from, wire_field *field);

/* Takes at most n bytes of the current field and says how many; `to` may be 0. */
uint32_t wire_take(wire_reader *from, uint8_t *to, uint32_t n);

/* The bytes of the current field as a message of their own; to be read to its end before the outer one goes on. */
wire_reader wire_enter(wire_reader *from);

/* Swallows what is left. Returns 0 when the message was malformed. */
int wire_finish(wire_reader *from);

#endif
