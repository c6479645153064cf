// Veneers for branches to what lies beyond their reach in a large code reservation: exact ranges, steps and counts, on
// the recording arm64 engine. Executed: far_code_test.cpp.
#include "engine/patch/veneers.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "shunt/static_call.h"
#include "tests/engine/arm64/host_code.h"
#include "tests/engine/placed_code.h"
#include "tests/engine/recording.h"
#include "tests/engine/test_code.h"

namespace shunt::test {
namespace {

constexpr std::int64_t reach = 128 * std::int64_t{MiB};  // of B and BL: [-reach, reach)

class Arm64Veneers : public testing::Test {
 protected:
  Engine& engine() { return *made_.engine; }
  const std::uint8_t* at(std::int64_t offset) { return made_.recording->rx + offset; }
  std::int64_t offset_of(const std::uint8_t* address) { return address - made_.recording->rx; }
  Code code_at(std::uint32_t offset, const std::vector<TestSite>& sites = {}, std::size_t size = 128) {
    const Engine::Allocation allocation = allocated_at(engine(), offset, size);
    write_code(engine(), allocation, sites);
    auto code = engine().publish(allocation, new_sites(sites));
    EXPECT_TRUE(code) << (code ? "" : code.error().message());
    return code ? std::move(*code) : Code();
  }
  SiteInfo site(const Code& code) { return engine().sites(code).at(0); }
  std::uint32_t word_at(const std::uint8_t* address) {
    std::uint32_t word;
    std::memcpy(&word, made_.recording->rw + offset_of(address), sizeof word);
    return word;
  }
  template <class Key>
  Result<CommitReport> retarget(Key& key, const Code& code, const std::uint8_t* target, unsigned state = 1) {
    PatchBatch batch(engine());
    batch.retarget(key, code.data(), state, target);
    return batch.commit();
  }

  // The site branches to `target` itself, or to a veneer that goes there.
  void expect_way(const SiteInfo& site, const std::uint8_t* target, bool direct, std::uint32_t opcode) {
    EXPECT_EQ(site.targets[0], target);
    const std::uint8_t* const branch = site.branches[0];
    const auto field = arch::arm64::branch_field(offset_of(site.address), offset_of(branch));
    ASSERT_TRUE(field) << "the branch itself is out of reach";
    EXPECT_EQ(word_at(site.address), opcode | *field);
    EXPECT_EQ(branch == target, direct);
    if (branch == target) return;
    const arch::SiteBytes bytes =
        arch::arm64::veneer(reinterpret_cast<std::uintptr_t>(branch), reinterpret_cast<std::uintptr_t>(target));
    EXPECT_EQ(std::memcmp(branch, bytes.bytes.data(), bytes.length), 0);
  }

  RecordingEngine made_ = RecordingEngine::arm64(0x8444C004, large_reservation);  // neither IDC nor DIC
  StaticKey key_{"key"};
};

struct Distance {
  std::int64_t bytes;
  bool direct;
};
constexpr Distance distances[] = {{reach - 4, true},
                                  {reach, false},
                                  {reach + 4, false},
                                  {-reach + 4, true},
                                  {-reach, true},
                                  {-reach - 4, false},
                                  {300 * std::int64_t{MiB}, false},
                                  {-190 * std::int64_t{MiB}, false}};

TEST_F(Arm64Veneers, BeginWhereReachEnds) {
  constexpr std::uint32_t place = 192 * MiB;
  StaticKey redirected("redirected");
  StaticCall<void()> call("call");
  const Code branch = code_at(place, {{&key_, SiteForm::AlignedWord, 0, {64}}});
  const Code redirect = code_at(place + 256, {{&redirected, SiteForm::Redirect, 0, {32, 64}}});
  const Code caller = code_at(place + 512, {{&call, SiteForm::Call, 0, {}}});
  PatchBatch batch(engine());
  batch.enable(key_);
  committed(batch);
  for (const Distance& distance : distances) {
    SCOPED_TRACE(distance.bytes);
    const std::uint8_t* target = at(place + distance.bytes);
    ASSERT_TRUE(retarget(key_, branch, target));
    expect_way(site(branch), target, distance.direct, arch::arm64::b_opcode);
    target += 256;
    ASSERT_TRUE(retarget(redirected, redirect, target, 0));
    expect_way(site(redirect), target, distance.direct, arch::arm64::b_opcode);
    target += 256;
    batch.set(call, reinterpret_cast<void (*)()>(reinterpret_cast<std::uintptr_t>(target)));
    committed(batch);
    expect_way(site(caller), target, distance.direct, arch::arm64::bl_opcode);
    batch.clear(call);
    committed(batch);
    EXPECT_EQ(word_at(caller.data()), arch::arm64::nop_word);
  }
}

TEST_F(Arm64Veneers, AreMaintainedBeforeABranchLeadsToThem) {
  const Code code = code_at(192 * MiB, {{&key_, SiteForm::AlignedWord, 0, {64}}});
  PatchBatch batch(engine());
  batch.enable(key_);
  committed(batch);
  made_.recording->clear();
  ASSERT_TRUE(retarget(key_, code, at(0)));
  const std::uint8_t* const veneer = site(code).branches[0];
  const std::string line = made_.recording->place(veneer - offset_of(veneer) % 64).substr(2);
  EXPECT_EQ(made_.recording->steps, (Steps{"clean rw" + line, "dsb", "invalidate rx" + line, "dsb", "isb",  //
                                           "check rx+0xc000000", "store4 rw+0xc000000", "clean rw+0xc000000", "dsb",
                                           "invalidate rx+0xc000000", "dsb", "isb", "serialise"}));
  made_.recording->clear();
  const Code second = code_at(192 * MiB + 256, {{&key_, SiteForm::AlignedWord, 0, {64}}});
  made_.recording->clear();
  ASSERT_TRUE(retarget(key_, second, at(0)));
  EXPECT_EQ(site(second).branches, site(code).branches) << "there is one already";
  EXPECT_EQ(made_.recording->steps.front(), "check rx+0xc000100");
}

TEST_F(Arm64Veneers, AreSharedByAStretchOfCode) {
  StaticCall<void()> call("call");
  std::vector<Code> callers;
  for (const std::uint32_t place : {256, 257, 287, 288, 300, 384}) {
    callers.push_back(code_at(place * MiB, {{&call, SiteForm::Call, 8, {}}}));
  }
  PatchBatch batch(engine());
  batch.set(call, reinterpret_cast<void (*)()>(reinterpret_cast<std::uintptr_t>(at(0))));
  committed(batch);
  EXPECT_EQ(veneers(engine()), 3U) << "for 256 to 288 MiB, 288 to 320, 384 to 416";
  for (const Code& caller : callers) expect_way(site(caller), at(0), false, arch::arm64::bl_opcode);
  const Code later = code_at(260 * MiB, {{&call, SiteForm::Call, 8, {}}});
  EXPECT_EQ(site(later).branches, site(callers[0]).branches) << "new code finds it, too";
  EXPECT_EQ(veneers(engine()), 3U);
}

TEST_F(Arm64Veneers, EndWithWhatTheyLeadTo) {
  StaticCall<void()> call("call");
  const Code site_code = code_at(192 * MiB, {{&key_, SiteForm::AlignedWord, 0, {64}}});
  const Code caller = code_at(192 * MiB + 256, {{&call, SiteForm::Call, 8, {}}});
  PatchBatch batch(engine());
  batch.enable(key_);
  batch.clear(call);  // makes the trampoline
  committed(batch);
  const std::uint64_t before = free_bytes(engine());
  for (int round = 0; round < 100; ++round) {
    std::optional<Code> target(code_at(0));
    batch.retarget(key_, site_code.data(), 1, target->data() + 4 * (round % 8));
    batch.set(call, target->entry<void()>(32 + round % 4 * 4));
    committed(batch);
    EXPECT_EQ(veneers(engine()), 2U) << "for the site, and for the call's sites";
    const std::uint8_t* const veneer = site(site_code).branches[0];
    batch.retarget(key_, site_code.data(), 1, site_code.data() + 64);
    batch.clear(call);
    committed(batch);
    EXPECT_EQ(veneers(engine()), 2U) << "a thread may stand in it, on its way to code that stands";
    EXPECT_FALSE(arm64::traps(veneer));
    target.reset();
    EXPECT_EQ(veneers(engine()), 0U);
    EXPECT_TRUE(arm64::traps(veneer));
    EXPECT_EQ(free_bytes(engine()), before);
  }
}

TEST_F(Arm64Veneers, ServeAllCodeThatComesAndGoes) {
  const Code target = code_at(0);
  StaticCall<void()> call("call");
  PatchBatch batch(engine());
  batch.set(call, target.entry<void()>());
  committed(batch);
  EXPECT_EQ(veneers(engine()), 0U);
  std::optional<std::uint64_t> after_first;
  for (int round = 0; round < 100; ++round) {
    const Code caller = code_at(192 * MiB, {{&call, SiteForm::Call, 8, {}}});
    EXPECT_EQ(veneers(engine()), 1U);
    if (!after_first) after_first = free_bytes(engine());
    EXPECT_EQ(free_bytes(engine()), *after_first);
  }
  StaticSwitch choice("choice", 3);
  const Code site_code = code_at(192 * MiB, {{&choice, SiteForm::AlignedWord, 0, {32, 64}}});
  for (int round = 0; round < 10; ++round) {
    batch.retarget(choice, site_code.data(), 1, target.data() + 32);
    batch.retarget(choice, site_code.data(), 2, at(2));  // no instruction begins there
    ASSERT_FALSE(batch.commit());
    EXPECT_EQ(veneers(engine()), 2U) << "one for all batches that are refused";
    EXPECT_EQ(site(site_code).targets[0], site_code.data() + 32);
  }
}

TEST_F(Arm64Veneers, AreSeenThroughForTheOldPath) {
  const Code site_code = code_at(192 * MiB, {{&key_, SiteForm::AlignedWord, 0, {64}}});
  const Code target = code_at(0);
  ASSERT_TRUE(retarget(key_, site_code, target.data()));
  PatchBatch batch(engine());
  batch.enable(key_);
  committed(batch);
  auto thread = Thread::attach(engine(), {"caller", {}});
  ASSERT_TRUE(thread);
  const GuestScope guest(*thread, nullptr);
  const HostScope host(*thread, GuestFrame{target.data() + 8, nullptr, nullptr});
  batch.disable(key_);
  const auto report = batch.commit_and_drain(std::chrono::minutes(10));
  ASSERT_FALSE(report) << "the caller stands where the veneer leads";
  EXPECT_EQ(report.error().code(), ErrorCode::InsideOldPath);
}

TEST_F(Arm64Veneers, HaveRoomInCodeThatIsPackedFromEndToEnd) {
  const Code code = published(engine(), 128, {{&key_, SiteForm::AlignedWord, 0, {64}}});
  ASSERT_EQ(code.data(), at(0));
  const std::uint64_t before = free_bytes(engine());
  constexpr std::uint32_t piece = 32 * MiB - detail::CodeSpace::kept_length;
  std::vector<Engine::Allocation> packed = {*engine().allocate(piece - 128)};
  for (int i = 0; i < 15; ++i) packed.push_back(*engine().allocate(piece));
  PatchBatch batch(engine());
  for (std::uint32_t i = 0; i < 16; ++i) batch.retarget(key_, code.data(), 1, at(400 * MiB + 4 * i));
  batch.enable(key_);
  committed(batch);
  EXPECT_EQ(veneers(engine()), 16U);
  expect_way(site(code), at(400 * MiB + 60), false, arch::arm64::b_opcode);
  for (const Engine::Allocation& allocation : packed) engine().release(allocation);
  EXPECT_EQ(free_bytes(engine()) + 16 * 16, before);
}

TEST_F(Arm64Veneers, WithinOnePieceNeedRoomWithinReach) {
  made_ = RecordingEngine::arm64(0xB444C004, large_reservation);  // IDC and DIC: else millions of lines are recorded
  constexpr auto size = static_cast<std::uint32_t>(reach + 64);
  const std::vector<TestSite> sites = {{&key_, SiteForm::AlignedWord, 0, {static_cast<std::uint32_t>(reach)}}};
  const auto refused = try_publish(engine(), size, sites);
  ASSERT_FALSE(refused) << "the piece fills all that the site reaches";
  EXPECT_EQ(refused.error().code(), ErrorCode::TargetOutOfRange);
  EXPECT_NE(refused.error().message().find("at code offset 0 does not reach 134217728, and a veneer finds no room"),
            std::string::npos)
      << refused.error().message();
  EXPECT_EQ(veneers(engine()), 0U);
  const std::uint64_t before = free_bytes(engine());
  {
    const Engine::Allocation first = *engine().allocate(64);
    const Engine::Allocation allocation = written_code(engine(), size, sites);
    ASSERT_EQ(allocation.rx, at(64));
    engine().release(first);
    const auto result = engine().publish(allocation, new_sites(sites));
    ASSERT_TRUE(result) << result.error().message();
    const Code& code = *result;
    EXPECT_EQ(site(code).targets[0], at(64 + reach));
    EXPECT_EQ(site(code).branches[0], at(0)) << "in front of the piece";
    PatchBatch batch(engine());
    batch.enable(key_);
    committed(batch);
    expect_way(site(code), at(64 + reach), false, arch::arm64::b_opcode);
  }
  EXPECT_EQ(veneers(engine()), 0U);
  EXPECT_EQ(free_bytes(engine()), before);
}

TEST_F(Arm64Veneers, LeadToInstructionsAlone) {
  const Code code = code_at(192 * MiB, {{&key_, SiteForm::AlignedWord, 0, {64}}});
  const auto refused = retarget(key_, code, at(2));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::TargetOutOfRange);
  EXPECT_EQ(veneers(engine()), 0U);
}

TEST(Arm64Reservation, OfTheDefaultSizeNeedsNoVeneers) {
  const auto needed = [](std::size_t size) {
    EngineOptions options;
    options.code_reservation = size;
    RecordingEngine made = RecordingEngine::arm64(0xB444C004, options);
    return detail::EngineInside::of(*made.engine).veneers.needed();
  };
  EXPECT_FALSE(needed(128 * std::size_t{MiB}));
  EXPECT_TRUE(needed(129 * std::size_t{MiB}));
}

}  // namespace
}  // namespace shunt::test
