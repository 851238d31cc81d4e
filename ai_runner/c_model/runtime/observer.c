/* The observer library: hands the node events of networks to callbacks, with times.
 *
 * Legacy interface: attaches to a network through the record behind its handle. St-ai interface: a callback that
 * the client passes to the network, with a record of its own as the cookie. */
#if !defined(_WIN32)
#define _POSIX_C_SOURCE 199309L
#endif

#include <stddef.h>
#include <string.h>

#include "cm_export.h"
#include "legacy_handle.h"
#include "stai_abi.h"

#if defined(_WIN32)
#include <windows.h>

static uint64_t now_ns(void)
{
    LARGE_INTEGER frequency, ticks;
    QueryPerformanceFrequency(&frequency);
    QueryPerformanceCounter(&ticks);
    return (uint64_t)((double)ticks.QuadPart * 1e9 / (double)frequency.QuadPart);
}
#else
#include <time.h>

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
#endif

static float ms_since(uint64_t start_ns)
{
    return (float)((double)(now_ns() - start_ns) * 1e-6);
}

/* ---- legacy interface ---- */

enum { N_SLOTS = 20, MAX_TENSORS = 200 };

typedef struct {
    legacy_handle *network; /* 0: free */
    legacy_io_callback callback;
    uint64_t start_ns;
} slot;

static slot slots[N_SLOTS];

/* Connections of several threads share the slots. */
static volatile int slots_lock;

static void lock_slots(void)
{
#if defined(__GNUC__)
    while (__sync_lock_test_and_set(&slots_lock, 1)) {
    }
#endif
}

static void unlock_slots(void)
{
#if defined(__GNUC__)
    __sync_lock_release(&slots_lock);
#endif
}

static void on_node(void *cookie, uint32_t flags, legacy_io_node *node)
{
    slot *mine = cookie;
    const float elapsed_ms = ms_since(mine->start_ns);
    const uint32_t first = LEGACY_PRE | LEGACY_FIRST;
    node->elapsed_ms = (flags & first) == first ? 0.0f : elapsed_ms; /* nothing ran before the first node */
    if (node->n_tensors > MAX_TENSORS)
        node->n_tensors = MAX_TENSORS;
    mine->callback(flags, node);
    mine->start_ns = now_ns();
}

static slot *find_slot(const legacy_handle *network)
{
    for (int i = 0; i < N_SLOTS; i++)
        if (slots[i].network == network)
            return &slots[i];
    return 0;
}

CM_EXPORT bool ai_platform_observer_io_register(void *handle, legacy_io_callback callback, uint32_t flags);
CM_EXPORT bool ai_platform_observer_io_unregister(void *handle, legacy_io_callback callback);
CM_EXPORT void stai_callback_per_layer(void *cookie, int32_t event, const void *payload);

/* True when `callback` will be called before and after every node of every run, whichever `flags` are given. */
CM_EXPORT bool ai_platform_observer_io_register(void *handle, legacy_io_callback callback, uint32_t flags)
{
    legacy_handle *network = handle;
    slot *mine = 0;
    if (!network || !callback || !flags || network->magic != LEGACY_HANDLE_MAGIC)
        return false;
    lock_slots();
    if (!find_slot(network))
        mine = find_slot(0);
    if (mine) {
        mine->network = network;
        mine->callback = callback;
        mine->start_ns = now_ns();
        network->cookie = mine;
        network->hook = on_node;
    }
    unlock_slots();
    return mine != 0;
}

CM_EXPORT bool ai_platform_observer_io_unregister(void *handle, legacy_io_callback callback)
{
    legacy_handle *network = handle;
    slot *mine;
    (void)callback;
    if (!network)
        return false;
    lock_slots();
    mine = find_slot(network);
    if (mine) {
        if (network->magic == LEGACY_HANDLE_MAGIC) {
            network->hook = 0;
            network->cookie = 0;
        }
        memset(mine, 0, sizeof *mine);
    }
    unlock_slots();
    return mine != 0;
}

/* ---- st-ai interface ---- */

/* The cookie, memory of the client, who reads elapsed_ms and c_idx in the nested callback. */
typedef struct {
    float elapsed_ms;
    struct {
        const char *name;
        uint32_t start[2]; /* nanoseconds; to the client these are a start and a duration of unknown units */
    } timer;
    stai_callback nested;
    const stai_details *details;
    int32_t c_idx; /* the client sets -1 before a run */
} per_layer_cookie;

/* At STOP elapsed_ms is the time of the node, at START that since the event before, 0 for the first one. */
CM_EXPORT void stai_callback_per_layer(void *cookie, int32_t event, const void *payload)
{
    per_layer_cookie *record = cookie;
    uint64_t start_ns;
    memcpy(&start_ns, record->timer.start, sizeof start_ns);
    record->elapsed_ms = record->c_idx < 0 ? 0.0f : ms_since(start_ns);
    record->timer.name = "monotonic";
    if (event == STAI_EVENT_START)
        record->c_idx++;
    if (record->nested)
        record->nested(cookie, event, payload);
    start_ns = now_ns();
    memcpy(record->timer.start, &start_ns, sizeof start_ns);
}
