// The engine on an emulator that never executes what is written to code through another mapping (qemu-user 7,
// valgrind without --smc-check=all). To be run there; elsewhere it fails.
#include <gtest/gtest.h>

#include <string>

#include "shunt/engine.h"
#include "shunt/host_site.h"
#include "shunt/shunt.h"
#include "tests/engine/child.h"
#include "tests/engine/flips_under_threads.h"

namespace shunt::test {
namespace {

StaticKey host_key("host");
[[gnu::noinline]] int host_state() {
  return SHUNT_UNLIKELY(host_key) ? 1 : 0;
}

EngineOptions with_writable_code() {
  EngineOptions options;
  options.allow_writable_code = true;
  return options;
}

bool flip(Engine& engine, StaticKey& key, bool on) {
  PatchBatch batch(engine);
  batch.set(key, on);
  const auto report = batch.commit();
  EXPECT_TRUE(report) << report.error().message();
  return report.has_value();
}

TEST(BlindEmulator, GetsNoEngineUnasked) {
  const auto made = Engine::create();
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code(), ErrorCode::AliasWritesNotExecuted);
  EXPECT_EQ(name_of(made.error().code()), "AliasWritesNotExecuted");
  for (const char* remedy : {"qemu-user 10", "--smc-check=all", "EngineOptions::allow_writable_code"})
    EXPECT_NE(made.error().message().find(remedy), std::string::npos) << remedy;
}

TEST(BlindEmulator, GetsNoEngineUnaskedInC) {
  shunt_engine* engine = nullptr;
  EXPECT_EQ(shunt_engine_create(nullptr, &engine), SHUNT_ALIAS_WRITES_NOT_EXECUTED);
  EXPECT_STREQ(shunt_status_name(SHUNT_ALIAS_WRITES_NOT_EXECUTED), "AliasWritesNotExecuted");
  shunt_engine_options options{};
  options.size = sizeof options;
  options.allow_writable_code = 1;
  ASSERT_EQ(shunt_engine_create(&options, &engine), SHUNT_OK) << shunt_error_message();
  shunt_engine_destroy(engine);
}

TEST(BlindEmulator, FlipsInWritableCode) {
  const auto engine = Engine::create(with_writable_code());
  ASSERT_TRUE(engine) << engine.error().message();
  StaticKey key("key");
  const Code code = answering_code(**engine, key);
  for (int i = 1; i < 50; ++i) {
    ASSERT_TRUE(flip(**engine, key, i % 2 == 1));
    ASSERT_EQ(code.entry<int()>()(), i % 2);
  }
  EXPECT_EQ(in_child([&] { return flip(**engine, key, false) && code.entry<int()>()() == 0 ? 0 : 1; }), 0);
  EXPECT_EQ(code.entry<int()>()(), 1) << "the child's flip is seen";
}

TEST(BlindEmulator, FlipsHostSitesInWritableText) {
  const auto engine = Engine::make_process(with_writable_code());
  ASSERT_TRUE(engine) << engine.error().message();
  EXPECT_EQ(host_state(), 0);
  for (int i = 1; i < 20; ++i) {
    ASSERT_TRUE(flip(**engine, host_key, i % 2 == 1));
    ASSERT_EQ(host_state(), i % 2);
  }
  EXPECT_EQ(in_child([&] { return flip(**engine, host_key, false) && host_state() == 0 ? 0 : 1; }), 0);
  EXPECT_EQ(host_state(), 1) << "the child's flip is seen";
}

}  // namespace
}  // namespace shunt::test
