/*
 * The network of twin.h in the legacy API, with the observer functions in the same library.
 *   -DNET=name        c-name
 *   -DNO_OBSERVER     without the observer functions
 *   -DTOOLS=a,b,c     version of the tools; -DPLATFORM=a,b of the platform API
 *   -DOLD_INFO        get_info instead of get_report, as tools before 7.0
 *   -DSHORT_RUN       run returns one sample less, without an error
 *   -DLOSE_EVENT      the last event of a sample is not reported
 *   -DBUSY            the observer refuses every network
 *   -DMANY_INPUTS     the report claims 60000 inputs
 *   -DNULL_SHAPE      the report has no dimensions
 *   -DNULL_TEXTS      the report has no strings
 */
#include "twin.h"

#ifndef TOOLS
#define TOOLS 2, 2, 0
#endif
#ifndef PLATFORM
#define PLATFORM 1, 2
#endif
#define API(operation) JOIN(ai_, NET, operation)

typedef struct { uint32_t word; } error;
typedef struct { uint32_t type_and_rank; uint32_t *dimensions; } shape;
typedef struct { const float *scale; const void *zero_point; } quantization;
typedef struct { uint16_t flags, size; const quantization *info; } quantization_list;
typedef struct { uint32_t flags; const quantization_list *list; } meta;
typedef struct { int32_t format; void *data; const meta *meta; uint32_t flags, size; shape shape; } buffer;
typedef struct { uint16_t flags, size; buffer *buffers; } buffer_array;
typedef union {
  struct { buffer weights, activations; } pair;
  struct { uint32_t magic; buffer_array weights, activations; } maps;
} params;
typedef struct {
  const char *model_name, *model_signature, *model_datetime, *compile_datetime, *runtime_revision;
  uint8_t runtime_version[4];
  const char *tool_revision;
  uint8_t tool_version[4], tool_api_version[4], api_version[4], interface_api_version[4];
  uint64_t macc;
  uint16_t n_inputs, n_outputs;
  buffer *inputs, *outputs;
  params params;
  uint32_t n_nodes, signature;
} report;
typedef struct { int32_t format; void *data; float scale; int32_t zero_point; shape shape; } tensor;
typedef struct { uint16_t c_idx, type, id, n_tensors; float elapsed; tensor *tensors; } node_event;
typedef uint32_t (*callback)(uint32_t flags, const node_event *node);

#define RANK4(dimensions) { 1u | 4u << 8, dimensions }
#ifdef NULL_SHAPE
#define SHAPE_OF_IMAGE { 1u | 4u << 8, NULL }
#else
#define SHAPE_OF_IMAGE RANK4(image_dims)
#endif

static uint32_t image_dims[4] = { 1, 2, 2, 3 }; /* B C W H */
static uint32_t bias_dims[4] = { 1, BIAS, 1, 1 };
static uint32_t arena_dims[4] = { 1, 64, 1, 1 };

static const int8_t zero_point = -2;
static const quantization bias_info = { &twin_scale, &zero_point };
static const quantization_list bias_list = { 1u | 4u, 1, &bias_info };
static const meta bias_meta = { 1, &bias_list };

static buffer inputs[2] = {
  { FLOAT32 | 1 << 27, NULL, NULL, 0, IMAGE, SHAPE_OF_IMAGE },
  { INT8, NULL, &bias_meta, 0, BIAS, RANK4(bias_dims) },
};
static buffer outputs[2] = {
  { FLOAT32, NULL, NULL, 0, IMAGE, RANK4(image_dims) },
  { INT8, NULL, &bias_meta, 0, BIAS, RANK4(bias_dims) },
};
static buffer arena[1] = { { UINT8, NULL, NULL, 0, 64, RANK4(arena_dims) } };

static int network;
static uint32_t last_error;
static uint8_t *memory;
static callback observer;

error API(_create)(void **handle, const buffer *config)
{
  (void)config;
  *handle = &network;
  return (error){ 0 };
}

error API(_get_error)(void *handle)
{
  error found = { last_error };
  (void)handle;
  last_error = 0;
  return found;
}

void *API(_destroy)(void *handle) { (void)handle; return NULL; }

bool API(_data_params_get)(params *p)
{
  memset(p, 0, sizeof *p);
  p->maps.magic = 0xA1FACADEu;
  p->maps.activations = (buffer_array){ 0, 1, arena };
  return true;
}

bool API(_init)(void *handle, const params *p)
{
  (void)handle;
  if (p->maps.activations.size != 1 || !p->maps.activations.buffers[0].data) {
    last_error = 0x30 | 0x13 << 8;
    return false;
  }
  memory = p->maps.activations.buffers[0].data;
  return true;
}

#ifdef OLD_INFO
bool API(_get_info)(void *handle, report *r)
#else
bool API(_get_report)(void *handle, report *r)
#endif
{
  (void)handle;
  memset(r, 0, sizeof *r);
  r->model_name = SAID(TEXT(NET));
  r->model_signature = SAID("0x000102030405060708090a0b0c0d0e0f");
  r->model_datetime = SAID("2026-01-01T00:00:00+0000");
  r->compile_datetime = SAID(__DATE__ " " __TIME__);
  r->runtime_revision = SAID("(twin)");
  memcpy(r->runtime_version, (uint8_t[4]){ 10, 2 }, 4);
  memcpy(r->tool_version, (uint8_t[4]){ TOOLS }, 4);
  memcpy(r->api_version, (uint8_t[4]){ PLATFORM }, 4);
  r->macc = 24;
  r->n_inputs = r->n_outputs = 2;
#ifdef MANY_INPUTS
  r->n_inputs = 60000;
#endif
  r->inputs = inputs;
  r->outputs = outputs;
  r->n_nodes = 2;
  return true;
}

static void emit(uint32_t flags, uint16_t index, tensor *tensors)
{
  node_event event = { index, index ? 0x101 : 0x10d, 7, 2, flags & 4 ? 0.25f : 0.125f, tensors };
  if (observer) observer(flags, &event);
}

int32_t API(_run)(void *handle, const buffer *in, buffer *out)
{
  uint32_t count = in[0].shape.dimensions[0];
  float *doubled = (float *)memory;
  int8_t *negated = (int8_t *)(memory + 48);
  (void)handle;
  if (out[0].shape.dimensions[0] != count || in[1].shape.dimensions[0] != count) {
    last_error = 0x12 | 0x21 << 8;
    return 0;
  }
  for (uint32_t n = 0; n < count; n++) {
    float *image = (float *)in[0].data + n * IMAGE, *sum = (float *)out[0].data + n * IMAGE;
    int8_t *bias = (int8_t *)in[1].data + n * BIAS, *copy = (int8_t *)out[1].data + n * BIAS;
    tensor read[2] = { { FLOAT32, image, 1.0f, 0, RANK4(image_dims) }, { INT8, bias, 0.5f, -2, RANK4(bias_dims) } };
    tensor kept[2] = { { FLOAT32, doubled, 1.0f, 0, RANK4(image_dims) }, { INT8, negated, 0.5f, -2, RANK4(bias_dims) } };
    tensor made[2] = { { FLOAT32, sum, 1.0f, 0, RANK4(image_dims) }, { INT8, copy, 0.5f, -2, RANK4(bias_dims) } };
    if (image[0] == REFUSED) {
      last_error = 0x12 | 0x20 << 8;
      return (int32_t)n;
    }
    emit(0x102, 0, read);
    twin_split(image, bias, doubled, negated);
    emit(0x104, 0, kept);
    emit(0x202, 1, kept);
    twin_add(doubled, negated, sum, copy);
#ifndef LOSE_EVENT
    emit(0x204, 1, made);
#endif
  }
#ifdef SHORT_RUN
  return (int32_t)count - 1;
#else
  return (int32_t)count;
#endif
}

#ifndef NO_OBSERVER
bool ai_platform_observer_io_register(void *handle, callback cb, uint32_t flags)
{
#ifdef BUSY
  return false;
#endif
  if (handle != &network || !flags || observer) return false;
  observer = cb;
  return true;
}

bool ai_platform_observer_io_unregister(void *handle, callback cb)
{
  if (handle != &network || observer != cb) return false;
  observer = NULL;
  return true;
}
#endif
