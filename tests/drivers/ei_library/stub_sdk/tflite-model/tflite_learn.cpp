#include "tflite_learn.h"

#include "model_metadata.h"

extern "C" float stub_twice(float value);

/* 2 * features[label] + features[label + 1]: exact in float32 whatever is contracted. */
float tflite_learn(const float *features, size_t label)
{
    return stub_twice(features[label]) + features[label + 1];
}
