"""STM32 boards with ST's aiValidation firmware, over a serial line or its relays."""
