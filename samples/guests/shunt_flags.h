// Feature flags for guests written in C or C++: declares imports of module "flags", nothing else. Copy it into your
// project.
//
//   SHUNT_FLAG_BOOL(fast_path, "fast-path")
//   ...
//   if (fast_path()) ...          // one instruction while the flag is off, in the hottest loop too
//
// To the compiler a flag is an ordinary function that it knows nothing of; shunt compiles each call to a patch site,
// and a flip rewrites the sites while the program runs.
//
// Never declare a flag `const` or `pure` (__attribute__((const)), ((pure)), [[gnu::const]], [[gnu::pure]]), and do not
// keep its result in a variable to save the "call". Those attributes allow the compiler to merge calls and to move them
// out of loops: a loop would then ask once, before it begins, and never see the flip. There is nothing to save: asking
// costs one no-op.
//
// A flag that is not defined, or DISABLED, reads as zero, or as the empty string: name flags so that zero is the usual
// way. When the definition's type does not fit the declaration, shunt refuses the module or the definition with a
// message.
#ifndef SHUNT_FLAGS_H
#define SHUNT_FLAGS_H

#include <stdint.h>

#ifdef __cplusplus
#define SHUNT_FLAG_LINKAGE_ extern "C"
#else
#define SHUNT_FLAG_LINKAGE_ extern
#endif

#ifdef __wasm__
#define SHUNT_FLAG_NUMBER_(name, result, key) \
  SHUNT_FLAG_LINKAGE_ __attribute__((import_module("flags"), import_name(key))) result name(void);
#define SHUNT_FLAG_STRING_(name, key)                                                                       \
  SHUNT_FLAG_LINKAGE_ __attribute__((import_module("flags"), import_name(key))) uint32_t name(char* buffer, \
                                                                                              uint32_t capacity);
#else  // Built for the machine itself, to test without shunt: every flag is off.
#define SHUNT_FLAG_NUMBER_(name, result, key) \
  static inline result name(void) {           \
    return 0;                                 \
  }
#define SHUNT_FLAG_STRING_(name, key)                            \
  static inline uint32_t name(char* buffer, uint32_t capacity) { \
    (void)buffer, (void)capacity;                                \
    return 0;                                                    \
  }
#endif

// int32_t name(void): 0 or 1. For flags with boolean variants.
#define SHUNT_FLAG_BOOL(name, key) SHUNT_FLAG_NUMBER_(name, int32_t, key)

// int32_t name(void). For integer variants from -2^31 to 2^32 - 1 (those above 2^31 - 1 arrive as their unsigned bits).
#define SHUNT_FLAG_INT(name, key) SHUNT_FLAG_NUMBER_(name, int32_t, key)

// int64_t name(void). For integer variants.
#define SHUNT_FLAG_I64(name, key) SHUNT_FLAG_NUMBER_(name, int64_t, key)

// double name(void). For number variants.
#define SHUNT_FLAG_F64(name, key) SHUNT_FLAG_NUMBER_(name, double, key)

// int32_t name(void): 1 while the variant called `variant` is in force, else 0. For flags of every type; as cheap as a
// boolean, so for string flags whose variants are known it is the better question.
//   SHUNT_FLAG_VARIANT(theme_is_dark, "theme", "dark")
#define SHUNT_FLAG_VARIANT(name, key, variant) SHUNT_FLAG_NUMBER_(name, int32_t, key "=" variant)

// uint32_t name(char* buffer, uint32_t capacity): copies the string's first `capacity` bytes, without a terminating
// zero, and returns the whole string's length in bytes, which may be more. A call, not a patch site: not for hot loops.
#define SHUNT_FLAG_STRING(name, key) SHUNT_FLAG_STRING_(name, key)

#endif
