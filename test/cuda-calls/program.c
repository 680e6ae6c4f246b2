/** Opens a library as nacue opens libtorch_cuda, long after its own start, and prints what its function Work returns.
 */
#include <dlfcn.h>
#include <stdio.h>

int main(int count, char** arguments) {
  void* library = count == 2 ? dlopen(arguments[1], RTLD_NOW | RTLD_GLOBAL) : NULL;
  if (library == NULL) {
    fprintf(stderr, "%s\n", dlerror());
    return 1;
  }
  int (*work)(void) = (int (*)(void))dlsym(library, "Work");
  printf("%d\n", work());
  return 0;
}
