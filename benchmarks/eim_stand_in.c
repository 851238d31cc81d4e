/* An Edge Impulse engine that computes nothing and answers at once, so that what is measured is the client.
 *
 *     cc -std=gnu11 -O2 -o stand_in.eim eim_stand_in.c [-DFEATURES=16000] [-DDELAY_US=0] [-lrt]
 *
 * It knows hello (with shared memory), classify, classify_shm and set_threshold, framed as the protocol says: a message
 * ends where its braces balance, a reply with a newline and a NUL byte. Value k of a reply is feature k; of a JSON array
 * the numbers up to the labels are read. DELAY_US makes it compute, by turning in a loop, as a real engine would.
 * Socket mode only; ends when its client does, on SIGINT, SIGTERM and SIGHUP, and leaves no shared memory behind.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#ifndef FEATURES
#define FEATURES 16000
#endif
#ifndef DELAY_US
#define DELAY_US 0
#endif
#define LABELS 3
#define LIMIT (32 << 20)

static char memory_name[32];
static float *memory;
static int greeted;

static void leave(int number)
{
    if (memory_name[0])
        shm_unlink(memory_name);
    _exit(number ? 128 + number : 0);
}

static void make_memory(void)
{
    unsigned char bytes[6];
    int random = open("/dev/urandom", O_RDONLY);
    if (random < 0 || read(random, bytes, sizeof bytes) != sizeof bytes)
        exit(1);
    close(random);
    snprintf(memory_name, sizeof memory_name, "/shm-%02x%02x%02x%02x%02x%02x", bytes[0], bytes[1], bytes[2], bytes[3],
             bytes[4], bytes[5]);
    int object = shm_open(memory_name, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (object < 0 || ftruncate(object, FEATURES * sizeof(float)))
        exit(1);
    memory = mmap(NULL, FEATURES * sizeof(float), PROT_READ | PROT_WRITE, MAP_SHARED, object, 0);
    close(object);
}

static void reply(int stream, const char *text)
{
    char frame[2048];
    int size = snprintf(frame, sizeof frame - 1, "%s\n", text) + 1; /* with its NUL */
    for (int sent = 0; sent < size;) {
        ssize_t n = write(stream, frame + sent, (size_t)(size - sent));
        if (n <= 0)
            leave(0);
        sent += (int)n;
    }
}

static void compute(void)
{
    struct timespec begin, now;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    do
        clock_gettime(CLOCK_MONOTONIC, &now);
    while (DELAY_US && (now.tv_sec - begin.tv_sec) * 1000000L + (now.tv_nsec - begin.tv_nsec) / 1000L < DELAY_US);
}

static void hello(int stream, long id)
{
    char text[1536];
    if (greeted) {
        snprintf(text, sizeof text,
                 "{\"error\":\"Invalid message 'hello', already initialized\",\"id\":%ld,\"success\":false}", id);
        reply(stream, text);
        return;
    }
    greeted = 1;
    make_memory();
    snprintf(text, sizeof text,
             "{\"features_shm\":{\"elements\":%d,\"name\":\"%s\",\"size_bytes\":%d,\"type\":\"float32\"},\"id\":%ld,"
             "\"inferencing_engine\":{\"engine_type\":2,\"properties\":[]},\"model_parameters\":{\"axis_count\":1,"
             "\"frequency\":16000,\"has_anomaly\":0,\"image_channel_count\":0,\"image_input_frames\":0,"
             "\"image_input_height\":0,\"image_input_width\":0,\"image_resize_mode\":\"none\",\"inferencing_engine\":2,"
             "\"input_features_count\":%d,\"interval_ms\":0.0625,\"label_count\":%d,\"labels\":[\"a\",\"b\",\"c\"],"
             "\"model_type\":\"classification\",\"sensor\":1,\"slice_size\":%d,\"thresholds\":[],"
             "\"use_continuous_mode\":true},\"project\":{\"deploy_version\":1,\"id\":1,\"name\":\"Stand-in\","
             "\"owner\":\"AI Runner\"},\"success\":true}",
             FEATURES, memory_name, FEATURES * (int)sizeof(float), id, FEATURES, LABELS, FEATURES / 4);
    reply(stream, text);
}

static void classes(int stream, long id, const float *value)
{
    char text[512];
    compute();
    snprintf(text, sizeof text,
             "{\"id\":%ld,\"result\":{\"classification\":{\"a\":%.9g,\"b\":%.9g,\"c\":%.9g}},\"success\":true,"
             "\"timing\":{\"anomaly\":0,\"classification\":0,\"dsp\":0,\"json\":0,\"msg_handler\":0,\"stdin\":0}}",
             id, value[0], value[1], value[2]);
    reply(stream, text);
}

static void message(int stream, const char *text)
{
    const char *key = strrchr(text, '"'), *array;
    const char *found = strstr(text, "\"id\"");
    char answer[256];
    float value[LABELS] = {0};
    /* The id stands first or last: a client may write either. */
    while (key > text && strncmp(key, "\"id\"", 4))
        key--;
    if (key > text)
        found = key;
    if (!found) {
        reply(stream, "{\"error\":\"Missing 'id' field in message\",\"success\":false}");
        return;
    }
    long id = strtol(found + strcspn(found, ":") + 1, NULL, 10);
    if (strstr(text, "\"hello\""))
        hello(stream, id);
    else if (!greeted) {
        snprintf(answer, sizeof answer,
                 "{\"error\":\"Invalid message, should initialize first\",\"id\":%ld,\"success\":false}", id);
        reply(stream, answer);
    } else if (strstr(text, "\"classify_shm\""))
        classes(stream, id, memory);
    else if ((array = strstr(text, "\"classify\"")) && (array = strchr(array, '['))) {
        char *end;
        for (int k = 0; k < LABELS && *array && *array != ']'; k++, array = end)
            value[k] = strtof(array + 1, &end);
        classes(stream, id, value);
    } else if (strstr(text, "\"set_threshold\"")) {
        snprintf(answer, sizeof answer, "{\"id\":%ld,\"success\":true}", id);
        reply(stream, answer);
    } else {
        snprintf(answer, sizeof answer, "{\"error\":\"Failed to handle message\",\"id\":%ld,\"success\":false}", id);
        reply(stream, answer);
    }
}

static void serve(int stream)
{
    char *buffer = malloc(LIMIT);
    size_t held = 0, seen = 0, begun = 0;
    long depth = 0;
    for (;;) {
        ssize_t n = read(stream, buffer + held, LIMIT - 1 - held);
        if (n <= 0)
            leave(0);
        held += (size_t)n;
        for (; seen < held; seen++) {
            if (buffer[seen] == '{' && depth++ == 0)
                begun = seen;
            if (buffer[seen] == '}' && depth > 0 && --depth == 0) {
                char kept = buffer[seen + 1];
                buffer[seen + 1] = 0;
                message(stream, buffer + begun);
                buffer[seen + 1] = kept;
                memmove(buffer, buffer + seen + 1, held - seen - 1);
                held -= seen + 1;
                seen = (size_t)-1;
            }
        }
        if (held >= LIMIT - 1) {
            puts("ERR: message is too large");
            exit(1);
        }
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (argc != 2 || strlen(argv[1]) >= sizeof address.sun_path) {
        puts("Requires one parameter: the name of a socket");
        return 1;
    }
    signal(SIGINT, leave);
    signal(SIGTERM, leave);
    signal(SIGHUP, leave);
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IONBF, 0);
    strcpy(address.sun_path, argv[1]);
    unlink(argv[1]);
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 1)) {
        puts("ERR: Failed to bind UNIX socket");
        return 1;
    }
    printf("Waiting for connection on %s...\n", argv[1]);
    int stream = accept(listener, NULL, NULL);
    puts("Connected");
    serve(stream);
}
