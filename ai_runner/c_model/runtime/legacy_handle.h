/* What a handle of the legacy interface points to, as far as the observer library knows it. */
#ifndef LEGACY_HANDLE_H
#define LEGACY_HANDLE_H

#include "legacy_abi.h"

#define LEGACY_HANDLE_MAGIC 0x41694c47u

typedef struct {
    uint32_t magic;
    /* Called before and after every node; the hook fills in the time. Set by the observer library. */
    void (*hook)(void *cookie, uint32_t flags, legacy_io_node *node);
    void *cookie;
} legacy_handle;

#endif
