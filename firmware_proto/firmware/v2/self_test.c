/* CMD_TEST: answers that depend on nothing but the request, for testing clients. */
#include <string.h>

#include "v2/commands.h"

enum { TEST_DONE = 0, TEST_NAME = 1, TEST_LOG = 2, TEST_SILENCE = 3, TEST_NUMBER = 20 };

enum { TEST_LOG_OPT = 0xAABB, TEST_NUMBER_ANSWER = 21 };

void command_test(const request *asked)
{
    switch (asked->param) {
    case TEST_DONE:
        answer_ack(S_DONE, 0, E_NONE);
        break;
    case TEST_NAME:
        if (asked->name[0])
            answer_ack(S_DONE, (uint32_t)strlen(asked->name), E_NONE);
        else
            answer_refused();
        break;
    case TEST_LOG:
        if (asked->opt == TEST_LOG_OPT)
            answer_log(S_DONE, 1, "Hello..");
        else
            answer_refused();
        break;
    case TEST_SILENCE:
        break;
    case TEST_NUMBER:
        answer_ack(S_DONE, TEST_NUMBER_ANSWER, E_NONE);
        break;
    default:
        answer_refused();
    }
}
