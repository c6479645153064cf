// What --trace, --trace-from and --trace-out ask for.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "runtime/cli/messages.h"
#include "runtime/cli/options.h"
#include "shunt/error.h"
#include "shunt/runtime/trace.h"

namespace shunt::cli {

// A file of patterns, one a line; # begins a comment. Read again each time that it changes, on a thread of its own.
class PatternFile {
 public:
  using Patterns = std::vector<std::string>;
  using Callback = std::function<void(const Result<Patterns>&)>;

  // Calls back with what the file holds now, on the caller's thread; later versions on the file's. Errors: SystemCall.
  static Result<std::unique_ptr<PatternFile>> start(std::string path, Callback callback);
  ~PatternFile();  // waits for a callback that has begun
  PatternFile(const PatternFile&) = delete;
  PatternFile& operator=(const PatternFile&) = delete;

  static Patterns parse(std::string_view text);

 private:
  struct Impl;
  explicit PatternFile(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// The trace of a run. Ends before its module.
class RunTrace {
 public:
  static bool is_wanted(const RunOptions& options) { return !options.trace.empty() || !options.trace_from.empty(); }

  RunTrace(const RunOptions& options, const Messages& messages) : options_(options), messages_(messages) {}

  // Errors: those of Tracer::trace(); InvalidArgument: the trace cannot be written, the patterns cannot be read.
  Status start(const runtime::Module& module);
  // Writes what was traced; guests may still run. Tells what was lost, and what went wrong.
  void finish();

 private:
  Status trace(const std::vector<std::string>& more);
  void changed(const Result<std::vector<std::string>>& patterns);
  Status write() const;

  const RunOptions& options_;
  const Messages& messages_;
  const runtime::Module* module_ = nullptr;
  std::optional<runtime::Tracer> tracer_;
  bool has_begun_ = false;
  std::optional<Error> refused_;       // the first version of the file
  std::unique_ptr<PatternFile> file_;  // ends first: its thread uses all of the above
};

}  // namespace shunt::cli
