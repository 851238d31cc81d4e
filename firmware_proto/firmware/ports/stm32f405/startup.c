/* From reset to main. */
#include <stdint.h>
#include <string.h>

#include "stm32f405.h"

extern uint8_t stack_top[], data_start[], data_end[], data_load[], bss_start[], bss_end[];

int main(int argc, char **argv);
void reset_handler(void);
void systick_handler(void);

void reset_handler(void)
{
    REGISTER(CPACR) |= 0xFu << 20; /* the FPU, before anything uses it */
    __asm volatile("dsb\n isb");
    memcpy(data_start, data_load, (size_t)(data_end - data_start));
    memset(bss_start, 0, (size_t)(bss_end - bss_start));
    main(0, 0);
    for (;;) {
    }
}

/* A fault: start anew, so that the host finds a board that answers. */
static void restart(void)
{
    REGISTER(AIRCR) = 0x05FA0004u;
    for (;;) {
    }
}

typedef void (*handler)(void);

__attribute__((section(".vectors"), used)) static const handler vectors[] = {
    (handler)(uintptr_t)stack_top,
    reset_handler,
    restart, /* NMI */
    restart, /* HardFault */
    restart, /* MemManage */
    restart, /* BusFault */
    restart, /* UsageFault */
    0, 0, 0, 0,
    restart, /* SVC */
    restart, /* DebugMonitor */
    0,
    restart, /* PendSV */
    systick_handler,
    /* No interrupt of a peripheral is enabled. */
};
