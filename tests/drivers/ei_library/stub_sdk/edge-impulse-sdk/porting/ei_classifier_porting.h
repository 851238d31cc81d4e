#ifndef STUB_EI_CLASSIFIER_PORTING_H
#define STUB_EI_CLASSIFIER_PORTING_H

void ei_printf(const char *format, ...);

#endif
