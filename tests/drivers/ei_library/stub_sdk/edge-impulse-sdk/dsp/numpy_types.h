/* Signals and matrices, with the SDK's names and members. */
#ifndef STUB_NUMPY_TYPES_H
#define STUB_NUMPY_TYPES_H

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>

namespace ei {

typedef struct ei_signal_t {
#if EIDSP_SIGNAL_C_FN_POINTER
    int (*get_data)(size_t, size_t, float *);
#else
    std::function<int(size_t offset, size_t length, float *out_ptr)> get_data;
#endif
    size_t total_length;
} signal_t;

typedef struct ei_matrix {
    float *buffer;
    uint32_t rows;
    uint32_t cols;
    bool buffer_managed_by_me;

    ei_matrix(uint32_t n_rows, uint32_t n_cols, float *a_buffer = nullptr)
        : buffer(a_buffer ? a_buffer : (float *)std::calloc(n_rows * n_cols, sizeof(float))), rows(n_rows), cols(n_cols),
          buffer_managed_by_me(a_buffer == nullptr)
    {
    }
    ~ei_matrix()
    {
        if (buffer_managed_by_me) {
            std::free(buffer);
        }
    }
} matrix_t;

} // namespace ei

using namespace ei;

#endif
