// Included in front of every file of a portable build (portable.cmake): names the oldest version of each symbol that
// newer systems have in several. The linker would take the newest, and the binary would run on no older system.
//
// log: the results are the same, errno is not. pthread_*, dl*: moved into libc.so.6, the same otherwise.

#pragma once

#if defined(__x86_64__)
#define NACUE_GLIBC_BASE "GLIBC_2.2.5"
#elif defined(__aarch64__)
#define NACUE_GLIBC_BASE "GLIBC_2.17"
#else
#error "The oldest symbol version of this architecture's glibc has to be added here."
#endif

#define NACUE_OLDEST(symbol, version) __asm__(".symver " symbol "," symbol "@" version)

NACUE_OLDEST("dladdr", NACUE_GLIBC_BASE);
NACUE_OLDEST("dlerror", NACUE_GLIBC_BASE);
NACUE_OLDEST("dlopen", NACUE_GLIBC_BASE);
NACUE_OLDEST("dlsym", NACUE_GLIBC_BASE);
NACUE_OLDEST("log", NACUE_GLIBC_BASE);
NACUE_OLDEST("pthread_attr_setstacksize", NACUE_GLIBC_BASE);
NACUE_OLDEST("pthread_create", NACUE_GLIBC_BASE);
NACUE_OLDEST("pthread_join", NACUE_GLIBC_BASE);
NACUE_OLDEST("pthread_rwlock_rdlock", NACUE_GLIBC_BASE);
NACUE_OLDEST("pthread_rwlock_unlock", NACUE_GLIBC_BASE);
NACUE_OLDEST("pthread_rwlock_wrlock", NACUE_GLIBC_BASE);
// std::condition_variable::wait(std::unique_lock<std::mutex>&)
NACUE_OLDEST("_ZNSt18condition_variable4waitERSt11unique_lockISt5mutexE", "GLIBCXX_3.4.11");

#undef NACUE_OLDEST
#undef NACUE_GLIBC_BASE
