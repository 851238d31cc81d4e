#include "wire.h"

#include <string.h>

#include "packets.h"

/* ---- encoding ---- */

static void put_raw(wire_writer *to, const uint8_t *bytes, uint32_t n)
{
    to->count += n;
    if (!to->counting)
        packets_write(bytes, n);
}

static void put_varint(wire_writer *to, uint64_t value)
{
    uint8_t bytes[10];
    uint32_t n = 0;
    do {
        bytes[n++] = (uint8_t)(value | 0x80);
        value >>= 7;
    } while (value);
    bytes[n - 1] &= 0x7F;
    put_raw(to, bytes, n);
}

static void put_tag(wire_writer *to, uint32_t field, wire_type type)
{
    put_varint(to, field << 3 | (uint32_t)type);
}

void wire_put_u64(wire_writer *to, uint32_t field, uint64_t value)
{
    put_tag(to, field, WIRE_VARINT);
    put_varint(to, value);
}

void wire_put_u32(wire_writer *to, uint32_t field, uint32_t value)
{
    wire_put_u64(to, field, value);
}

void wire_put_i32(wire_writer *to, uint32_t field, int32_t value)
{
    wire_put_u64(to, field, (uint64_t)(int64_t)value);
}

void wire_put_float(wire_writer *to, uint32_t field, float value)
{
    uint32_t word;
    memcpy(&word, &value, sizeof word);
    uint8_t bytes[] = {(uint8_t)word, (uint8_t)(word >> 8), (uint8_t)(word >> 16), (uint8_t)(word >> 24)};
    put_tag(to, field, WIRE_FIXED32);
    put_raw(to, bytes, sizeof bytes);
}

void wire_put_bytes(wire_writer *to, uint32_t field, const uint8_t *bytes, uint32_t n)
{
    put_tag(to, field, WIRE_BYTES);
    put_varint(to, n);
    put_raw(to, bytes, n);
}

void wire_put_fill(wire_writer *to, uint32_t field, uint8_t byte, uint32_t n)
{
    put_tag(to, field, WIRE_BYTES);
    put_varint(to, n);
    for (; n; n--)
        put_raw(to, &byte, 1);
}

void wire_put_string(wire_writer *to, uint32_t field, const char *text, uint32_t max)
{
    uint32_t n = 0;
    while (text && n < max && text[n])
        n++;
    wire_put_bytes(to, field, (const uint8_t *)text, n);
}

void wire_put_message(wire_writer *to, uint32_t field, wire_encoder encode, const void *message)
{
    wire_writer size = {.counting = 1};
    encode(&size, message);
    put_tag(to, field, WIRE_BYTES);
    put_varint(to, size.count);
    if (to->counting)
        to->count += size.count;
    else
        encode(to, message);
}

/* ---- decoding ---- */

/* A byte outside of any bound: the length in front of a message. */
static uint8_t first_byte(void)
{
    uint8_t byte;
    packets_read(&byte, 1);
    return byte;
}

int wire_begin(wire_reader *from, uint32_t max)
{
    *from = (wire_reader){0};
    packets_begin();
    uint64_t length = 0;
    for (uint32_t shift = 0; shift < 35; shift += 7) {
        uint8_t byte = first_byte();
        length |= (uint64_t)(byte & 0x7F) << shift;
        if (!(byte & 0x80)) {
            from->left = length <= max ? (uint32_t)length : 0;
            return length <= max;
        }
    }
    return 0;
}

static int take_varint(wire_reader *from, uint64_t *value)
{
    *value = 0;
    for (uint32_t shift = 0; shift < 70 && from->left; shift += 7) {
        uint8_t byte;
        packets_read(&byte, 1);
        from->left--;
        *value |= (uint64_t)(byte & 0x7F) << shift;
        if (!(byte & 0x80))
            return 1;
    }
    return 0;
}

static int take_fixed(wire_reader *from, uint32_t n, uint64_t *value)
{
    uint8_t bytes[8];
    if (from->left < n)
        return 0;
    packets_read(bytes, n);
    from->left -= n;
    *value = 0;
    for (uint32_t i = n; i--;)
        *value = *value << 8 | bytes[i];
    return 1;
}

static int take_field(wire_reader *from, wire_field *field)
{
    uint64_t tag;
    if (!take_varint(from, &tag) || tag >> 3 == 0 || tag > UINT32_MAX)
        return 0;
    field->number = (uint32_t)(tag >> 3);
    field->type = (wire_type)(tag & 7);
    switch (field->type) {
    case WIRE_VARINT:
        return take_varint(from, &field->value);
    case WIRE_FIXED64:
        return take_fixed(from, 8, &field->value);
    case WIRE_FIXED32:
        return take_fixed(from, 4, &field->value);
    case WIRE_BYTES:
        if (!take_varint(from, &field->value) || field->value > from->left)
            return 0;
        from->pending = (uint32_t)field->value;
        return 1;
    default: /* groups and what does not exist */
        return 0;
    }
}

int wire_next(wire_reader *from, wire_field *field)
{
    wire_take(from, 0, from->pending);
    if (from->malformed || !from->left)
        return 0;
    from->malformed = !take_field(from, field);
    return !from->malformed;
}

uint32_t wire_take(wire_reader *from, uint8_t *to, uint32_t n)
{
    uint32_t taken = n < from->pending ? n : from->pending;
    packets_read(to, taken);
    from->pending -= taken;
    from->left -= taken;
    return taken;
}

wire_reader wire_enter(wire_reader *from)
{
    wire_reader inner = {.left = from->pending};
    from->left -= from->pending;
    from->pending = 0;
    return inner;
}

int wire_finish(wire_reader *from)
{
    packets_read(0, from->left);
    from->left = from->pending = 0;
    return !from->malformed;
}
