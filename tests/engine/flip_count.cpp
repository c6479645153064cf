// What flip_instructions.sh counts the instructions of.
// usage: flip_count one|failed|all KEYS ROUNDS
//   one      flips a key of one site in a program of KEYS other keys
//   failed   the same; each flip's core serialisation fails, and is repeated
//   all      flips all KEYS keys by one batch
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <vector>

#include "engine/patch/engine_parts.h"
#include "shunt/engine.h"

namespace {

using namespace shunt;

constexpr std::uint32_t stride = 16;

class Serialiser final : public detail::CoreSerialiser {
 public:
  explicit Serialiser(const bool& fails) : fails_(fails) {}
  [[nodiscard]] std::string_view name() const noexcept override { return "none"; }
  Status serialise() override {
    if (fails_) return make_error(ErrorCode::SerialisationFailed, "as wanted");
    return Ok{};
  }

 private:
  const bool& fails_;
};

int run(std::string_view mode, std::uint32_t count, int rounds) {
  bool fails = false;
  detail::EngineParts parts{detail::make_host_patcher(), std::make_unique<Serialiser>(fails)};
  auto engine = Engine::create({}, std::move(parts));
  if (!engine) return 3;
  std::vector<std::unique_ptr<StaticKey>> keys;
  std::vector<NewSite> sites;
  const std::uint32_t target = count * stride;
  auto allocation = (*engine)->allocate(target + stride);
  if (!allocation) return 3;
  for (std::uint32_t i = 0; i < count; ++i) {
    keys.push_back(std::make_unique<StaticKey>("key"));
    const SiteBytes idle = idle_site((*engine)->instruction_set(), SiteForm::AlignedWord, i * stride);
    for (unsigned byte = 0; byte < idle.length; ++byte) allocation->staging[i * stride + byte] = idle.bytes[byte];
    sites.push_back({keys.back().get(), SiteForm::AlignedWord, i * stride, {&target, 1}});
  }
  const auto code = (*engine)->publish(*allocation, sites);
  if (!code) return 3;
  PatchBatch batch(**engine);
  for (int round = 0; round < rounds; ++round) {
    const bool on = round % 2 == 0;
    fails = mode == "failed";
    if (mode == "all") {
      for (const auto& key : keys) batch.set(*key, on);
    } else {
      batch.set(*keys[count / 2], on);
    }
    if (batch.commit().has_value() == fails) return 1;
    fails = false;
    if (!(*engine)->resynchronise()) return 1;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  return run(argv[1], static_cast<std::uint32_t>(std::atoi(argv[2])), std::atoi(argv[3]));
}
