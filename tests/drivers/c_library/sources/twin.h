/*
 * The network that the test libraries export, in either C API:
 *
 *   inputs   image float32 [1,3,2,2] (B,H,W,C), bias int8 [1,4], scale 0.5, zero point -2
 *   node 0   two outputs: image * 2 and -bias                 (layer 7, type 0x10d)
 *   node 1   two outputs, the results: (image * 2) + 1, -bias (layer 7, type 0x101)
 *
 * An image that begins with 99 is refused, one that begins with 77 crashes.
 *   -DUNWRITTEN=n      the first n elements of both results are not written
 */
#ifndef TWIN_H
#define TWIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifndef NET
#define NET network
#endif
#define JOIN_(a, b, c) a##b##c
#define JOIN(a, b, c) JOIN_(a, b, c)
#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
#ifdef NULL_TEXTS
#define SAID(x) NULL
#else
#define SAID(x) (x)
#endif

#define IMAGE 12
#define BIAS 4
#define REFUSED 99.0f
#define CRASHES 77.0f
#define FLOAT32 0x00821040
#define INT8 0x00840440
#define UINT8 0x00040440

#ifndef UNWRITTEN
#define UNWRITTEN 0
#endif

static const float twin_scale = 0.5f;

static inline void twin_split(const float *image, const int8_t *bias, float *doubled, int8_t *negated)
{
  if (image[0] == CRASHES) *(volatile int *)0 = 1;
  for (int i = 0; i < IMAGE; i++) doubled[i] = image[i] * 2.0f;
  for (int i = 0; i < BIAS; i++) negated[i] = (int8_t)-bias[i];
}

static inline void twin_add(const float *doubled, const int8_t *negated, float *sum, int8_t *copy)
{
  for (int i = UNWRITTEN; i < IMAGE; i++) sum[i] = doubled[i] + 1.0f;
  for (int i = UNWRITTEN; i < BIAS; i++) copy[i] = negated[i];
}

#endif
