/* Numbers of the protocol that all dialects share. */
#ifndef AIV_CODES_H
#define AIV_CODES_H

enum {
    CMD_SYNC = 0,
    CMD_SYS_INFO = 1,
    CMD_NETWORK_INFO = 10,
    CMD_NETWORK_RUN = 11,
    CMD_MEMORY_READ = 20,
    CMD_MEMORY_WRITE = 21,
    CMD_MEMORY_CHECKSUM = 22,
    CMD_TEST = 100
};

typedef enum { S_IDLE = 0, S_WAITING = 1, S_PROCESSING = 2, S_DONE = 3, S_ERROR = 4 } answer_state;

typedef enum {
    E_NONE = 0,
    E_INVALID_SIZE = 1,
    E_INVALID_FORMAT = 2,
    E_INVALID_PARAM = 4,
    E_INVALID_SHAPE = 5
} error_code;

/* Fields of respMsg. */
enum {
    ANSWER_SYNC = 10,
    ANSWER_SYS_INFO = 11,
    ANSWER_ACK = 12,
    ANSWER_LOG = 13,
    ANSWER_NODE = 14,       /* v2 */
    ANSWER_DATA = 15,       /* v3 */
    ANSWER_OPERATOR = 16,   /* v3 */
    ANSWER_TENSOR = 17,     /* v3 */
    ANSWER_MODEL_V2 = 20,   /* v2 */
    ANSWER_REPORT = 21,     /* v2 */
    ANSWER_MODEL = 22       /* v3 */
};

enum { NAME_MAX_BYTES = 63, LOG_MAX_BYTES = 127 };

/* Versions, major << 24 | minor << 16 | patch << 8: of the tools whose protocol this is, because clients choose by them. */
#define VERSION(major, minor, patch) ((uint32_t)(major) << 24 | (uint32_t)(minor) << 16 | (uint32_t)(patch) << 8)

#define FORMAT_U8 0x00040440u

#endif
