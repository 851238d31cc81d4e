/* The kernels of the C-model: parameters and prototypes.
 *
 * A kernel computes one operator as LiteRT's reference kernels do, bit for bit, when it is compiled without
 * contraction of floating-point expressions (-ffp-contract=off). It takes its parameters, the inputs, the outputs
 * and, where it says so, scratch memory (8-byte aligned); none of them may overlap. It allocates nothing, keeps no
 * state and cannot fail: whatever could be wrong with a model was refused when it was translated.
 *
 * Suffixes: s8 is int8 with quantization real = scale * (q - zero_point), f32 is float. An `offset` of an input is
 * minus its zero point, of an output its zero point. Images are [batch][height][width][channel]. */
#ifndef AI_RUNNER_KERNELS_H
#define AI_RUNNER_KERNELS_H

#include <stdint.h>

/* ---- windows that slide over images ---- */

typedef struct {
    int32_t batches;
    int32_t in_height, in_width, in_channels;
    int32_t out_height, out_width, out_channels;
    int32_t height, width;
    int32_t stride_height, stride_width;
    int32_t dilation_height, dilation_width;
    int32_t pad_top, pad_left;
} window_2d;

typedef struct {
    window_2d window;
    int32_t groups;
    int32_t input_offset;
    int32_t output_offset;
    int32_t output_min, output_max;
    const int8_t *weights;     /* [out_channels][height][width][in_channels / groups] */
    const int32_t *bias;       /* [out_channels] or NULL */
    const int32_t *multiplier; /* [out_channels] */
    const int8_t *shift;       /* [out_channels] */
} conv_2d_s8_params;

typedef struct {
    window_2d window;
    int32_t groups;
    float output_min, output_max;
    const float *weights; /* [groups][height][width][in_channels / groups][out_channels / groups] */
    const float *bias;    /* [out_channels] or NULL */
} conv_2d_f32_params;

/* Scratch: int16_t[2][height * width * in_channels / groups]. */
void conv_2d_s8(const conv_2d_s8_params *p, const int8_t *in, int8_t *out, void *scratch);
void conv_2d_f32(const conv_2d_f32_params *p, const float *in, float *out);

typedef struct {
    window_2d window;
    int32_t depth_multiplier;
    int32_t input_offset;
    int32_t output_offset;
    int32_t output_min, output_max;
    const int8_t *weights;     /* [height][width][out_channels] */
    const int32_t *bias;       /* [out_channels] or NULL */
    const int32_t *multiplier; /* [out_channels] */
    const int8_t *shift;       /* [out_channels] */
} depthwise_conv_2d_s8_params;

typedef struct {
    window_2d window;
    int32_t depth_multiplier;
    float output_min, output_max;
    const float *weights; /* [height][width][out_channels] */
    const float *bias;    /* [out_channels] or NULL */
} depthwise_conv_2d_f32_params;

/* Scratch: int32_t[out_channels]. */
void depthwise_conv_2d_s8(const depthwise_conv_2d_s8_params *p, const int8_t *in, int8_t *out, void *scratch);
void depthwise_conv_2d_f32(const depthwise_conv_2d_f32_params *p, const float *in, float *out);

typedef struct {
    window_2d window;
    int32_t output_min, output_max;
} pool_2d_s8_params;

typedef struct {
    window_2d window;
    float output_min, output_max;
} pool_2d_f32_params;

void average_pool_2d_s8(const pool_2d_s8_params *p, const int8_t *in, int8_t *out);
void average_pool_2d_f32(const pool_2d_f32_params *p, const float *in, float *out);
void max_pool_2d_s8(const pool_2d_s8_params *p, const int8_t *in, int8_t *out);
void max_pool_2d_f32(const pool_2d_f32_params *p, const float *in, float *out);

/* ---- fully connected ---- */

typedef struct {
    int32_t batches;
    int32_t in_features, out_features;
    int32_t input_offset;
    int32_t weights_offset;
    int32_t output_offset;
    int32_t output_min, output_max;
    const int8_t *weights; /* [out_features][in_features] */
    const int32_t *bias;   /* [out_features] or NULL */
    const double *scale;   /* of an accumulator: [out_features] or, for all of them, [1] */
    int32_t scale_step;    /* 1 or 0 */
} fully_connected_s8_params;

typedef struct {
    int32_t batches;
    int32_t in_features, out_features;
    float output_min, output_max;
    const float *weights; /* [in_features][out_features] */
    const float *bias;    /* [out_features] or NULL */
} fully_connected_f32_params;

/* Scratch: int16_t[in_features]. */
void fully_connected_s8(const fully_connected_s8_params *p, const int8_t *in, int8_t *out, void *scratch);
void fully_connected_f32(const fully_connected_f32_params *p, const float *in, float *out);

/* ---- arithmetic of two operands with broadcasting ---- */

enum { LOOP_RANK = 6 };

/* Nested loops over two arrays, the last dimension innermost; strides in elements unless said otherwise. */
typedef struct {
    int32_t count; /* product of shape */
    int32_t shape[LOOP_RANK];
    int32_t stride_a[LOOP_RANK];
    int32_t stride_b[LOOP_RANK];
} strided_loop;

/* Runs of `run` elements; within a run an operand advances by its step, 1 or 0. */
typedef struct {
    strided_loop runs;
    int32_t run;
    int32_t step_a, step_b;
} broadcast;

typedef struct {
    broadcast operands;
    int32_t offset_a, multiplier_a, shift_a;
    int32_t offset_b, multiplier_b, shift_b;
    int32_t output_offset, output_multiplier, output_shift;
    int32_t output_min, output_max;
} add_s8_params;

typedef struct {
    broadcast operands;
    int32_t offset_a, offset_b;
    int32_t output_offset, output_multiplier, output_shift;
    int32_t output_min, output_max;
} mul_s8_params;

typedef struct {
    broadcast operands;
    float output_min, output_max;
} arithmetic_f32_params;

/* SUB is ADD with a negative multiplier_b. */
void add_s8(const add_s8_params *p, const int8_t *a, const int8_t *b, int8_t *out);
void mul_s8(const mul_s8_params *p, const int8_t *a, const int8_t *b, int8_t *out);
void add_f32(const arithmetic_f32_params *p, const float *a, const float *b, float *out);
void sub_f32(const arithmetic_f32_params *p, const float *a, const float *b, float *out);
void mul_f32(const arithmetic_f32_params *p, const float *a, const float *b, float *out);

/* ---- activations ---- */

typedef struct {
    int32_t rows, depth;
    int32_t input_multiplier, input_shift;
    int32_t diff_min; /* inputs further than this below the largest of their row give 0 */
} softmax_s8_params;

typedef struct {
    int32_t rows, depth;
    float beta;
} softmax_f32_params;

void softmax_s8(const softmax_s8_params *p, const int8_t *in, int8_t *out);
void softmax_f32(const softmax_f32_params *p, const float *in, float *out);

typedef struct {
    int32_t size;
} elementwise_params;

typedef struct {
    int32_t size;
    const int8_t *table; /* [256], entry i belongs to the value i - 128 */
} lookup_s8_params;

typedef struct {
    int32_t size;
    int32_t input_zero_point, output_zero_point;
    int32_t output_multiplier, output_shift;   /* 16 bits, at most 0 */
    int32_t reluish_multiplier, reluish_shift; /* 16 bits */
} hard_swish_s8_params;

void lookup_s8(const lookup_s8_params *p, const int8_t *in, int8_t *out);
void hard_swish_s8(const hard_swish_s8_params *p, const int8_t *in, int8_t *out);
void logistic_f32(const elementwise_params *p, const float *in, float *out);
void tanh_f32(const elementwise_params *p, const float *in, float *out);
void relu_f32(const elementwise_params *p, const float *in, float *out);
void relu6_f32(const elementwise_params *p, const float *in, float *out);
void relu_n1_to_1_f32(const elementwise_params *p, const float *in, float *out);
void hard_swish_f32(const elementwise_params *p, const float *in, float *out);

/* ---- from one quantization to another ---- */

typedef struct {
    int32_t size;
    int32_t input_offset;
    int32_t output_offset, output_multiplier, output_shift;
    int32_t output_min, output_max;
} requantize_params;

typedef struct {
    int32_t size;
    float scale;
    int32_t zero_point;
} quantize_params;

void requantize_s8_s8(const requantize_params *p, const int8_t *in, int8_t *out);
void requantize_s8_u8(const requantize_params *p, const int8_t *in, uint8_t *out);
void requantize_u8_s8(const requantize_params *p, const uint8_t *in, int8_t *out);
void requantize_u8_u8(const requantize_params *p, const uint8_t *in, uint8_t *out);
void quantize_f32_s8(const quantize_params *p, const float *in, int8_t *out);
void quantize_f32_u8(const quantize_params *p, const float *in, uint8_t *out);
void dequantize_s8_f32(const quantize_params *p, const int8_t *in, float *out);
void dequantize_u8_f32(const quantize_params *p, const uint8_t *in, float *out);

/* ---- mean ---- */

typedef struct {
    strided_loop kept;    /* stride_a: of the input */
    strided_loop reduced; /* stride_a: of the input */
    int32_t sum_offset;   /* added to the sum of the elements */
    int32_t output_offset, output_multiplier, output_shift;
} mean_s8_params;

typedef struct {
    strided_loop kept;
    strided_loop reduced;
} mean_f32_params;

void mean_s8(const mean_s8_params *p, const int8_t *in, int8_t *out);
void mean_f32(const mean_f32_params *p, const float *in, float *out);

/* ---- moving data: elements of any type, sizes and strides in bytes ---- */

typedef struct {
    int32_t size;
} reshape_params;

/* Runs of `run` bytes from the input (a) to the output (b). */
typedef struct {
    strided_loop runs;
    int32_t run;
    int32_t in_start, out_start;
} strided_copy_params;

typedef struct {
    strided_copy_params inner;
    int32_t out_size;
    int32_t value_size;
    uint8_t value[8]; /* of one element of the padding */
} pad_params;

typedef struct {
    int32_t rows;
    int32_t inputs;
    const int32_t *run; /* [inputs]: bytes that a row of the output takes from each input */
} concatenation_params;

typedef struct {
    int32_t batches;
    int32_t in_height, in_width;
    int32_t out_height, out_width;
    int32_t pixel;          /* bytes of all channels */
    const int32_t *row;     /* [out_height]: row of the input */
    const int32_t *column;  /* [out_width] */
} resize_nearest_neighbor_params;

void reshape(const reshape_params *p, const void *in, void *out);
void strided_copy(const strided_copy_params *p, const void *in, void *out);
void pad(const pad_params *p, const void *in, void *out);
void concatenation(const concatenation_params *p, const void *const *in, void *out);
void resize_nearest_neighbor(const resize_nearest_neighbor_params *p, const void *in, void *out);

#endif
