// A file that the engine writes for tools: appended to whole records at a time, never printed to by the child of a
// fork().
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "engine/memory/fork_guard.h"
#include "shunt/error.h"

namespace shunt::detail {

enum class OutputMode : std::uint8_t {
  Append,  // others may write to it too
  Replace
};

// Not thread-safe.
class OutputFile {
 public:
  // Refuses symbolic links and files of another user, because the names that tools look for can be foreseen. Errors:
  // SystemCall.
  static Result<OutputFile> open(std::string path, OutputMode mode);
  ~OutputFile();
  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&&) = delete;

  // Writes nothing in a child made by fork(): the file belongs to the process whose number is in its name. Errors:
  // SystemCall.
  Status append(std::span<const std::uint8_t> bytes);

  [[nodiscard]] int descriptor() const noexcept { return descriptor_; }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  OutputFile(int descriptor, std::string path);
  int descriptor_;
  std::string path_;
  std::unique_ptr<ForkGuard> fork_guard_;
};

}  // namespace shunt::detail
