#ifndef STUB_EI_POSTPROCESSING_TYPES_H
#define STUB_EI_POSTPROCESSING_TYPES_H

#include <functional>
#include <string>

typedef struct {
    float threshold;
} ei_fill_result_object_detection_threshold_config_t;

typedef struct {
    float threshold;
} ei_fill_result_visual_ad_f32_config_t;

typedef struct {
    std::string type;
    std::string name;
    float value;
    std::function<void(float)> set_value;
} ei_threshold_desc_t;

#endif
