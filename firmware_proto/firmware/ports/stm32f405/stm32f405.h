/* Registers of the STM32F405 and its Cortex-M4 that the port uses (ST RM0090, Arm DDI 0403). */
#ifndef AIV_STM32F405_H
#define AIV_STM32F405_H

#include <stdint.h>

#define REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))

enum {
    FLASH_BASE = 0x08000000,

    USART1_SR = 0x40011000,
    USART1_DR = 0x40011004,
    USART1_BRR = 0x40011008,
    USART1_CR1 = 0x4001100C,

    GPIOA_MODER = 0x40020000,
    GPIOA_PUPDR = 0x4002000C,
    GPIOA_AFRH = 0x40020024,

    RCC_CR = 0x40023800,
    RCC_PLLCFGR = 0x40023804,
    RCC_CFGR = 0x40023808,
    RCC_AHB1ENR = 0x40023830,
    RCC_APB2ENR = 0x40023844,

    FLASH_ACR = 0x40023C00
};

/* Above what an enumeration holds. */
#define DWT_CTRL 0xE0001000u
#define DWT_CYCCNT 0xE0001004u
#define SYST_CSR 0xE000E010u
#define SYST_RVR 0xE000E014u
#define SYST_CVR 0xE000E018u
#define ICSR 0xE000ED04u
#define AIRCR 0xE000ED0Cu
#define CPACR 0xE000ED88u
#define DEMCR 0xE000EDFCu
#define DBGMCU_IDCODE 0xE0042000u

#endif
