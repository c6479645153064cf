#include "engine/observe/perf_map.h"

#include <unistd.h>

#include <cstdio>
#include <utility>

#include "engine/observe/output_file.h"

namespace shunt::detail {
namespace {

class PerfMap final : public CodeObserver {
 public:
  explicit PerfMap(OutputFile file) : file_(std::move(file)) {}

  // One write for all lines, so that lines of others do not come in between.
  Status named(const NamedCode& code) override {
    std::string lines;
    for (const NamedSymbol& symbol : code.symbols) {
      char place[48];
      std::snprintf(place, sizeof place, "%zx %x ", reinterpret_cast<std::size_t>(code.begin + symbol.offset),
                    symbol.size);
      lines += place;
      lines += symbol.name;
      lines += '\n';
    }
    return file_.append({reinterpret_cast<const std::uint8_t*>(lines.data()), lines.size()});
  }
  void rewritten(const NamedCode&, std::span<const std::size_t>) override {}
  void ended(const NamedCode&) override {}
  [[nodiscard]] bool follows_flips() const noexcept override { return false; }

 private:
  OutputFile file_;
};

}  // namespace

Result<std::unique_ptr<CodeObserver>> make_perf_map(const std::string& directory) {
  Result<OutputFile> file =
      OutputFile::open(directory + "/perf-" + std::to_string(getpid()) + ".map", OutputMode::Append);
  if (!file) return file.error();
  return std::unique_ptr<CodeObserver>(std::make_unique<PerfMap>(std::move(*file)));
}

}  // namespace shunt::detail
