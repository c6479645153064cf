// A program for callgrind to count: commits of one key, with a flip log that was never on, that is off, or that is on.
//
//   usage: counted_commits never|off|on SITES COMMITS
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

#include "shunt/engine.h"

namespace {

using namespace std::string_view_literals;

template <class T>
T must(shunt::Result<T> result) {
  if (result) return std::move(*result);
  std::fprintf(stderr, "%s\n", result.error().message().c_str());
  std::exit(1);
}

shunt::Code code_with_sites(shunt::Engine& engine, shunt::StaticKey& key, std::uint32_t count) {
  const std::uint32_t target = 16 * count;
  const auto code = must(engine.allocate(target + 16));
  std::memset(code.staging, 0, code.size);
  std::vector<shunt::NewSite> sites;
  for (std::uint32_t i = 0; i < count; ++i) {
    const shunt::SiteBytes bytes = shunt::idle_site(engine.instruction_set(), shunt::SiteForm::AlignedWord, 16 * i);
    std::memcpy(code.staging + 16 * i, bytes.bytes.data(), bytes.length);
    sites.push_back({&key, shunt::SiteForm::AlignedWord, 16 * i, {&target, 1}});
  }
  return must(engine.publish(code, sites));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const std::string_view mode = argv[1];
  const auto engine = must(shunt::Engine::create({.code_reservation = 1 << 24}));
  shunt::StaticKey key("counted");
  const shunt::Code code = code_with_sites(*engine, key, static_cast<std::uint32_t>(std::atoi(argv[2])));
  if (mode != "never"sv) must(engine->start_flip_log(64));
  if (mode == "off"sv) must(engine->stop_flip_log());
  shunt::PatchBatch batch(*engine);
  for (int i = 0; i < std::atoi(argv[3]); ++i) {
    batch.set(key, i % 2 == 0);
    must(batch.commit());
  }
}
