// The calls that the linker puts in place of the C library's (CMakeLists.txt: --wrap): each fails if it is to, else it
// makes the real one.
#include "tests/faults/wrapped.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <system_error>
#include <thread>
#include <utility>

using shunt::faults::fault_of;

// A function with a fixed list of parameters, that fails by `failure` and errno.
#define SHUNT_WRAP(result, name, failure, parameters, arguments) \
  result __real_##name parameters;                               \
  result __wrap_##name parameters {                              \
    if (const int error = fault_of(#name); error != 0) {         \
      errno = error;                                             \
      return failure;                                            \
    }                                                            \
    return __real_##name arguments;                              \
  }

// The same, where the error is returned.
#define SHUNT_WRAP_RETURNED(name, parameters, arguments)             \
  int __real_##name parameters;                                      \
  int __wrap_##name parameters {                                     \
    if (const int error = fault_of(#name); error != 0) return error; \
    return __real_##name arguments;                                  \
  }

// NOLINTBEGIN(bugprone-reserved-identifier): the linker's names
extern "C" {

SHUNT_WRAP(int, accept4, -1, (int fd, sockaddr* address, socklen_t* size, int flags), (fd, address, size, flags))
SHUNT_WRAP(int, bind, -1, (int fd, const sockaddr* address, socklen_t size), (fd, address, size))
SHUNT_WRAP(int, connect, -1, (int fd, const sockaddr* address, socklen_t size), (fd, address, size))
SHUNT_WRAP(int, eventfd, -1, (unsigned value, int flags), (value, flags))
SHUNT_WRAP(int, fchmodat, -1, (int folder, const char* path, mode_t mode, int flags), (folder, path, mode, flags))
SHUNT_WRAP(FILE*, fopen, nullptr, (const char* path, const char* mode), (path, mode))
SHUNT_WRAP(int, fstat, -1, (int fd, struct stat* status), (fd, status))
SHUNT_WRAP(int, fstatat, -1, (int folder, const char* path, struct stat* status, int flags),
           (folder, path, status, flags))
SHUNT_WRAP(int, ftruncate, -1, (int fd, off_t size), (fd, size))
SHUNT_WRAP(int, inotify_add_watch, -1, (int fd, const char* path, std::uint32_t mask), (fd, path, mask))
SHUNT_WRAP(int, inotify_init1, -1, (int flags), (flags))
SHUNT_WRAP(int, listen, -1, (int fd, int backlog), (fd, backlog))
SHUNT_WRAP(int, madvise, -1, (void* at, std::size_t size, int advice), (at, size, advice))
SHUNT_WRAP(int, memfd_create, -1, (const char* name, unsigned flags), (name, flags))
SHUNT_WRAP(int, mkdir, -1, (const char* path, mode_t mode), (path, mode))
SHUNT_WRAP(int, mprotect, -1, (void* at, std::size_t size, int protection), (at, size, protection))
SHUNT_WRAP(ssize_t, read, -1, (int fd, void* to, std::size_t size), (fd, to, size))
SHUNT_WRAP(int, sigaction, -1, (int signal, const struct sigaction* action, struct sigaction* old),
           (signal, action, old))
SHUNT_WRAP(int, sigaltstack, -1, (const stack_t* stack, stack_t* old), (stack, old))
SHUNT_WRAP(int, socket, -1, (int domain, int type, int protocol), (domain, type, protocol))
SHUNT_WRAP(int, stat, -1, (const char* path, struct stat* status), (path, status))
SHUNT_WRAP(pid_t, waitpid, -1, (pid_t child, int* status, int options), (child, status, options))
SHUNT_WRAP(ssize_t, write, -1, (int fd, const void* from, std::size_t size), (fd, from, size))
SHUNT_WRAP_RETURNED(pthread_create,
                    (pthread_t * thread, const pthread_attr_t* attributes, void* (*run)(void*), void* argument),
                    (thread, attributes, run, argument))
SHUNT_WRAP_RETURNED(pthread_atfork, (void (*prepare)(), void (*parent)(), void (*child)()), (prepare, parent, child))
SHUNT_WRAP_RETURNED(pthread_getattr_np, (pthread_t thread, pthread_attr_t* attributes), (thread, attributes))

void* __real_mmap(void* at, std::size_t size, int protection, int flags, int fd, off_t offset);
void* __wrap_mmap(void* at, std::size_t size, int protection, int flags, int fd, off_t offset) {
  if (const int error = fault_of("mmap"); error != 0) {
    errno = error;
    return MAP_FAILED;
  }
  void* const mapped = __real_mmap(at, size, protection, flags, fd, offset);
  if (mapped != MAP_FAILED) shunt::faults::note_mapped(mapped, size);
  return mapped;
}

int __real_munmap(void* at, std::size_t size);
int __wrap_munmap(void* at, std::size_t size) {
  const int result = __real_munmap(at, size);
  if (result == 0) shunt::faults::note_unmapped(at, size);
  return result;
}

void* __real_mremap(void* old, std::size_t old_size, std::size_t size, int flags, ...);
void* __wrap_mremap(void* old, std::size_t old_size, std::size_t size, int flags, ...) {
  if (const int error = fault_of("mremap"); error != 0) {
    errno = error;
    return MAP_FAILED;
  }
  va_list rest;
  va_start(rest, flags);
  void* const wanted = (flags & MREMAP_FIXED) != 0 ? va_arg(rest, void*) : nullptr;
  va_end(rest);
  void* const mapped = __real_mremap(old, old_size, size, flags, wanted);
  if (mapped == MAP_FAILED) return mapped;
  if (old_size != 0) shunt::faults::note_unmapped(old, old_size);
  shunt::faults::note_mapped(mapped, size);
  return mapped;
}

int __real_open(const char* path, int flags, ...);
int __wrap_open(const char* path, int flags, ...) {
  if (const int error = fault_of("open"); error != 0) {
    errno = error;
    return -1;
  }
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return __real_open(path, flags, mode);
}

int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...) {
  if (const int error = fault_of("fcntl"); error != 0) {
    errno = error;
    return -1;
  }
  va_list rest;
  va_start(rest, command);
  const long argument = va_arg(rest, long);
  va_end(rest);
  return __real_fcntl(fd, command, argument);
}

long __real_syscall(long number, ...);
// As the C library's, it takes six arguments, whatever was passed: the address sanitizer would see the rest.
__attribute__((no_sanitize_address)) long __wrap_syscall(long number, ...) {
  const char* name = "";  // of no interest
  switch (number) {
    case SYS_membarrier:
      name = "membarrier";
      break;
    case SYS_tgkill:
      name = "tgkill";
      break;
    case SYS_getdents64:
      name = "getdents64";
      break;
    case SYS_clone:
      name = "clone";
      break;
    default:
      break;
  }
  if (const int error = fault_of(name); error != 0) {
    errno = error;
    return -1;
  }
  va_list rest;
  va_start(rest, number);
  long arguments[6];
  for (long& argument : arguments) argument = va_arg(rest, long);
  va_end(rest);
  return __real_syscall(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5]);
}

// std::thread::_M_start_thread(std::unique_ptr<_State>, void (*)()): the C++ library makes the call.
void __real__ZNSt6thread15_M_start_threadESt10unique_ptrINS_6_StateESt14default_deleteIS1_EEPFvvE(
    std::thread* self, std::unique_ptr<std::thread::_State> state, void (*depend)());
void __wrap__ZNSt6thread15_M_start_threadESt10unique_ptrINS_6_StateESt14default_deleteIS1_EEPFvvE(
    std::thread* self, std::unique_ptr<std::thread::_State> state, void (*depend)()) {
  if (const int error = fault_of("pthread_create"); error != 0) throw std::system_error(error, std::generic_category());
  __real__ZNSt6thread15_M_start_threadESt10unique_ptrINS_6_StateESt14default_deleteIS1_EEPFvvE(self, std::move(state),
                                                                                               depend);
}

}  // extern "C"
// NOLINTEND(bugprone-reserved-identifier)
