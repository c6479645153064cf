// The C interface, used as C uses it.
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <future>
#include <string>
#include <vector>

#include "shunt/engine.h"
#include "shunt/error.h"
#include "shunt/shunt.h"
#include "tests/engine/test_code.h"

namespace shunt {
namespace {

class CApi : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(shunt_engine_create(nullptr, &engine), SHUNT_OK) << shunt_error_message();
    ASSERT_EQ(shunt_key_create("key", 2, &key), SHUNT_OK);
  }
  void TearDown() override {
    shunt_code_destroy(code);
    shunt_engine_destroy(engine);
    shunt_key_destroy(key);
  }

  // A function with one site of `of`: returns 0, or the number of the target that the site branches to.
  shunt_status publish(shunt_key* of, std::uint32_t form, unsigned targets);

  int call() const {
    int (*function)() = nullptr;
    const void* const entry = shunt_code_address(code, 0);
    std::memcpy(&function, &entry, sizeof function);
    return function();
  }

  shunt_engine* engine = nullptr;
  shunt_key* key = nullptr;
  shunt_code* code = nullptr;
};

std::vector<std::uint8_t> return_value(shunt_instruction_set set, std::uint8_t value) {
  if (set == SHUNT_X86_64) return {0xb8, value, 0, 0, 0, 0xc3};
  std::vector<std::uint8_t> bytes(8);
  const std::array<std::uint32_t, 2> words{0x52800000U | std::uint32_t{value} << 5, 0xd65f03c0U};
  std::memcpy(bytes.data(), words.data(), bytes.size());
  return bytes;
}

shunt_status CApi::publish(shunt_key* of, std::uint32_t form, unsigned targets) {
  shunt_allocation memory{};
  if (const shunt_status status = shunt_allocate(engine, 256, &memory); status != SHUNT_OK) return status;
  const shunt_site_bytes site = shunt_idle_site(engine, SHUNT_ALIGNED_WORD, 0);
  std::memcpy(memory.staging, site.bytes, site.length);
  std::uint32_t end = site.length;
  std::vector<std::uint32_t> places;
  for (unsigned value = 0; value <= targets; ++value) {
    if (value != 0) places.push_back(end);
    const std::vector<std::uint8_t> body = return_value(shunt_engine_instruction_set(engine), value);
    std::memcpy(memory.staging + end, body.data(), body.size());
    end += static_cast<std::uint32_t>(body.size());
  }
  const shunt_new_site wanted{of, form, 0, places.data(), places.size()};
  return shunt_publish(engine, &memory, &wanted, 1, &code);
}

TEST_F(CApi, AFlipIsExecuted) {
  ASSERT_EQ(publish(key, SHUNT_ALIGNED_WORD, 1), SHUNT_OK) << shunt_error_message();
  EXPECT_EQ(call(), 0);
  shunt_commit_report report{};
  report.size = sizeof report;
  ASSERT_EQ(shunt_set(engine, key, 1, &report), SHUNT_OK) << shunt_error_message();
  EXPECT_EQ(call(), 1);
  EXPECT_EQ(shunt_key_state(key), 1U);
  EXPECT_EQ(report.sites_written, 1U);
  EXPECT_EQ(report.serialisations, 1U);
  EXPECT_STREQ(report.mechanism, "membarrier");
}

TEST_F(CApi, ABatchSetsSeveralKeysWithOneSerialisation) {
  shunt_key* wide = nullptr;
  ASSERT_EQ(shunt_key_create("wide", 4, &wide), SHUNT_OK);
  ASSERT_EQ(publish(wide, SHUNT_ALIGNED_WORD, 3), SHUNT_OK) << shunt_error_message();
  shunt_batch* batch = nullptr;
  ASSERT_EQ(shunt_batch_create(engine, &batch), SHUNT_OK);
  EXPECT_EQ(shunt_batch_set(batch, wide, 1), SHUNT_OK);
  EXPECT_EQ(shunt_batch_set(batch, key, 1), SHUNT_OK);
  EXPECT_EQ(shunt_batch_set(batch, wide, 3), SHUNT_OK);  // the last call wins
  shunt_commit_report report{};
  report.size = sizeof report;
  ASSERT_EQ(shunt_batch_commit(batch, &report), SHUNT_OK) << shunt_error_message();
  EXPECT_EQ(report.serialisations, 1U);
  EXPECT_EQ(call(), 3);
  EXPECT_EQ(shunt_key_state(wide), 3U);
  EXPECT_EQ(shunt_key_state(key), 1U);
  shunt_batch_destroy(batch);
  shunt_code_destroy(code);
  code = nullptr;
  shunt_key_destroy(wide);
}

TEST_F(CApi, ARetargetIsExecuted) {
  ASSERT_EQ(publish(key, SHUNT_ALIGNED_WORD, 1), SHUNT_OK);
  ASSERT_EQ(shunt_set(engine, key, 1, nullptr), SHUNT_OK);
  shunt_batch* batch = nullptr;
  ASSERT_EQ(shunt_batch_create(engine, &batch), SHUNT_OK);
  const shunt_site_bytes site = shunt_idle_site(engine, SHUNT_ALIGNED_WORD, 0);
  ASSERT_EQ(shunt_batch_retarget(batch, key, shunt_code_address(code, 0), 1, shunt_code_address(code, site.length)),
            SHUNT_OK);
  ASSERT_EQ(shunt_batch_commit(batch, nullptr), SHUNT_OK) << shunt_error_message();
  EXPECT_EQ(call(), 0);  // where it would have fallen through to
  shunt_batch_destroy(batch);
}

TEST_F(CApi, ErrorsHaveAStatusAndALineForPeople) {
  ASSERT_EQ(publish(key, SHUNT_ALIGNED_WORD, 1), SHUNT_OK);
  EXPECT_EQ(shunt_set(engine, key, 2, nullptr), SHUNT_INVALID_ARGUMENT);
  EXPECT_STREQ(shunt_error_message(), "key \"key\" has 2 states; 2 is none of them");
  EXPECT_STREQ(shunt_status_name(SHUNT_INVALID_ARGUMENT), "InvalidArgument");

  shunt_engine* other = nullptr;
  ASSERT_EQ(shunt_engine_create(nullptr, &other), SHUNT_OK);
  EXPECT_EQ(shunt_set(other, key, 1, nullptr), SHUNT_KEY_BELONGS_TO_OTHER_ENGINE);
  shunt_engine_destroy(other);

  shunt_engine_options options{sizeof options, 1};
  EXPECT_EQ(shunt_engine_create(&options, &other), SHUNT_INVALID_ARGUMENT);
  shunt_key* none = nullptr;
  EXPECT_EQ(shunt_key_create("one", 1, &none), SHUNT_INVALID_ARGUMENT);
  EXPECT_EQ(shunt_key_create("many", 257, &none), SHUNT_INVALID_ARGUMENT);
  EXPECT_EQ(none, nullptr);
}

TEST_F(CApi, NullHandlesAreErrorsAndMayBeDestroyed) {
  shunt_allocation memory{};
  EXPECT_EQ(shunt_engine_process(nullptr), SHUNT_INVALID_ARGUMENT);
  EXPECT_EQ(shunt_engine_create(nullptr, nullptr), SHUNT_INVALID_ARGUMENT);
  EXPECT_EQ(shunt_engine_resynchronise(nullptr), SHUNT_INVALID_ARGUMENT);
  EXPECT_EQ(shunt_allocate(nullptr, 1, &memory), SHUNT_INVALID_ARGUMENT);
  EXPECT_EQ(shunt_allocate(engine, 1, nullptr), SHUNT_INVALID_ARGUMENT);
  EXPECT_EQ(shunt_publish(engine, nullptr, nullptr, 0, &code), SHUNT_INVALID_ARGUMENT);
  EXPECT_EQ(shunt_key_create(nullptr, 2, &key), SHUNT_INVALID_ARGUMENT);
  EXPECT_EQ(shunt_batch_create(nullptr, nullptr), SHUNT_INVALID_ARGUMENT);
  EXPECT_EQ(shunt_batch_set(nullptr, key, 0), SHUNT_INVALID_ARGUMENT);
  EXPECT_EQ(shunt_batch_commit(nullptr, nullptr), SHUNT_INVALID_ARGUMENT);
  EXPECT_EQ(shunt_set(nullptr, key, 1, nullptr), SHUNT_INVALID_ARGUMENT);
  EXPECT_EQ(shunt_code_address(nullptr, 0), nullptr);
  EXPECT_EQ(shunt_code_size(nullptr), 0U);
  shunt_engine_destroy(nullptr);
  shunt_key_destroy(nullptr);
  shunt_batch_destroy(nullptr);
  shunt_code_destroy(nullptr);
}

TEST_F(CApi, ASiteWithoutAKeyOrFormIsRefused) {
  EXPECT_EQ(publish(nullptr, SHUNT_ALIGNED_WORD, 1), SHUNT_INVALID_ARGUMENT);
  EXPECT_NE(std::string(shunt_error_message()).find("no key"), std::string::npos);
  EXPECT_EQ(publish(key, 77, 1), SHUNT_INVALID_ARGUMENT);
  EXPECT_EQ(publish(key, SHUNT_ALIGNED_WORD, 2), SHUNT_INVALID_ARGUMENT);  // one target too many
  EXPECT_EQ(code, nullptr);
}

TEST_F(CApi, AnOlderCallerGetsThePartOfAReportThatItKnows) {
  struct {
    shunt_commit_report report;
    std::uint8_t behind;
  } room;
  std::memset(&room, 0xEE, sizeof room);
  room.report.size = offsetof(shunt_commit_report, generation);
  ASSERT_EQ(publish(key, SHUNT_ALIGNED_WORD, 1), SHUNT_OK);
  ASSERT_EQ(shunt_set(engine, key, 1, &room.report), SHUNT_OK);
  EXPECT_EQ(room.report.sites_written, 1U);
  EXPECT_EQ(room.report.size, offsetof(shunt_commit_report, generation));
  EXPECT_EQ(room.report.generation, 0xEEEEEEEEEEEEEEEEU);
}

TEST_F(CApi, ATicketIsCompletedByWhoWaitsOrByTheEnginesThread) {
  ASSERT_EQ(publish(key, SHUNT_ALIGNED_WORD, 1), SHUNT_OK);
  shunt_batch* batch = nullptr;
  ASSERT_EQ(shunt_batch_create(engine, &batch), SHUNT_OK);
  ASSERT_EQ(shunt_batch_set(batch, key, 1), SHUNT_OK);
  shunt_ticket* ticket = nullptr;
  ASSERT_EQ(shunt_batch_commit_async(batch, SHUNT_SYNCED, &ticket), SHUNT_OK) << shunt_error_message();
  shunt_commit_report report{};
  report.size = sizeof report;
  ASSERT_EQ(shunt_ticket_wait(ticket, &report), SHUNT_OK) << shunt_error_message();
  EXPECT_EQ(shunt_ticket_is_complete(ticket), 1);
  EXPECT_EQ(report.sites_written, 1U);
  EXPECT_EQ(call(), 1);

  std::promise<shunt_status> verdict;
  const auto tell = [](void* to, shunt_status status, const shunt_commit_report*) {
    static_cast<std::promise<shunt_status>*>(to)->set_value(status);
  };
  ASSERT_EQ(shunt_ticket_then(ticket, tell, &verdict), SHUNT_OK);
  EXPECT_EQ(verdict.get_future().get(), SHUNT_OK);
  shunt_ticket_destroy(ticket);

  EXPECT_EQ(shunt_batch_set(batch, key, 2), SHUNT_INVALID_ARGUMENT);  // no such state
  ASSERT_EQ(shunt_key_acquire(engine, key), SHUNT_OK);
  ASSERT_EQ(shunt_batch_set(batch, key, 0), SHUNT_OK);
  ASSERT_EQ(shunt_batch_commit_async(batch, SHUNT_SYNCED, &ticket), SHUNT_OK);
  EXPECT_EQ(shunt_ticket_wait(ticket, nullptr), SHUNT_KEY_HELD);
  shunt_ticket_destroy(ticket);
  shunt_batch_destroy(batch);
}

TEST_F(CApi, ACommitWaitsForWhatIsWanted) {
  ASSERT_EQ(publish(key, SHUNT_ALIGNED_WORD, 1), SHUNT_OK);
  shunt_batch* batch = nullptr;
  ASSERT_EQ(shunt_batch_create(engine, &batch), SHUNT_OK);
  unsigned state = 0;
  for (const shunt_visibility wanted : {SHUNT_SYNCED, SHUNT_SETTLED, SHUNT_DRAINED}) {
    state = 1 - state;
    ASSERT_EQ(shunt_batch_set(batch, key, state), SHUNT_OK);
    if (wanted == SHUNT_DRAINED) {
      ASSERT_EQ(shunt_batch_old_path(batch, shunt_code_address(code, 0), shunt_code_size(code)), SHUNT_OK);
    }
    EXPECT_EQ(shunt_batch_commit_until(batch, wanted, SHUNT_NO_LIMIT, nullptr), SHUNT_OK) << shunt_error_message();
    EXPECT_EQ(call(), static_cast<int>(state));
  }
  EXPECT_EQ(shunt_batch_commit_until(batch, SHUNT_WRITTEN, SHUNT_NO_LIMIT, nullptr), SHUNT_INVALID_ARGUMENT);

  // A caller that is in guest code itself: nothing is written.
  shunt_thread* thread = nullptr;
  shunt_scope guest;
  ASSERT_EQ(shunt_thread_attach(engine, nullptr, &thread), SHUNT_OK);
  shunt_guest_begin(thread, &guest, __builtin_frame_address(0));
  ASSERT_EQ(shunt_batch_set(batch, key, 1 - state), SHUNT_OK);
  EXPECT_EQ(shunt_batch_commit_until(batch, SHUNT_SETTLED, SHUNT_NO_LIMIT, nullptr), SHUNT_INVALID_ARGUMENT);
  EXPECT_EQ(call(), static_cast<int>(state));
  shunt_guest_end(&guest);
  shunt_thread_detach(thread);
  shunt_batch_destroy(batch);
}

TEST_F(CApi, ReferencesAreCounted) {
  ASSERT_EQ(publish(key, SHUNT_ALIGNED_WORD, 1), SHUNT_OK);
  EXPECT_EQ(shunt_key_release(engine, key), SHUNT_KEY_NOT_HELD);
  ASSERT_EQ(shunt_key_acquire(engine, key), SHUNT_OK) << shunt_error_message();
  ASSERT_EQ(shunt_key_acquire(engine, key), SHUNT_OK);
  EXPECT_EQ(call(), 1);
  EXPECT_EQ(shunt_set(engine, key, 0, nullptr), SHUNT_KEY_HELD);
  ASSERT_EQ(shunt_key_release(engine, key), SHUNT_OK);
  EXPECT_EQ(call(), 1);
  ASSERT_EQ(shunt_key_release(engine, key), SHUNT_OK);
  EXPECT_EQ(call(), 0);
}

TEST_F(CApi, AnAssumptionBreaksOnce) {
  shunt_key* fact = nullptr;
  ASSERT_EQ(shunt_assumption_create("fact", &fact), SHUNT_OK);
  ASSERT_EQ(publish(fact, SHUNT_ALIGNED_WORD, 1), SHUNT_OK) << shunt_error_message();
  EXPECT_EQ(call(), 0);
  EXPECT_EQ(shunt_set(engine, fact, 1, nullptr), SHUNT_INVALID_ARGUMENT);
  shunt_batch* batch = nullptr;
  ASSERT_EQ(shunt_batch_create(engine, &batch), SHUNT_OK);
  EXPECT_EQ(shunt_batch_invalidate(batch, key), SHUNT_INVALID_ARGUMENT);
  ASSERT_EQ(shunt_batch_invalidate(batch, fact), SHUNT_OK);
  ASSERT_EQ(shunt_batch_commit(batch, nullptr), SHUNT_OK) << shunt_error_message();
  EXPECT_EQ(call(), 1);
  EXPECT_EQ(shunt_key_state(fact), 1U);
  shunt_code_destroy(code);
  code = nullptr;
  EXPECT_EQ(publish(fact, SHUNT_ALIGNED_WORD, 1), SHUNT_ASSUMPTION_BROKEN);
  shunt_batch_destroy(batch);
  shunt_key_destroy(fact);
}

int one() {
  return 1;
}
int two() {
  return 2;
}

TEST_F(CApi, ACallGoesToTheFunctionThatItWasSetTo) {
  const auto function = [](int (*of)()) { return reinterpret_cast<shunt_function>(of); };
  const auto result = [](const shunt_key* of) { return reinterpret_cast<int (*)()>(shunt_call_entry(of))(); };
  shunt_key* replaced = nullptr;
  ASSERT_EQ(shunt_call_create("replaced", function(&one), &replaced), SHUNT_OK);
  EXPECT_EQ(result(replaced), 1);
  shunt_batch* batch = nullptr;
  ASSERT_EQ(shunt_batch_create(engine, &batch), SHUNT_OK);
  ASSERT_EQ(shunt_batch_set_call(batch, replaced, function(&two)), SHUNT_OK);
  ASSERT_EQ(shunt_batch_commit(batch, nullptr), SHUNT_OK) << shunt_error_message();
  EXPECT_EQ(result(replaced), 2);
  const shunt_function entry = shunt_call_entry(replaced);
  ASSERT_EQ(shunt_batch_set_call(batch, replaced, function(&one)), SHUNT_OK);
  ASSERT_EQ(shunt_batch_commit(batch, nullptr), SHUNT_OK) << shunt_error_message();
  EXPECT_EQ(shunt_call_entry(replaced), entry);
  EXPECT_EQ(result(replaced), 1);
  shunt_batch_destroy(batch);
  shunt_engine_destroy(engine);
  engine = nullptr;
  shunt_key_destroy(replaced);
}

TEST_F(CApi, ARequestIsCarriedOutLater) {
  ASSERT_EQ(publish(key, SHUNT_ALIGNED_WORD, 1), SHUNT_OK);
  EXPECT_EQ(shunt_request(engine, key, 1), 1);
  ASSERT_EQ(shunt_carry_out_requests(engine), SHUNT_OK) << shunt_error_message();
  EXPECT_EQ(call(), 1);
  EXPECT_EQ(shunt_request(engine, key, 7), 0);
  EXPECT_EQ(shunt_start_service_thread(engine), SHUNT_OK);
  EXPECT_EQ(shunt_start_service_thread(engine), SHUNT_OK);
}

#ifndef __SANITIZE_THREAD__  // which has a thread of its own that blocks all signals: no broadcast can succeed
TEST_F(CApi, OptionsReachTheEngine) {
  shunt_engine_options options{};
  options.size = sizeof options;
  options.serialisation = SHUNT_SERIALISE_SIGNALS;
  options.code_reservation = std::size_t{1} << 20;
  shunt_engine_destroy(engine);
  engine = nullptr;
  ASSERT_EQ(shunt_engine_create(&options, &engine), SHUNT_OK) << shunt_error_message();
  ASSERT_EQ(publish(key, SHUNT_ALIGNED_WORD, 1), SHUNT_OK);
  shunt_commit_report report{};
  report.size = sizeof report;
  ASSERT_EQ(shunt_set(engine, key, 1, &report), SHUNT_OK) << shunt_error_message();
  EXPECT_STREQ(report.mechanism, "signals");
  options.serialisation = 9;
  shunt_engine* none = nullptr;
  EXPECT_EQ(shunt_engine_create(&options, &none), SHUNT_INVALID_ARGUMENT);
}
#endif

TEST_F(CApi, CountersAndTheFlipLogTellOfFlips) {
  ASSERT_EQ(publish(key, SHUNT_ALIGNED_WORD, 1), SHUNT_OK);
  ASSERT_EQ(shunt_set(engine, key, 1, nullptr), SHUNT_OK);  // before the log
  ASSERT_EQ(shunt_flip_log_start(engine, 2), SHUNT_OK) << shunt_error_message();
  for (unsigned state : {0U, 1U, 0U}) ASSERT_EQ(shunt_set(engine, key, state, nullptr), SHUNT_OK);

  std::array<shunt_flip_record, 8> records{};
  std::size_t count = 0;
  std::uint64_t dropped = 0;
  ASSERT_EQ(shunt_flip_log_read(engine, records.data(), records.size(), &count, &dropped), SHUNT_OK);
  ASSERT_EQ(count, 2U);
  EXPECT_EQ(dropped, 1U);
  EXPECT_EQ(records[0].number, 1U);
  EXPECT_EQ(records[1].number, 2U);
  EXPECT_STREQ(records[1].key, "key");
  EXPECT_EQ(static_cast<const void*>(records[1].site), shunt_code_address(code, 0));
  EXPECT_EQ(std::memcmp(records[0].after, records[1].before, records[0].length), 0);
  EXPECT_NE(std::memcmp(records[1].after, records[1].before, records[1].length), 0);
  ASSERT_EQ(shunt_flip_log_read(engine, records.data(), 1, &count, &dropped), SHUNT_OK);
  EXPECT_EQ(count, 1U);
  EXPECT_EQ(dropped, 2U);
  EXPECT_EQ(records[0].number, 2U);  // the latest

  ASSERT_EQ(shunt_flip_log_stop(engine), SHUNT_OK);  // itself a flip, the last that is logged
  ASSERT_EQ(shunt_set(engine, key, 1, nullptr), SHUNT_OK);
  ASSERT_EQ(shunt_flip_log_read(engine, records.data(), 1, &count, nullptr), SHUNT_OK);
  EXPECT_EQ(records[0].number, 3U);
  EXPECT_STRNE(records[0].key, "key");

  shunt_stats stats{};
  stats.size = sizeof stats;
  ASSERT_EQ(shunt_engine_stats(engine, &stats), SHUNT_OK);
  EXPECT_GE(stats.sites_written, 5U);
  EXPECT_GE(stats.keys, 1U);
  EXPECT_GT(stats.code_bytes_used, 0U);
}

TEST_F(CApi, AttachedThreadsAreWaitedFor) {
  shunt_thread* thread = nullptr;
  ASSERT_EQ(shunt_thread_attach(engine, "tester", &thread), SHUNT_OK) << shunt_error_message();
  shunt_thread* twice = nullptr;
  EXPECT_EQ(shunt_thread_attach(engine, nullptr, &twice), SHUNT_INVALID_ARGUMENT);
  EXPECT_EQ(shunt_settle(engine, SHUNT_NO_LIMIT), SHUNT_OK) << shunt_error_message();

  // A thread in guest code cannot wait for itself; one that is away from it can.
  shunt_scope guest;
  shunt_scope host;
  shunt_guest_begin(thread, &guest, __builtin_frame_address(0));
  EXPECT_EQ(shunt_settle(engine, SHUNT_NO_LIMIT), SHUNT_INVALID_ARGUMENT);
  const shunt_guest_frame frame{nullptr, nullptr, nullptr};
  shunt_safepoint(thread, &frame);
  shunt_host_begin(thread, &host, &frame);
  EXPECT_EQ(shunt_settle(engine, SHUNT_NO_LIMIT), SHUNT_OK) << shunt_error_message();
  shunt_host_end(&host);
  shunt_guest_end(&guest);
  shunt_thread_detach(thread);
}

TEST_F(CApi, RetiredCodeIsFreedAndSaysSo) {
  ASSERT_EQ(publish(key, SHUNT_ALIGNED_WORD, 1), SHUNT_OK);
  const shunt_code_extent extent{shunt_code_address(code, 0), shunt_code_size(code)};
  EXPECT_EQ(shunt_drain(engine, &extent, 1, SHUNT_NO_LIMIT), SHUNT_OK) << shunt_error_message();
  int freed = 0;
  ASSERT_EQ(shunt_code_retire(
                engine, code, [](void* count) { ++*static_cast<int*>(count); }, &freed),
            SHUNT_OK)
      << shunt_error_message();
  code = nullptr;
  ASSERT_EQ(shunt_await_retired(engine, SHUNT_NO_LIMIT), SHUNT_OK) << shunt_error_message();
  EXPECT_EQ(freed, 1);
}

TEST_F(CApi, NamesOfCodeLieInIt) {
  ASSERT_EQ(publish(key, SHUNT_ALIGNED_WORD, 1), SHUNT_OK);
  shunt_observe_options options{};
  options.size = sizeof options;
  options.gdb = 1;
  ASSERT_EQ(shunt_observe(engine, &options), SHUNT_OK) << shunt_error_message();
  EXPECT_EQ(shunt_code_set_name(engine, code, 0, 16, "answer"), SHUNT_OK) << shunt_error_message();
  EXPECT_EQ(shunt_code_set_name(engine, code, 0, 1U << 20, "answer"), SHUNT_INVALID_ARGUMENT);
  options = {};
  options.size = sizeof options;
  options.perf_map = 1;  // wants anonymous code
  EXPECT_EQ(shunt_observe(engine, &options), SHUNT_INVALID_ARGUMENT);
}

TEST(CApiNames, OfTheProcessEngineAndStatuses) {
  shunt_engine* first = nullptr;
  shunt_engine* second = nullptr;
  ASSERT_EQ(shunt_engine_process(&first), SHUNT_OK) << shunt_error_message();
  ASSERT_EQ(shunt_engine_process(&second), SHUNT_OK);
  EXPECT_EQ(first, second);
  shunt_engine_destroy(first);  // does nothing
  EXPECT_EQ(shunt_engine_resynchronise(second), SHUNT_OK);
  EXPECT_STREQ(shunt_status_name(static_cast<shunt_status>(55)), "Unknown");
}

// Every error that the engine itself makes has a status of the same name.
TEST(CApiNames, FollowTheCppErrors) {
  for (int code = 0; code < 256; ++code) {
    const std::string name(name_of(static_cast<ErrorCode>(code)));
    bool has = false;
    for (int status = 0; status < SHUNT_OTHER; ++status)
      has = has || shunt_status_name(static_cast<shunt_status>(status)) == name;
    const std::vector<std::string> of_layers_above = {"BadModule",      "LimitExceeded", "Unlinkable",
                                                      "Uninstantiable", "Trap",          "GuestExit",
                                                      "Interrupted",    "BadFlags",      "(unknown error code)"};
    const bool above = std::find(of_layers_above.begin(), of_layers_above.end(), name) != of_layers_above.end();
    EXPECT_TRUE(has || above) << name;
  }
}

}  // namespace
}  // namespace shunt
