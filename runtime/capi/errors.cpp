#include "runtime/capi/errors.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

#include "shunt/runtime/c/shunt_wasm.h"

namespace shunt::wasmc {
namespace {

// A fixed buffer: reporting "no memory" must not need any.
thread_local std::array<char, 1024> last_message{};

}  // namespace

void keep_error(const char* message) noexcept {
  const std::size_t length = std::min(std::string_view(message).size(), last_message.size() - 1);
  std::memcpy(last_message.data(), message, length);
  last_message[length] = '\0';
}

void keep_error(const Error& error) noexcept {
  keep_error(error.message().c_str());
}

}  // namespace shunt::wasmc

extern "C" const char* shunt_wasm_error_message(void) {
  return shunt::wasmc::last_message.data();
}
