// An evaluation context: what rules are told of whoever asks for a flag.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "runtime/flags/targeting/json.h"
#include "shunt/error.h"

namespace shunt::flags {

inline constexpr std::size_t max_context_bytes = std::size_t{1} << 20;

// A JSON object, nested as deep as rules at most, whose "targetingKey" is text. Not thread-safe: evaluating writes
// "$flagd" into it.
class Context {
 public:
  // Empty text is an empty context. Errors: InvalidArgument, "evaluation context: what: remedy".
  static Result<Context> parse(std::string_view json);

  Context();  // empty
  ~Context();
  Context(Context&&) noexcept;
  Context& operator=(Context&&) noexcept;

  [[nodiscard]] targeting::Json& json() const { return *json_; }
  // A copy with the members of `other` put over its own.
  [[nodiscard]] Context with(const Context& other) const;
  // A copy of another context's object with its own members put over that.
  [[nodiscard]] Context over(const targeting::Json& other) const;
  // Its JSON text, empty if it has no members: equal texts are equal contexts.
  [[nodiscard]] std::string text() const;

 private:
  explicit Context(targeting::Json&& json);
  std::unique_ptr<targeting::Json> json_;
};

}  // namespace shunt::flags
