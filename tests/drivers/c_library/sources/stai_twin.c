/*
 * The network of twin.h in the st-ai API: inputs lie in the activations, outputs and the state come from the caller.
 *   -DNET=name         c-name
 *   -DLOSE_EVENT       the last event of a sample is not reported
 *   -DBROKEN_DETAILS   the description of the nodes has no nodes
 *   -DMANY_INPUTS      the description claims 60000 inputs
 *   -DSMALL_SIZE       an input claims fewer bytes than its shape needs
 *   -DNULL_TEXTS       the description has no strings
 *   -DOUTPUTS_INSIDE   outputs lie in the activations too, the first one where the image is
 */
#include "twin.h"

#define API(operation) JOIN(stai_, NET, operation)

#ifdef OUTPUTS_INSIDE
#define FLAGS (1 << 27 | 1 << 28)
#else
#define FLAGS (1 << 27)
#endif

typedef struct { uint32_t size; const int32_t *data; } ints;
typedef struct { uint32_t size; const float *data; } floats;
typedef struct { uint32_t size; const int16_t *data; } shorts;
typedef struct { uint32_t bytes; int32_t flags, format; ints shape; floats scale; shorts zero; const char *name; } tensor;
typedef struct {
  const char *model_signature, *compile_datetime, *model_name, *model_datetime;
  uint32_t signature;
  uint8_t runtime_version[4], tool_version[4], api_version[4];
  uint64_t macc;
  uint32_t n_nodes;
  int32_t flags;
  uint16_t n_inputs, n_outputs, n_activations, n_weights, n_states;
  const tensor *inputs, *outputs, *activations, *weights, *states;
} network_info;
typedef struct { int32_t id; int16_t type; ints inputs, outputs; } node;
typedef struct { const tensor *tensors; const node *nodes; uint32_t n_nodes; } network_details;
typedef struct { uint32_t size; uint8_t *const *data; } addresses;
typedef struct { int32_t node_id; addresses buffers; } node_event;
typedef void (*callback)(void *cookie, int32_t event, const void *payload);

#define INTS(...) { sizeof((int32_t[]){ __VA_ARGS__ }) / 4, (const int32_t[]){ __VA_ARGS__ } }
#define PLAIN { 0, NULL }, { 0, NULL }
#define SCALED { 1, (const float[]){ 0.5f } }, { 1, (const int16_t[]){ -2 } }
#ifdef SMALL_SIZE
#define IMAGE_BYTES 8
#else
#define IMAGE_BYTES (4 * IMAGE)
#endif
#define IMAGE_TENSOR(name) { IMAGE_BYTES, 0, FLOAT32, INTS(1, 3, 2, 2), PLAIN, name }
#define BIAS_TENSOR(name) { BIAS, 0, INT8, INTS(1, 4), SCALED, name }

static const tensor inputs[2] = { IMAGE_TENSOR(SAID("image")), BIAS_TENSOR(SAID("bias")) };
static const tensor outputs[2] = { IMAGE_TENSOR(NULL), BIAS_TENSOR(NULL) };
static const tensor arena[1] = { { 128, 0, UINT8, INTS(128), PLAIN, SAID("arena") } };
static const tensor states[1] = { { 4, 0, UINT8, INTS(4), PLAIN, NULL } };

const network_details JOIN(g_, NET, _details) = {
  (const tensor[]){ IMAGE_TENSOR("image"), BIAS_TENSOR("bias"), IMAGE_TENSOR("doubled"), BIAS_TENSOR("negated"),
                    IMAGE_TENSOR("sum"), BIAS_TENSOR("copy") },
#ifdef BROKEN_DETAILS
  NULL,
#else
  (const node[]){ { 7, 0x10d, INTS(0, 1), INTS(2, 3) }, { 7, 0x101, INTS(2, 3), INTS(4, 5) } },
#endif
  2
};

typedef struct {
  uint64_t magic;
  int32_t error;
  callback cb;
  void *cookie;
  uint8_t *memory, *in[2], *out[2], *state;
} context;
#define MAGIC 0x7715A1ull
#define ENTER(handle) context *c = (context *)(handle); if (c->magic != MAGIC) return 0x030000
#define FAIL(code) do { if (!c->error) c->error = (code); return c->error; } while (0)

int32_t API(_get_context_size)(void) { return (int32_t)sizeof(context); }

int32_t API(_init)(uint8_t *handle)
{
  context *c = (context *)handle;
  if ((uintptr_t)handle & 7) return 0x030002;
  memset(c, 0, sizeof *c);
  c->magic = MAGIC;
  return 0;
}

int32_t API(_get_info)(uint8_t *handle, network_info *info)
{
  ENTER(handle);
  *info = (network_info){
    SAID("0x000102030405060708090a0b0c0d0e0f"), SAID(__DATE__ " " __TIME__), SAID(TEXT(NET)), SAID("2026-01-01"), 0,
    { 12, 0, 0 }, { 4, 0, 0 }, { 1, 0, 0 }, 24, 2, FLAGS, 2, 2, 1, 0, 1, inputs, outputs, arena, NULL, states
  };
#ifdef MANY_INPUTS
  info->n_inputs = 60000;
#endif
  return c->error;
}

int32_t API(_set_activations)(uint8_t *handle, uint8_t *const *p, uint32_t n)
{
  ENTER(handle);
  if (n != 1) FAIL(0x040001);
  if (!p[0]) FAIL(0x040000);
  c->memory = p[0];
  c->in[0] = p[0] + 52;
  c->in[1] = p[0] + 100;
#ifdef OUTPUTS_INSIDE
  c->out[0] = c->in[0];
  c->out[1] = p[0] + 104;
#endif
  return c->error;
}

int32_t API(_set_weights)(uint8_t *handle, uint8_t *const *p, uint32_t n)
{
  ENTER(handle);
  (void)p;
  if (n) FAIL(0x040041);
  return c->error;
}

int32_t API(_set_states)(uint8_t *handle, uint8_t *const *p, uint32_t n)
{
  ENTER(handle);
  if (n != 1) FAIL(0x040031);
  c->state = p[0];
  return c->error;
}

int32_t API(_set_inputs)(uint8_t *handle, uint8_t *const *p, uint32_t n)
{
  ENTER(handle);
  if (n != 2) FAIL(0x040011);
  memcpy(c->in, p, sizeof c->in);
  return c->error;
}

int32_t API(_set_outputs)(uint8_t *handle, uint8_t *const *p, uint32_t n)
{
  ENTER(handle);
  if (n != 2) FAIL(0x040021);
  memcpy(c->out, p, sizeof c->out);
  return c->error;
}

int32_t API(_get_inputs)(uint8_t *handle, uint8_t **p, uint32_t *n)
{
  ENTER(handle);
  *n = 2;
  memcpy(p, c->in, sizeof c->in);
  return c->error;
}

int32_t API(_get_outputs)(uint8_t *handle, uint8_t **p, uint32_t *n)
{
  ENTER(handle);
  *n = 2;
  memcpy(p, c->out, sizeof c->out);
  return c->error;
}

int32_t API(_set_callback)(uint8_t *handle, callback cb, void *cookie)
{
  ENTER(handle);
  c->cb = cb;
  c->cookie = cookie;
  return c->error;
}

static void emit(const context *c, int32_t event, uint8_t *first, uint8_t *second)
{
  node_event payload = { 7, { 2, (uint8_t *const[]){ first, second } } };
  if (c->cb) c->cb(c->cookie, event, &payload);
}

int32_t API(_run)(uint8_t *handle, int32_t mode)
{
  ENTER(handle);
  (void)mode;
  if (c->error) return c->error;
  if (!c->memory) FAIL(0x040000);
  if (!c->state) FAIL(0x040030);
  if (!c->in[0] || !c->in[1]) FAIL(0x040010);
  if (!c->out[0] || !c->out[1]) FAIL(0x040020);
  if (*(float *)c->in[0] == REFUSED) FAIL(0x030020);
  float *doubled = (float *)c->memory;
  int8_t *negated = (int8_t *)(c->memory + 48);
  emit(c, 1, c->in[0], c->in[1]);
  twin_split((float *)c->in[0], (int8_t *)c->in[1], doubled, negated);
  emit(c, 2, (uint8_t *)doubled, (uint8_t *)negated);
  emit(c, 1, (uint8_t *)doubled, (uint8_t *)negated);
  twin_add(doubled, negated, (float *)c->out[0], (int8_t *)c->out[1]);
#ifndef LOSE_EVENT
  emit(c, 2, c->out[0], c->out[1]);
#endif
  c->state[0]++;
  return c->error;
}
