/** In place of libcudart, for the test of gpu-check/cuda_calls.c: every call succeeds, odd addresses are those of a
 * GPU. */
#include <stddef.h>
#include <stdint.h>

struct PointerAttributes {
  int type;
  int device;
  void* device_pointer;
  void* host_pointer;
};

int reached;

int cudaPointerGetAttributes(struct PointerAttributes* attributes, const void* address) {
  attributes->type = (uintptr_t)address % 2 == 1 ? 2 : 0;
  return 0;
}

int cudaMemcpy(void* to, const void* from, size_t size, int kind) {
  (void)to, (void)from, (void)size, (void)kind;
  return ++reached, 0;
}

int cudaMemcpyAsync(void* to, const void* from, size_t size, int kind, void* stream) {
  (void)to, (void)from, (void)size, (void)kind, (void)stream;
  return ++reached, 0;
}

int cudaStreamSynchronize(void* stream) {
  return (void)stream, ++reached, 0;
}
int cudaDeviceSynchronize(void) {
  return ++reached, 0;
}
int cudaStreamBeginCapture(void* stream, int mode) {
  return (void)stream, (void)mode, ++reached, 0;
}
int cudaStreamEndCapture(void* stream, void** graph) {
  return (void)stream, (void)graph, ++reached, 0;
}
int cudaGraphLaunch(void* graph, void* stream) {
  return (void)graph, (void)stream, ++reached, 0;
}
