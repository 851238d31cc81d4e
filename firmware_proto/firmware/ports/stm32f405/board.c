/* An STM32F405, real or emulated: 168 MHz from its internal oscillator, USART1 on PA9 and PA10 at 115200 baud, polled. */
#include "image.h"
#include "models.h"
#include "port.h"
#include "stm32f405.h"

enum { BAUD = 115200, HSI_HZ = 16000000, PLL_HZ = 168000000, PLL_APB2_DIVIDER = 2 };

enum { DEVICE_ID = 0x413, PATIENCE = 100000 };

enum { CACHE_SERIES_F4 = 1 << 24, CACHE_FPU = 1 << 16, CACHE_ALL = 7 << 8, FLASH_WAIT_STATES = 5 };

static port_description description;

/* ---- clocks ---- */

/* The code runs, hence the oscillator it starts with does; only an emulator says that it is not ready. */
static int is_emulated(void)
{
    enum { HSI_READY = 1 << 1 };
    return !(REGISTER(RCC_CR) & HSI_READY);
}

static int wait_until(uint32_t address, uint32_t mask, uint32_t value)
{
    for (uint32_t i = 0; i < PATIENCE; i++)
        if ((REGISTER(address) & mask) == value)
            return 1;
    return 0;
}

/* To 168 MHz, APB1 at a quarter, APB2 at half of it. Returns 0 when the PLL does not lock: then it stays at 16 MHz. */
static int start_pll(void)
{
    enum { PLL_ON = 1 << 24, PLL_READY = 1 << 25, SWITCH_MASK = 3, SWITCH_PLL = 2 };
    REGISTER(RCC_PLLCFGR) = 7u << 24 | 336u << 6 | 16u; /* HSI / 16 * 336 / 2 */
    REGISTER(RCC_CR) |= PLL_ON;
    if (!wait_until(RCC_CR, PLL_READY, PLL_READY))
        return 0;
    REGISTER(FLASH_ACR) = CACHE_ALL | FLASH_WAIT_STATES;
    REGISTER(RCC_CFGR) = 4u << 13 | 5u << 10;
    REGISTER(RCC_CFGR) |= SWITCH_PLL;
    return wait_until(RCC_CFGR, SWITCH_MASK << 2, SWITCH_PLL << 2);
}

/* ---- time ---- */

static int has_cycle_counter;
static uint64_t cycles;      /* up to the last look at the cycle counter, which wraps after 25 s */
static uint32_t last_cycles;
static volatile uint32_t wraps; /* of SysTick, after 0.1 s */

enum { SYSTICK_MAX = 0xFFFFFF, SYSTICK_BITS = 24 };

void systick_handler(void);

void systick_handler(void)
{
    wraps++;
    if (has_cycle_counter)
        port_ticks();
}

static void start_clocks(void)
{
    enum { TRACE = 1 << 24, COUNT_CYCLES = 1, PROCESSOR_CLOCK_INTERRUPT_ENABLE = 7 };
    REGISTER(DEMCR) |= TRACE;
    REGISTER(DWT_CYCCNT) = 0;
    REGISTER(DWT_CTRL) |= COUNT_CYCLES;
    for (volatile int i = 0; i < 10; i++) {
    }
    has_cycle_counter = REGISTER(DWT_CYCCNT) != 0;
    REGISTER(SYST_RVR) = SYSTICK_MAX;
    REGISTER(SYST_CVR) = 0;
    REGISTER(SYST_CSR) = PROCESSOR_CLOCK_INTERRUPT_ENABLE;
}

static uint64_t systick_ticks(void)
{
    enum { SYSTICK_PENDING = 1 << 26 };
    uint32_t value = REGISTER(SYST_CVR);
    uint64_t full = wraps;
    if (REGISTER(ICSR) & SYSTICK_PENDING) { /* it has wrapped, and its interrupt waits for us */
        value = REGISTER(SYST_CVR);
        full++;
    }
    return full << SYSTICK_BITS | (SYSTICK_MAX - value);
}

static uint64_t cycle_ticks(void)
{
    uint32_t now = REGISTER(DWT_CYCCNT);
    cycles += now - last_cycles;
    last_cycles = now;
    return cycles;
}

uint64_t port_ticks(void)
{
    uint32_t masked;
    __asm volatile("mrs %0, primask\n cpsid i" : "=r"(masked)::"memory");
    uint64_t ticks = has_cycle_counter ? cycle_ticks() : systick_ticks();
    __asm volatile("msr primask, %0" ::"r"(masked) : "memory");
    return ticks;
}

/* ---- serial port ---- */

static void start_serial(uint32_t clock_hz)
{
    enum { GPIOA_ON = 1, USART1_ON = 1 << 4, ENABLE_SEND_RECEIVE = 1 << 13 | 1 << 3 | 1 << 2 };
    REGISTER(RCC_AHB1ENR) |= GPIOA_ON;
    REGISTER(RCC_APB2ENR) |= USART1_ON;
    REGISTER(GPIOA_AFRH) = (REGISTER(GPIOA_AFRH) & ~0xFF0u) | 0x770u;
    REGISTER(GPIOA_PUPDR) = (REGISTER(GPIOA_PUPDR) & ~(3u << 20)) | 1u << 20;
    REGISTER(GPIOA_MODER) = (REGISTER(GPIOA_MODER) & ~(0xFu << 18)) | 0xAu << 18;
    REGISTER(USART1_BRR) = (clock_hz + BAUD / 2) / BAUD;
    REGISTER(USART1_CR1) = ENABLE_SEND_RECEIVE;
}

void port_read(uint8_t *to, uint32_t n)
{
    enum { RECEIVED = 1 << 5 };
    while (n--) {
        while (!(REGISTER(USART1_SR) & RECEIVED)) {
        }
        *to++ = (uint8_t)REGISTER(USART1_DR);
    }
}

void port_write(const uint8_t *from, uint32_t n)
{
    enum { ROOM = 1 << 7 };
    while (n--) {
        while (!(REGISTER(USART1_SR) & ROOM)) {
        }
        REGISTER(USART1_DR) = *from++;
    }
}

void port_flush(void)
{
}

/* ---- start and memory ---- */

void port_start(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    int emulated = is_emulated();
    int fast = start_pll();
    start_clocks();
    start_serial(fast ? PLL_HZ / PLL_APB2_DIVIDER : HSI_HZ);
    uint32_t hz = fast || emulated ? PLL_HZ : HSI_HZ;
    description = (port_description){
        .device_id = emulated ? DEVICE_ID : REGISTER(DBGMCU_IDCODE) & 0xFFF,
        .system_hz = hz,
        .bus_hz = hz,
        .cache = CACHE_SERIES_F4 | CACHE_FPU | (fast ? CACHE_ALL | FLASH_WAIT_STATES : 0),
        .ticks_hz = hz,
        .ticks_are_cycles = !emulated,
        .time_source = emulated ? "simulated" : "device",
    };
}

const port_description *port_describe(void)
{
    return &description;
}

static int is_within(uint32_t address, uint32_t n, uint32_t start, uint32_t size)
{
    return address - start <= size && n <= size - (address - start);
}

/* The arena; read only, the program with the weights. */
uint8_t *port_memory(uint32_t address, uint32_t n, int writing)
{
    extern uint8_t flash_end[];
    int allowed = is_within(address, n, (uint32_t)(uintptr_t)aiv_arena, AIV_ARENA_BYTES);
    if (!writing)
        allowed |= is_within(address, n, FLASH_BASE, (uint32_t)(uintptr_t)flash_end - FLASH_BASE);
    return allowed ? (uint8_t *)(uintptr_t)address : 0;
}

uint32_t port_address(const void *object)
{
    return (uint32_t)(uintptr_t)object;
}
