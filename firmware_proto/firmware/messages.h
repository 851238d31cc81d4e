/* What every dialect says and hears alike. */
#ifndef AIV_MESSAGES_H
#define AIV_MESSAGES_H

#include <stdint.h>

#include "codes.h"
#include "wire.h"

typedef struct {
    uint32_t id;
    uint32_t command;
    uint32_t param;
    char name[NAME_MAX_BYTES + 1];
    uint32_t opt;
} request;

/* Waits for a request; answers that follow carry its id. Returns 0 for anything else, which wants no answer. */
int receive_request(request *to);

/* Waits for a message of the host and takes it for an ack, whatever it says. */
void receive_ack(void);

/* Longest message with data that is swallowed when it is not what is wanted; beyond, it is no message at all. */
enum { DATA_MESSAGE_MAX = 1 << 24 };

void answer(answer_state state, uint32_t field, wire_encoder encode, const void *message);
void answer_ack(answer_state state, uint32_t param, error_code error);

/* "Something is wrong with the parameters": also what an unknown command gets. */
void answer_refused(void);

/* Waits for the host's ack. */
void answer_log(answer_state state, uint32_t level, const char *text);

#endif
