/* Calls everything of ei_c_api.h, with what it takes and with what it does not. */

#include "ei_c_api.h"

#include <cstdio>
#include <cstring>
#include <vector>

static std::vector<float> features(16);
static std::vector<float> classification(8);
static ai_runner_ei_summary summary;
static int failures;

static void expect(const char *what, int32_t found, int32_t expected)
{
    if (found != expected) {
        std::printf("%s: %d, not %d\n", what, (int)found, (int)expected);
        failures++;
    }
}

static int32_t run(float first, uint64_t count = 16, uint32_t flags = 0)
{
    features[0] = first;
    return ai_runner_ei_run(features.data(), count, flags, classification.data(), &summary);
}

static void read_lists()
{
    std::vector<ai_runner_ei_box> boxes(3); // fewer than there are
    std::vector<ai_runner_ei_trace> traces(3);
    for (uint32_t list = 0; list < 4; list++) {
        ai_runner_ei_boxes(list, boxes.data(), 3);
        for (uint32_t k = 0; k < 20; k++) {
            const char *label = ai_runner_ei_box_label(list, k);
            failures += label && std::strlen(label) > 100;
        }
    }
    ai_runner_ei_traces(traces.data(), 3);
    for (int32_t k = 0; k <= ai_runner_ei_freeform_count(); k++) {
        std::vector<float> values(ai_runner_ei_freeform_size(k) + 1);
        expect("freeform of another length", ai_runner_ei_freeform(k, values.data(), values.size()) != 0, 1);
        ai_runner_ei_freeform(k, values.data(), values.size() - 1);
    }
}

int main()
{
    for (size_t k = 0; k < features.size(); k++) {
        features[k] = k / 16.0f;
    }
    expect("run before init", run(0), AI_RUNNER_EI_E_NOT_INITIALISED);
    for (int round = 0; round < 3; round++) {
        expect("init", ai_runner_ei_init(), 0);
        expect("init again", ai_runner_ei_init(), 0);
        for (int k = 0; k < 5; k++) {
            expect("run", run(0), 0);
            read_lists();
            expect("run of a slice", run(0, 4, AI_RUNNER_EI_CONTINUOUS), 0);
            expect("run of too few", run(0, 15), AI_RUNNER_EI_E_LENGTH);
            expect("run of too many", run(0, 17), AI_RUNNER_EI_E_LENGTH);
            expect("run that fails", run(666), -3);
            read_lists();
            expect("run that throws", run(667), AI_RUNNER_EI_E_EXCEPTION);
            for (uint32_t block = 0; block < 10; block++) {
                for (const char *name : {"min_score", "min_anomaly_score", "keep_grace", "threshold", "", "x"}) {
                    ai_runner_ei_set_threshold(block, name, 0.25f);
                }
            }
            failures += std::strlen(ai_runner_ei_hello()) < 100;
            expect("reset", ai_runner_ei_reset(), 0);
        }
        expect("deinit", ai_runner_ei_deinit(), 0);
        expect("deinit again", ai_runner_ei_deinit(), 0);
    }
    return failures != 0;
}
