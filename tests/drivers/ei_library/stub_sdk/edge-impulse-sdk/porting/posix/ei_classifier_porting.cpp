#include "edge-impulse-sdk/porting/ei_classifier_porting.h"

#include <cstdarg>
#include <cstdio>

void ei_printf(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    std::vprintf(format, arguments);
    va_end(arguments);
}
