// Defines for a portable build (portable.cmake) what newer headers refer to and older libraries do not have.

#include <sstream>

// Only declared by the header, which counts on libstdc++.so to have it (GCC 11).
template std::string std::stringbuf::str() const&;

// With it glibc 2.32 tells libstdc++ when atomic instructions can be left out. Zero: never, there is always more than
// one thread here.
extern "C" __attribute__((visibility("hidden"))) char __libc_single_threaded;
char __libc_single_threaded = 0;
