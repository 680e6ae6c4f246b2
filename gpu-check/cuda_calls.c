/**
 * Counts a process's copies and waits on the GPU, by LD_PRELOAD: stands between LibTorch and libcudart, whose functions
 * it calls on.
 *
 * The counts are integers of 64 bits in the file that NACUE_CUDA_CALLS names, in the order of `enum Counter`;
 * copies.mjs reads it while the process runs. A copy to the host that is made while a CUDA graph is captured counts
 * apart: it would run again with each replay, unseen. What cuBLAS and cuDNN do inside, and calls of the driver's own
 * interface, are not seen.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* Of an old glibc, so that this runs on systems older than the one that compiles it. */
#if defined(__x86_64__)
__asm__(".symver dlsym,dlsym@GLIBC_2.2.5");
#endif

typedef int Error;
typedef void* Stream;
typedef void* Graph;

enum Kind { kHostToHost, kHostToDevice, kDeviceToHost, kDeviceToDevice, kByAddress };
enum Counter { kToDevice, kToHost, kToHostCaptured, kWithinDevice, kWithinHost, kWaits, kGraphLaunches, kCounters };

/* cudaPointerAttributes; `type` is 2 for memory of a device and 3 for managed memory. */
struct PointerAttributes {
  int type;
  int device;
  void* device_pointer;
  void* host_pointer;
  char later_versions[64];
};

static uint64_t* counters;
static int64_t captures;

__attribute__((constructor)) static void OpenCounters(void) {
  const char* file = getenv("NACUE_CUDA_CALLS");
  if (file == NULL) return;
  const int descriptor = open(file, O_RDWR | O_CREAT, 0600);
  const size_t size = kCounters * sizeof(uint64_t);
  if (descriptor < 0 || ftruncate(descriptor, (off_t)size) != 0) {
    perror(file);
    _exit(1);
  }
  void* mapped = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  if (mapped == MAP_FAILED) {
    perror(file);
    _exit(1);
  }
  close(descriptor);
  counters = mapped;
}

static void Count(enum Counter counter) {
  if (counters != NULL) __atomic_fetch_add(&counters[counter], 1, __ATOMIC_RELAXED);
}

static void* Next(const char* name) {
  void* function = dlsym(RTLD_NEXT, name);
  if (function == NULL) {
    fprintf(stderr, "cuda_calls: there is no %s behind this library\n", name);
    abort();
  }
  return function;
}

static int IsOnDevice(const void* address) {
  struct PointerAttributes attributes = {0};
  Error (*attributes_of)(struct PointerAttributes*, const void*) = Next("cudaPointerGetAttributes");
  return attributes_of(&attributes, address) == 0 && attributes.type >= 2;
}

static enum Kind KindOf(const void* to, const void* from, int kind) {
  if (kind != kByAddress) return (enum Kind)kind;
  return (enum Kind)(2 * IsOnDevice(from) + IsOnDevice(to));
}

static void CountCopy(const void* to, const void* from, int kind) {
  switch (KindOf(to, from, kind)) {
    case kHostToHost:
      return Count(kWithinHost);
    case kHostToDevice:
      return Count(kToDevice);
    case kDeviceToHost:
      return Count(__atomic_load_n(&captures, __ATOMIC_RELAXED) > 0 ? kToHostCaptured : kToHost);
    default:
      return Count(kWithinDevice);
  }
}

Error cudaMemcpy(void* to, const void* from, size_t size, int kind) {
  Error (*next)(void*, const void*, size_t, int) = Next(__func__);
  CountCopy(to, from, kind);
  return next(to, from, size, kind);
}

Error cudaMemcpyAsync(void* to, const void* from, size_t size, int kind, Stream stream) {
  Error (*next)(void*, const void*, size_t, int, Stream) = Next(__func__);
  CountCopy(to, from, kind);
  return next(to, from, size, kind, stream);
}

Error cudaMemcpy2D(void* to, size_t to_pitch, const void* from, size_t pitch, size_t width, size_t height, int kind) {
  Error (*next)(void*, size_t, const void*, size_t, size_t, size_t, int) = Next(__func__);
  CountCopy(to, from, kind);
  return next(to, to_pitch, from, pitch, width, height, kind);
}

Error cudaMemcpy2DAsync(void* to, size_t to_pitch, const void* from, size_t pitch, size_t width, size_t height,
                        int kind, Stream stream) {
  Error (*next)(void*, size_t, const void*, size_t, size_t, size_t, int, Stream) = Next(__func__);
  CountCopy(to, from, kind);
  return next(to, to_pitch, from, pitch, width, height, kind, stream);
}

Error cudaDeviceSynchronize(void) {
  Error (*next)(void) = Next(__func__);
  Count(kWaits);
  return next();
}

Error cudaStreamSynchronize(Stream stream) {
  Error (*next)(Stream) = Next(__func__);
  Count(kWaits);
  return next(stream);
}

Error cudaEventSynchronize(void* event) {
  Error (*next)(void*) = Next(__func__);
  Count(kWaits);
  return next(event);
}

Error cudaStreamBeginCapture(Stream stream, int mode) {
  Error (*next)(Stream, int) = Next(__func__);
  const Error error = next(stream, mode);
  if (error == 0) __atomic_fetch_add(&captures, 1, __ATOMIC_RELAXED);
  return error;
}

/* Ends the capture also where it reports an error. */
Error cudaStreamEndCapture(Stream stream, Graph* graph) {
  Error (*next)(Stream, Graph*) = Next(__func__);
  __atomic_fetch_sub(&captures, 1, __ATOMIC_RELAXED);
  return next(stream, graph);
}

Error cudaGraphLaunch(Graph graph, Stream stream) {
  Error (*next)(Graph, Stream) = Next(__func__);
  Count(kGraphLaunches);
  return next(graph, stream);
}
