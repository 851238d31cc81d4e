#ifndef STUB_TFLITE_LEARN_H
#define STUB_TFLITE_LEARN_H

#include <cstddef>

float tflite_learn(const float *features, size_t label);

#endif
