// Code with sites, without a code generator: idle sites at given offsets, the rest filled with one byte.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "engine/patch/engine_parts.h"
#include "shunt/engine.h"

namespace shunt::test {

struct TestSite {
  KeyBase* key;
  SiteForm form;
  std::uint32_t offset;
  std::vector<std::uint32_t> targets;
};

inline void write_code(const Engine& engine, const Engine::Allocation& allocation, const std::vector<TestSite>& sites,
                       std::uint8_t filler = 0x90) {
  std::memset(allocation.staging, filler, allocation.size);
  for (const TestSite& site : sites) {
    const SiteBytes bytes = idle_site(engine.instruction_set(), site.form, site.offset);
    std::memcpy(allocation.staging + site.offset, bytes.bytes.data(), bytes.length);
  }
}

// `size` bytes of code with these sites, written but not published.
inline Engine::Allocation written_code(Engine& engine, std::size_t size, const std::vector<TestSite>& sites,
                                       std::uint8_t filler = 0x90) {
  auto allocation = engine.allocate(size);
  EXPECT_TRUE(allocation);
  write_code(engine, *allocation, sites, filler);
  return *allocation;
}

inline std::vector<NewSite> new_sites(const std::vector<TestSite>& sites) {
  std::vector<NewSite> all;
  for (const TestSite& site : sites) all.push_back({site.key, site.form, site.offset, site.targets});
  return all;
}

inline Result<Code> try_publish(Engine& engine, std::size_t size, const std::vector<TestSite>& sites) {
  return engine.publish(written_code(engine, size, sites), new_sites(sites));
}

inline Code published(Engine& engine, std::size_t size, const std::vector<TestSite>& sites) {
  auto code = try_publish(engine, size, sites);
  EXPECT_TRUE(code) << (code ? "" : code.error().message());
  return code ? std::move(*code) : Code();
}

// Where code that stands can be damaged.
inline std::uint8_t* alias_of(const Engine& engine, const Code& code) {
  const detail::CodeViews views = detail::code_views(engine);
  return views.rw + (code.data() - views.rx);
}

inline CommitReport committed(PatchBatch& batch) {
  auto report = batch.commit();
  EXPECT_TRUE(report) << (report ? "" : report.error().message());
  return report ? *report : CommitReport{};
}

}  // namespace shunt::test
