/* The SDK of an export, and what its year has or lacks.
 *
 * The SDK defines its functions and the model in headers: whatever includes this has to be the only translation unit
 * of the library that does. Differences are asked of the compiler: members by templates, files by __has_include,
 * macros by #if. Any SDK with `ei_default_impulse` will do.
 */

#ifndef AI_RUNNER_EI_SDK_HPP
#define AI_RUNNER_EI_SDK_HPP

#include "edge-impulse-sdk/classifier/ei_run_classifier.h"
#if __has_include("edge-impulse-sdk/classifier/postprocessing/ei_postprocessing_thresholds.h")
#include "edge-impulse-sdk/classifier/postprocessing/ei_postprocessing_thresholds.h"
#define AI_RUNNER_EI_THRESHOLD_LIST 1
#elif __has_include("edge-impulse-sdk/classifier/postprocessing/ei_postprocessing_common.h")
#include "edge-impulse-sdk/classifier/postprocessing/ei_postprocessing_common.h"
#endif

#include <cstddef>
#include <type_traits>
#include <utility>

#if !defined(EI_CLASSIFIER_OBJECT_DETECTION)
#define EI_CLASSIFIER_OBJECT_DETECTION 0
#endif
#if !defined(EI_CLASSIFIER_OBJECT_TRACKING_ENABLED)
#define EI_CLASSIFIER_OBJECT_TRACKING_ENABLED 0
#endif
#if !defined(EI_CLASSIFIER_CALIBRATION_ENABLED)
#define EI_CLASSIFIER_CALIBRATION_ENABLED 0
#endif
#if !defined(EI_CLASSIFIER_HAS_ANOMALY)
#define EI_CLASSIFIER_HAS_ANOMALY 0
#endif
#if !defined(EI_CLASSIFIER_HAS_VISUAL_ANOMALY)
#define EI_CLASSIFIER_HAS_VISUAL_ANOMALY 0
#endif
#if !defined(EI_CLASSIFIER_FREEFORM_OUTPUT)
#define EI_CLASSIFIER_FREEFORM_OUTPUT 0
#endif
#if !defined(EI_CLASSIFIER_INPUT_FRAMES)
#define EI_CLASSIFIER_INPUT_FRAMES (EI_CLASSIFIER_INPUT_WIDTH > 0 ? 1 : 0)
#endif

namespace ai_runner_ei {
namespace {

// A variable, because comparing with a literal 0 is warned about.
const size_t labels_count = EI_CLASSIFIER_LABEL_COUNT;

#define AI_RUNNER_EI_ASKS_FOR(MEMBER)                                                                                  \
    template <class T, class = void> struct has_##MEMBER : std::false_type {};                                         \
    template <class T> struct has_##MEMBER<T, std::void_t<decltype(std::declval<T &>().MEMBER)>> : std::true_type {};

AI_RUNNER_EI_ASKS_FOR(impulse)
AI_RUNNER_EI_ASKS_FOR(impulse_name)
AI_RUNNER_EI_ASKS_FOR(postprocessing_blocks)
AI_RUNNER_EI_ASKS_FOR(postprocessing_us)
AI_RUNNER_EI_ASKS_FOR(type)
AI_RUNNER_EI_ASKS_FOR(classification_mode)
AI_RUNNER_EI_ASKS_FOR(threshold)
AI_RUNNER_EI_ASKS_FOR(anomaly_threshold)
AI_RUNNER_EI_ASKS_FOR(value)

#undef AI_RUNNER_EI_ASKS_FOR

// The default impulse is a handle, or the impulse itself in SDKs before 2024.
template <class T> const ei_impulse_t &impulse_of(T &found)
{
    if constexpr (has_impulse<T>::value) {
        return *found.impulse;
    }
    else {
        return found;
    }
}

const ei_impulse_t &impulse()
{
    return impulse_of(ei_default_impulse);
}

} // namespace
} // namespace ai_runner_ei

#endif
