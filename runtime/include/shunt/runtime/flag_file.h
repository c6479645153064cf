// Flags from a file, and from each new version of it.
//
// A new version is in force as soon as it can be read whole: a file that is renamed over the path, or closed by its
// writer, at once. A document that cannot be read might be half written, so its error is reported only when the file
// has been quiet for a while; until a good version comes, the last good flags stay in force.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "shunt/error.h"
#include "shunt/runtime/flags.h"

namespace shunt::flags {

// Loads a file into the set. `path` may be a pipe. Errors: BadFlags (message: path, what, remedy), or those of
// load_json(). Thread-safe; blocks.
Result<LoadReport> load_file(FlagSet& set, const std::string& path);

// What became of a new version of a watched file.
struct Reload {
  Result<LoadReport> result;
  std::uint64_t latency_ns = 0;  // from when the change was noticed until the result
};

struct FileSourceOptions {
  std::chrono::milliseconds quiet{50};  // without a write, before a document that cannot be read counts as an error
  std::chrono::milliseconds poll_interval{1000};  // where inotify cannot see every change
  bool use_inotify = true;                        // false for file systems that others write to over a network
};

class FileSource {
 public:
  // Called on the source's own thread, once for each version of the file that was loaded, and once for each that could
  // not be; versions that nobody could see because the next came too fast are left out. Must not end the source. While
  // it runs, no other version is loaded.
  using Callback = std::function<void(const Reload&)>;

  // Loads `path` and watches it from then on. `set` must outlive the source. Errors: as load_file(); `path` must be a
  // regular file.
  static Result<std::unique_ptr<FileSource>> start(FlagSet& set, std::string path, Callback callback,
                                                   const FileSourceOptions& options = {});
  // Stops at once, waiting only for a load or a callback that has begun. Blocks.
  ~FileSource();
  FileSource(const FileSource&) = delete;
  FileSource& operator=(const FileSource&) = delete;

  // Of the load that start() did.
  [[nodiscard]] const LoadReport& first_load() const noexcept;

  // How changes are noticed now: "inotify", or "polling every 1000 ms (…the reason…)". Thread-safe.
  [[nodiscard]] std::string mechanism() const;

 private:
  struct Impl;
  explicit FileSource(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace shunt::flags
