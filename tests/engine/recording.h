// An engine whose every step is recorded, for either instruction set on every host: writes go to real (never executed)
// code memory, cache maintenance and core serialisation go to a list alone. A test reads the protocol as that list.
//
//   "check rx+0x40"         the site's expected bytes were compared
//   "store8 rw+0x40"        one store of 8 bytes, at this address of the named mapping
//   "tail4 rw+0x41"         the bytes of a site behind its first, which is a breakpoint
//   "clean rw+0x40" "dsb" "invalidate rx+0x40" "isb"
//   "serialise"
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "arch/backend.h"
#include "engine/patch/engine_parts.h"
#include "engine/patch/protocol.h"
#include "shunt/engine.h"

namespace shunt::test {

using Steps = std::vector<std::string>;

struct Store {
  std::uint64_t offset;  // in code memory
  unsigned size;
  std::uint64_t old_value, new_value;
};

constexpr std::uint64_t reservation = 1 << 20;  // unless a test wants another

struct Recording {
  Steps steps;
  std::vector<Store> stores;
  int failing_serialisations = 0;                  // so many of the next ones fail,
  int failing_after = 0;                           // after so many more that succeed
  std::function<void(std::uint64_t)> after_store;  // is told the offset
  std::function<void()> at_serialisation;          // called once, in the next one
  const std::uint8_t* rx = nullptr;
  const std::uint8_t* rw = nullptr;
  std::uint64_t size = reservation;

  [[nodiscard]] std::string place(const std::uint8_t* address) const {
    const auto view = static_cast<std::uint64_t>(address - rx);
    const auto alias = static_cast<std::uint64_t>(address - rw);
    char text[32];
    std::snprintf(text, sizeof text, view < size ? "rx+0x%lx" : "rw+0x%lx", view < size ? view : alias);
    return text;
  }
  void clear() {
    steps.clear();
    stores.clear();
  }
};

class RecordingWriter {
 public:
  RecordingWriter(std::shared_ptr<Recording> recording, arch::CacheTraits traits)
      : recording_(std::move(recording)), traits_(traits) {}

  void checked(const std::uint8_t* rx) { add("check " + recording_->place(rx)); }
  void store(std::uint8_t* at, unsigned size, std::uint64_t old_value, std::uint64_t new_value) {
    const std::string place = recording_->place(at);
    add("store" + std::to_string(size) + " " + place);
    const bool alias = place[1] == 'w';
    const auto offset = static_cast<std::uint64_t>(at - (alias ? recording_->rw : recording_->rx));
    recording_->stores.push_back({offset, size, old_value, new_value});
    if (alias) std::memcpy(at, &new_value, size);  // the view is not writable
    if (recording_->after_store) recording_->after_store(offset);
  }
  void store_tail(std::uint8_t* at, std::span<const std::uint8_t> bytes) {
    add("tail" + std::to_string(bytes.size()) + " " + recording_->place(at));
    std::memcpy(at, bytes.data(), bytes.size());
  }
  void clean_data_line(const std::uint8_t* at) { add("clean " + recording_->place(at)); }
  void invalidate_instruction_line(const std::uint8_t* at) { add("invalidate " + recording_->place(at)); }
  void data_barrier() { add("dsb"); }
  void instruction_barrier() { add("isb"); }
  [[nodiscard]] arch::CacheTraits cache_traits() const { return traits_; }

 private:
  void add(std::string step) { recording_->steps.push_back(std::move(step)); }
  std::shared_ptr<Recording> recording_;
  arch::CacheTraits traits_;
};

class RecordingSerialiser final : public detail::CoreSerialiser {
 public:
  explicit RecordingSerialiser(std::shared_ptr<Recording> recording) : recording_(std::move(recording)) {}
  [[nodiscard]] std::string_view name() const noexcept override { return "recording"; }
  Status serialise() override {
    recording_->steps.emplace_back("serialise");
    const bool fails = recording_->failing_serialisations != 0 && recording_->failing_after-- <= 0;
    if (fails) {
      recording_->failing_after = 0;
      --recording_->failing_serialisations;
    }
    if (const auto hook = std::exchange(recording_->at_serialisation, nullptr)) hook();
    if (!fails) return Ok{};
    return make_error(ErrorCode::SerialisationFailed, "as the test wants");
  }

 private:
  std::shared_ptr<Recording> recording_;
};

struct RecordingEngine {
  std::shared_ptr<Recording> recording = std::make_shared<Recording>();
  std::unique_ptr<Engine> engine;

  template <class Isa>
  static RecordingEngine make(InstructionSet id, arch::CacheTraits traits, EngineOptions options = {}) {
    RecordingEngine made;
    detail::EngineParts parts;
    parts.patcher =
        std::make_unique<detail::Protocol<Isa, RecordingWriter>>(id, RecordingWriter(made.recording, traits));
    parts.serialiser = std::make_unique<RecordingSerialiser>(made.recording);
    if (options.code_reservation == 0) options.code_reservation = reservation;
    made.recording->size = options.code_reservation;
    auto engine = Engine::create(options, std::move(parts));
    if (!engine) return made;
    made.engine = std::move(*engine);
    // The first allocation of an engine is at its memory's beginning.
    auto first = made.engine->allocate(16);
    made.recording->rx = first->rx;
    made.recording->rw = detail::code_views(*made.engine).rw;
    made.engine->release(*first);
    return made;
  }
  static RecordingEngine x86_64(const EngineOptions& options = {}) {
    return make<arch::x86_64::InstructionSet>(InstructionSet::X86_64, arch::x86_64::cache_traits, options);
  }
  static RecordingEngine arm64(std::uint64_t ctr, const EngineOptions& options = {}) {
    return make<arch::arm64::InstructionSet>(InstructionSet::Arm64, arch::arm64::parse_ctr(ctr), options);
  }
};

}  // namespace shunt::test
