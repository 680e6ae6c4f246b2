// For loops that are worth the CPU's own vectors: the addon is built for any x86-64.
//
// NACUE_WIDE_VECTORS before a function compiles it once per kind of vectors; the loader chooses by what the CPU can do.
// (A name like arch=haswell would ask for that very model.) Not for templates: these go into it, by NACUE_INTO_CALLER,
// as does all that it calls: a function of its own is compiled for any x86-64. NACUE_FUSES_MULTIPLY_ADD is 0 where fma
// is a call into the C library instead of an instruction.
#pragma once

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12
#define NACUE_WIDE_VECTORS __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#define NACUE_INTO_CALLER __attribute__((always_inline)) inline
#define NACUE_FUSES_MULTIPLY_ADD 1
#else
#define NACUE_WIDE_VECTORS
#define NACUE_INTO_CALLER inline
#ifdef __FP_FAST_FMAF
#define NACUE_FUSES_MULTIPLY_ADD 1
#else
#define NACUE_FUSES_MULTIPLY_ADD 0
#endif
#endif
