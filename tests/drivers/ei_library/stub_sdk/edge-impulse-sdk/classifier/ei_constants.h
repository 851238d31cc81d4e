/* The names of the SDK's constants that a model's metadata uses. */
#ifndef STUB_EI_CONSTANTS_H
#define STUB_EI_CONSTANTS_H

#define EI_CLASSIFIER_RESIZE_NONE 0
#define EI_CLASSIFIER_RESIZE_FIT_SHORTEST 1
#define EI_CLASSIFIER_RESIZE_FIT_LONGEST 2
#define EI_CLASSIFIER_RESIZE_SQUASH 3

#endif
