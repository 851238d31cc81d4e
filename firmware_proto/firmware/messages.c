#include "messages.h"

#include "packets.h"

enum { REQUEST_MESSAGE_MAX = 4096 };

static uint32_t request_id;

int receive_request(request *to)
{
    wire_reader message;
    wire_field field;
    uint32_t seen = 0;
    if (!wire_begin(&message, REQUEST_MESSAGE_MAX))
        return 0;
    *to = (request){0};
    while (wire_next(&message, &field)) {
        uint32_t *number = field.number == 1   ? &to->id
                           : field.number == 2 ? &to->command
                           : field.number == 3 ? &to->param
                           : field.number == 5 ? &to->opt
                                               : 0;
        if (number && field.type == WIRE_VARINT)
            *number = (uint32_t)field.value;
        else if (field.number == 4 && field.type == WIRE_BYTES && field.value <= NAME_MAX_BYTES)
            to->name[wire_take(&message, (uint8_t *)to->name, NAME_MAX_BYTES)] = 0;
        else if (field.number <= 5)
            break;
        if (field.number <= 5)
            seen |= 1u << field.number;
    }
    request_id = to->id;
    return wire_finish(&message) && seen == 0x3E;
}

void receive_ack(void)
{
    wire_reader message;
    if (wire_begin(&message, DATA_MESSAGE_MAX))
        wire_finish(&message);
}

/* ---- answers ---- */

typedef struct {
    uint32_t param;
    uint32_t error;
} ack_message;

typedef struct {
    uint32_t level;
    const char *text;
} log_message;

void answer(answer_state state, uint32_t field, wire_encoder encode, const void *message)
{
    wire_writer writer = {0};
    wire_put_u32(&writer, 1, request_id);
    wire_put_u32(&writer, 2, state);
    wire_put_message(&writer, field, encode, message);
    packets_end();
}

static void encode_ack(wire_writer *to, const void *message)
{
    const ack_message *ack = message;
    wire_put_u32(to, 1, ack->param);
    wire_put_u32(to, 2, ack->error);
}

void answer_ack(answer_state state, uint32_t param, error_code error)
{
    ack_message ack = {param, error};
    answer(state, ANSWER_ACK, encode_ack, &ack);
}

void answer_refused(void)
{
    answer_ack(S_ERROR, E_INVALID_PARAM, E_INVALID_PARAM);
}

static void encode_log(wire_writer *to, const void *message)
{
    const log_message *log = message;
    wire_put_u32(to, 1, log->level);
    wire_put_string(to, 2, log->text, LOG_MAX_BYTES);
}

void answer_log(answer_state state, uint32_t level, const char *text)
{
    log_message log = {level, text};
    answer(state, ANSWER_LOG, encode_log, &log);
    receive_ack();
}
