// An engine whose core serialisation counts and can fail, and code that is nothing but patch sites, for tests of what a
// flag set commits. The code is never executed: what its sites would do is read from the engine.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "arch/backend.h"
#include "engine/patch/engine_parts.h"
#include "shunt/engine.h"

namespace shunt::flags {

struct SerialiserSwitch {
  int calls = 0;
  bool fails = false;
  std::function<void()> before;  // called first, when the sites are written
};

class SwitchedSerialiser final : public detail::CoreSerialiser {
 public:
  explicit SwitchedSerialiser(SerialiserSwitch& control) : control_(control) {}
  [[nodiscard]] std::string_view name() const noexcept override { return "counting"; }
  Status serialise() override {
    ++control_.calls;
    if (control_.before) control_.before();
    if (control_.fails) return make_error(ErrorCode::SerialisationFailed, "switched to fail");
    return Ok{};
  }

 private:
  SerialiserSwitch& control_;
};

class EngineWithSites {
 public:
  // `flip_limit`: by `now_ns`, and promoted by nobody but promote_calm_keys().
  explicit EngineWithSites(std::uint32_t flip_limit = 0) {
    detail::EngineParts parts;
    parts.clock = []() noexcept { return now_ns; };
    parts.watches_demoted_keys = false;
    parts.patcher = detail::make_host_patcher();
    parts.serialiser = std::make_unique<SwitchedSerialiser>(serialiser);
    Result<std::unique_ptr<Engine>> made =
        Engine::create({.code_reservation = std::size_t{1} << 20, .flip_limit = flip_limit}, std::move(parts));
    if (!made) ADD_FAILURE() << made.error().message();
    if (made) engine_ = std::move(*made);
  }

  Engine& engine() { return *engine_; }

  // Code with one site of `key`.
  Code site_of(KeyBase& key) {
    using arch::HostInstructionSet;
    constexpr std::size_t size = 256;
    Result<Engine::Allocation> memory = engine_->allocate(size);
    EXPECT_TRUE(memory);
    HostInstructionSet::fill_with_traps({memory->staging, size});
    const auto address = reinterpret_cast<std::uintptr_t>(memory->rx);
    const arch::SiteBytes off = HostInstructionSet::encode(arch::SiteForm::AlignedWord, address, {false, 0});
    std::copy_n(off.bytes.begin(), off.length, memory->staging);
    const bool demotable = key.kind() == KeyKind::Demotable;
    std::vector<std::uint32_t> targets;
    for (unsigned state = 1; state < key.states(); ++state)
      targets.push_back(demotable && state >= key.states() / 2 ? stub : 64 * state);
    const NewSite site{&key, SiteForm::AlignedWord, 0, targets};
    Result<Code> code = engine_->publish(*memory, {&site, 1});
    EXPECT_TRUE(code) << code.error().message();
    return std::move(*code);
  }

  // Where the site of a demoted key leads.
  static constexpr std::uint32_t stub = 192;

  // The state that the site's bytes are in, by what stands in memory; of a demoted key the first of those.
  unsigned state_in_memory(const Code& code) {
    const SiteInfo site = engine_->sites(code).at(0);
    for (unsigned state = 0; state <= site.targets.size(); ++state) {
      if (engine_->instruction_now(site) == engine_->instruction(site, state)) return state;
    }
    ADD_FAILURE() << "neither state: " << engine_->instruction_now(site);
    return ~0U;
  }

  SerialiserSwitch serialiser;
  static inline std::uint64_t now_ns = 0;

 private:
  std::unique_ptr<Engine> engine_;
};

}  // namespace shunt::flags
