/** In place of libtorch_cuda: needs libcudart and calls it. */
#include <stddef.h>
#include <stdint.h>

extern int reached;
int cudaMemcpy(void*, const void*, size_t, int);
int cudaMemcpyAsync(void*, const void*, size_t, int, void*);
int cudaStreamSynchronize(void*);
int cudaDeviceSynchronize(void);
int cudaStreamBeginCapture(void*, int);
int cudaStreamEndCapture(void*, void**);
int cudaGraphLaunch(void*, void*);

enum { kToDevice = 1, kToHost = 2, kWithinDevice = 3, kByAddress = 4 };

/** @returns how many calls came through to libcudart */
int Work(void) {
  void* host = (void*)16;
  void* gpu = (void*)17;
  cudaMemcpyAsync(gpu, host, 1, kToDevice, NULL);
  cudaMemcpyAsync(host, gpu, 1, kToHost, NULL);
  cudaMemcpyAsync(host, gpu, 1, kByAddress, NULL);
  cudaMemcpyAsync(gpu, host, 1, kByAddress, NULL);
  cudaMemcpy(gpu, gpu, 1, kWithinDevice);
  cudaMemcpy(host, host, 1, kByAddress);
  cudaStreamBeginCapture(NULL, 0);
  cudaMemcpyAsync(host, gpu, 1, kToHost, NULL);
  cudaStreamEndCapture(NULL, NULL);
  cudaGraphLaunch(NULL, NULL);
  cudaGraphLaunch(NULL, NULL);
  cudaStreamSynchronize(NULL);
  cudaDeviceSynchronize();
  return reached;
}
