/* CMD_MEMORY_*: the host reads and writes what the port allows, in chunks. */
#include "port.h"
#include "v3/commands.h"
#include "v3/tensor.h"

enum { CHUNK_BYTES = 1024, TEST_BUFFER_BYTES = 1024 };

static uint8_t test_buffer[TEST_BUFFER_BYTES];
static int test_mode;

int memory_toggle_test_mode(void)
{
    test_mode = !test_mode;
    return test_mode;
}

/* 0 when the host must not go there; then it has been told. */
static uint8_t *memory_of(const request *asked, int writing)
{
    uint8_t *memory;
    if (test_mode)
        memory = asked->opt <= TEST_BUFFER_BYTES ? test_buffer : 0;
    else
        memory = port_memory(asked->param, asked->opt, writing);
    if (!memory)
        answer_refused();
    return memory;
}

static uint32_t chunk_of(uint32_t left)
{
    return left < CHUNK_BYTES ? left : CHUNK_BYTES;
}

/* BSD checksum, 16 bits. */
static uint32_t checksum(const uint8_t *bytes, uint32_t n)
{
    uint32_t sum = 0;
    for (; n; n--)
        sum = ((sum >> 1 | sum << 15) + *bytes++) & 0xFFFF;
    return sum;
}

void command_memory_read(const request *asked)
{
    const uint8_t *memory = memory_of(asked, 0);
    if (!memory)
        return;
    answer_ack(asked->opt ? S_PROCESSING : S_DONE, chunk_of(asked->opt), E_NONE);
    for (uint32_t at = 0, n; at < asked->opt; at += n) {
        n = chunk_of(asked->opt - at);
        tensor_data data = {.size = n, .address = asked->param + at, .bytes = memory + at};
        int last = at + n == asked->opt;
        answer(last ? S_DONE : S_PROCESSING, ANSWER_DATA, encode_tensor_data, &data);
        if (!last)
            receive_ack();
    }
}

void command_memory_write(const request *asked)
{
    uint8_t *memory = memory_of(asked, 1);
    if (!memory)
        return;
    answer_ack(asked->opt ? S_WAITING : S_DONE, chunk_of(asked->opt), E_NONE);
    for (uint32_t at = 0, n; at < asked->opt; at += n) {
        n = chunk_of(asked->opt - at);
        uint32_t sent = receive_data(memory + at, n);
        if (sent != n) {
            answer_ack(S_ERROR, sent, E_INVALID_SIZE);
            return;
        }
        answer_ack(at + n == asked->opt ? S_DONE : S_WAITING, checksum(memory + at, n), E_NONE);
    }
}

void command_memory_checksum(const request *asked)
{
    const uint8_t *memory = memory_of(asked, 0);
    if (memory)
        answer_ack(S_DONE, checksum(memory, asked->opt), E_NONE);
}
