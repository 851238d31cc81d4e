/* CMD_TEST: answers that depend on nothing but the request, for testing clients. */
#include "v3/commands.h"
#include "v3/operator.h"
#include "v3/tensor.h"

enum {
    TEST_DONE = 0,
    TEST_ERROR = 1,
    TEST_LOGS = 2,
    TEST_SILENCE = 3,
    TEST_TWO_ACKS = 4,
    TEST_FORMAT = 10,
    TEST_OPERATOR = 20,
    TEST_RECEIVE = 30,
    TEST_SEND = 40,
    TEST_EXCHANGE = 50,
    TEST_TENSOR = 100,
    TEST_MODE = 500
};

enum { FORMAT_F32 = 0x00821040, FORMAT_S8 = 0x00840440, FORMAT_S16_Q15 = 0x0084084F, FORMAT_S32_Q13 = 0x0084104D };

/* ---- data ---- */

/* CRC-32 of zlib and Ethernet, a byte at a time. */
static uint32_t crc32(uint32_t crc, uint8_t byte)
{
    crc ^= byte;
    for (int i = 0; i < 8; i++)
        crc = crc & 1 ? crc >> 1 ^ 0xEDB88320u : crc >> 1;
    return crc;
}

/* Takes an aiDataMsg of any length. */
static uint32_t receive_crc(void)
{
    wire_reader message;
    wire_field field;
    uint32_t crc = 0xFFFFFFFFu;
    if (wire_begin(&message, DATA_MESSAGE_MAX)) {
        while (wire_next(&message, &field)) {
            uint8_t byte;
            while (field.number == 4 && field.type == WIRE_BYTES && wire_take(&message, &byte, 1))
                crc = crc32(crc, byte);
        }
        wire_finish(&message);
    }
    return ~crc;
}

static uint32_t fill_crc(uint8_t byte, uint32_t n)
{
    uint32_t crc = 0xFFFFFFFFu;
    for (; n; n--)
        crc = crc32(crc, byte);
    return ~crc;
}

static void send_fill(uint32_t value, uint32_t n)
{
    tensor_data data = {.type = value, .size = n, .fill = value};
    answer(S_PROCESSING, ANSWER_DATA, encode_tensor_data, &data);
    receive_ack();
}

static void test_receive(uint32_t bytes, int wants_ack)
{
    answer_ack(S_WAITING, bytes, E_NONE);
    uint32_t crc = receive_crc();
    answer_ack(wants_ack ? S_PROCESSING : S_DONE, crc, E_NONE);
    if (wants_ack)
        receive_ack();
}

static void test_send(uint32_t bytes, uint32_t value)
{
    answer_ack(S_WAITING, bytes, E_NONE);
    send_fill(value, bytes);
    answer_ack(S_DONE, fill_crc((uint8_t)value, bytes), E_NONE);
}

static void test_exchange(uint32_t bytes, uint32_t value)
{
    test_receive(bytes, 1);
    send_fill(value, bytes);
    answer_ack(S_DONE, fill_crc((uint8_t)value, bytes), E_NONE);
}

/* ---- single messages ---- */

static void test_logs(void)
{
    for (uint32_t level = 1; level <= 5; level++)
        answer_log(S_DONE, level, "Hello.. ");
    answer_ack(S_DONE, TEST_LOGS, E_NONE);
}

static void test_format(uint32_t kind)
{
    uint32_t format = kind == 0    ? FORMAT_F32
                      : kind == 4  ? FORMAT_S8
                      : kind == 12 ? FORMAT_S16_Q15
                      : kind == 32 ? FORMAT_S32_Q13
                                   : 0;
    if (format)
        answer_ack(S_DONE, format, E_NONE);
    else
        answer_refused();
}

static void test_operator(const request *asked)
{
    operator_message op = {.name = asked->name, .type = 34, .id = 55};
    if (asked->opt) {
        op.duration_ms = 2.5f;
        op.counter_type = 7;
    }
    if (asked->opt == 2) {
        op.counter_type = 2;
        op.n_counters = 2;
        op.counters[0] = 5;
        op.counters[1] = 7;
    }
    answer(S_DONE, ANSWER_OPERATOR, encode_operator, &op);
}

/* Elements of one value, little-endian, in a tensor of one of five kinds. */
static void test_tensor(uint32_t configuration, uint32_t value)
{
    static const int32_t image[] = {1, 3, 3, 5}, row[] = {1, 5};
    static const struct {
        const char *name;
        uint32_t format, element, n_dims;
        const int32_t *dims;
        float scale;
        int32_t zero_point;
        uint32_t flags;
    } kinds[] = {
        {"conf0", FORMAT_S8, 1, 4, image, 1.0f / 256, -123, 0},
        {"conf1", FORMAT_S32_Q13, 4, 2, row, 0, 0, 0},
        {"conf2", FORMAT_S32_Q13, 4, 4, image, 0, 0, TENSOR_NO_DATA},
        {"conf3", FORMAT_F32, 4, 2, row, 0, 0, 0},
        {"conf4", FORMAT_U8, 1, 4, image, 1.0f / 256, 0, 0},
    };
    enum { SHAPE_BHWC = 2 };
    if (configuration >= sizeof kinds / sizeof kinds[0]) {
        answer_refused();
        return;
    }
    uint8_t data[64] = {0};
    uint32_t size = kinds[configuration].n_dims == 4 ? 45 : 5, element = kinds[configuration].element;
    tensor_message message = {
        .desc = {kinds[configuration].name, kinds[configuration].format, size,
                 SHAPE_BHWC << 24 | kinds[configuration].n_dims, kinds[configuration].dims, kinds[configuration].scale,
                 kinds[configuration].zero_point, 0, kinds[configuration].flags | TENSOR_LAST},
        .data = {.size = kinds[configuration].flags & TENSOR_NO_DATA ? 0 : size * element, .bytes = data},
    };
    for (uint32_t i = 0; i < message.data.size; i++)
        data[i] = i % element < 4 ? (uint8_t)(value >> 8 * (i % element)) : 0;
    answer_ack(S_WAITING, configuration, E_NONE);
    answer(S_DONE, ANSWER_TENSOR, encode_tensor, &message);
    answer_ack(S_DONE, 0, E_NONE);
}

void command_test(const request *asked)
{
    uint32_t extra = asked->param >> 16;
    switch (asked->param & 0xFFFF) {
    case TEST_DONE:
        answer_ack(S_DONE, 0, E_NONE);
        break;
    case TEST_LOGS:
        test_logs();
        break;
    case TEST_SILENCE:
        break;
    case TEST_TWO_ACKS:
        answer_ack(S_PROCESSING, ~asked->opt, E_NONE);
        answer_ack(S_DONE, TEST_TWO_ACKS, E_NONE);
        break;
    case TEST_FORMAT:
        test_format(asked->opt);
        break;
    case TEST_OPERATOR:
        test_operator(asked);
        break;
    case TEST_RECEIVE:
        test_receive(extra, asked->opt != 0);
        break;
    case TEST_SEND:
        test_send(extra, asked->opt);
        break;
    case TEST_EXCHANGE:
        test_exchange(extra, asked->opt);
        break;
    case TEST_TENSOR:
        test_tensor(extra, asked->opt);
        break;
    case TEST_MODE:
        answer_ack(S_DONE, (uint32_t)memory_toggle_test_mode(), E_NONE);
        break;
    case TEST_ERROR:
    default:
        answer_refused();
    }
}
