#include "benchmarks/flip/program.h"

#include <array>
#include <atomic>
#include <cstring>
#include <map>
#include <utility>
#include <vector>

#include "benchmarks/support/measure.h"
#include "engine/patch/engine_parts.h"

namespace shunt::bench {
namespace {

constexpr std::size_t unused_word = 48;

void write_return(InstructionSet instruction_set, std::uint8_t* at) {
  constexpr std::array<std::uint8_t, 4> x86_64 = {0xC3, 0xCC, 0xCC, 0xCC};  // ret
  constexpr std::array<std::uint8_t, 4> arm64 = {0xC0, 0x03, 0x5F, 0xD6};   // ret
  const auto& bytes = instruction_set == InstructionSet::X86_64 ? x86_64 : arm64;
  std::memcpy(at, bytes.data(), bytes.size());
}

}  // namespace

std::uint32_t site_offset(InstructionSet instruction_set, std::uint32_t number) noexcept {
  if (instruction_set == InstructionSet::Arm64) return 0;  // instructions are aligned
  return number * 0x9E3779B9U >> 29;                       // 0 to 7, in an order that no predictor learns
}

void write_function(InstructionSet instruction_set, SiteForm form, std::uint32_t number, std::uint8_t* at) {
  const std::uint32_t begin = site_offset(instruction_set, number);
  const SiteBytes idle = idle_site(instruction_set, form, begin);
  std::memcpy(at + begin, idle.bytes.data(), idle.length);
  write_return(instruction_set, at + begin + idle.length);
  write_return(instruction_set, at + first_return);
  write_return(instruction_set, at + second_return);
}

PublishedSites::PublishedSites(Engine& engine, SiteForm form, std::span<const Group> groups)
    : instruction_set_(engine.instruction_set()) {
  for (const Group& group : groups) count_ += group.sites;
  memory_ = must(engine.allocate(std::size_t{count_} * stride));
  std::vector<std::array<std::uint32_t, 2>> targets(count_);
  std::vector<NewSite> all;
  all.reserve(count_);
  for (const Group& group : groups) {
    for (std::uint32_t left = group.sites; left != 0; --left) {
      const auto number = static_cast<std::uint32_t>(all.size());
      const std::uint32_t at = number * stride;
      write_function(instruction_set_, form, number, memory_.staging + at);
      targets[number] = {at + first_return, at + second_return};
      all.push_back({group.key,
                     form,
                     static_cast<std::uint32_t>(site(number)),
                     {targets[number].data(), group.key->states() - 1}});
    }
  }
  code_ = must(engine.publish(memory_, all));
  alias_ = detail::code_views(engine).rw + (memory_.rx - detail::code_views(engine).rx);
}

// Into a word of the function that nothing executes: the word is the same everywhere, the cache lines are the sites'.
void PublishedSites::blind_store() const noexcept {
  std::uint64_t word;
  std::memcpy(&word, alias_ + unused_word, sizeof word);
  for (std::uint32_t i = 0; i < count_; ++i) {
    auto* const at = reinterpret_cast<std::uint64_t*>(alias_ + std::size_t{i} * stride + unused_word);
    std::atomic_ref(*at).store(word, std::memory_order_relaxed);  // the floor: no order asked for
  }
}

Program::Program(SiteForm form, std::uint32_t count, const EngineOptions& options)
    : engine(must(Engine::create(options))) {
  const PublishedSites::Group group{&key, count};
  sites = std::make_unique<PublishedSites>(*engine, form, std::span(&group, 1));
  batch = std::make_unique<PatchBatch>(*engine);
}

Program& Program::of(SiteForm form, std::uint32_t count) {
  static std::map<std::pair<SiteForm, std::uint32_t>, std::unique_ptr<Program>> kept;
  std::unique_ptr<Program>& program = kept[{form, count}];
  if (program == nullptr) program = std::make_unique<Program>(form, count);
  return *program;
}

CommitReport Program::flip() {
  batch->set(key, !key.enabled());
  return must(batch->commit());
}

LargeProgram::LargeProgram(std::uint32_t sites) : engine_(must(Engine::create())) {
  std::vector<PublishedSites::Group> groups{{&key_, 1}};
  for (std::uint32_t left = sites - 1; left != 0;) {
    const std::uint32_t some = left < 100 ? left : 100;
    others_.push_back(std::make_unique<StaticKey>("other"));
    groups.push_back({others_.back().get(), some});
    left -= some;
  }
  sites_ = std::make_unique<PublishedSites>(*engine_, SiteForm::AlignedWord, groups);
  batch_ = std::make_unique<PatchBatch>(*engine_);
}

void LargeProgram::flip() {
  batch_->set(key_, !key_.enabled());
  must(batch_->commit());
}

}  // namespace shunt::bench
