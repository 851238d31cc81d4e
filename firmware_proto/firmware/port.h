/* What a port provides: bytes, time and memory. */
#ifndef AIV_PORT_H
#define AIV_PORT_H

#include <stdint.h>

typedef struct {
    uint32_t device_id;
    uint32_t system_hz;
    uint32_t bus_hz;
    uint32_t cache;         /* series << 24 | FPU << 16 | caches << 8 | flash latency */
    uint32_t ticks_hz;      /* of port_ticks */
    int ticks_are_cycles;   /* whether a tick is worth reporting as a count of CPU cycles */
    const char *time_source; /* "host", "simulated" or "device" */
} port_description;

/* Called once; afterwards bytes that arrive are not lost while the firmware reads. */
void port_start(int argc, char **argv);

const port_description *port_describe(void);

/* Waits for n bytes; what was written before has gone out by then. */
void port_read(uint8_t *to, uint32_t n);

/* May hold bytes back until port_read waits, or until port_flush. */
void port_write(const uint8_t *from, uint32_t n);
void port_flush(void);

/* Since some start, monotonic. */
uint64_t port_ticks(void);

/* Where the host may look: the n bytes at an address that was sent to it, or 0 where not all of them may be read or,
 * with `writing`, written. */
uint8_t *port_memory(uint32_t address, uint32_t n, int writing);

/* The address under which the host knows an object; 0 when it does not. */
uint32_t port_address(const void *object);

#endif
