// A program of its own: it installs a handler before the runtime does.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>

#include <csetjmp>
#include <cstdint>

#include "tests/runtime/wasm/instance/guest_fixture.h"

namespace shunt::test {
namespace {

sigjmp_buf back;
int seen_signal = 0;
void* seen_address = nullptr;

void earlier_handler(int signal, siginfo_t* info, void*) {
  seen_signal = signal;
  seen_address = info->si_addr;
  siglongjmp(back, 1);
}

class EarlierHandler : public GuestTest {
 public:
  static void SetUpTestSuite() {
    struct sigaction action{};
    action.sa_sigaction = earlier_handler;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigaction(SIGSEGV, &action, nullptr);
  }

 protected:
  void SetUp() override { seen_signal = 0; }
};

TEST_F(EarlierHandler, IsCalledForFaultsThatAreNotAGuests) {
  void* const forbidden = mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (sigsetjmp(back, 1) == 0) *static_cast<volatile char*>(forbidden) = 1;
  EXPECT_EQ(seen_signal, SIGSEGV);
  EXPECT_EQ(seen_address, forbidden);
}

TEST_F(EarlierHandler, IsNotCalledForAGuestsTrap) {
  Instance instance = instantiate(R"((module (memory 1) (func (export "bad") (drop (i32.load (i32.const -1))))))");
  const std::string message = failure(instance.call("bad"));
  EXPECT_TRUE(message.starts_with("Trap: m.wat: out of bounds memory access")) << message;
  EXPECT_EQ(seen_signal, 0);
}

TEST_F(EarlierHandler, IsCalledForAFaultOfAHostFunctionInsideAGuestCall) {
  linker.define_function("env", "probe", {{}, {ValueType::I32}},
                         [](Caller caller, std::span<const Value>, std::span<Value> results) -> Status {
                           const std::span<std::uint8_t> bytes = caller.memory().bytes();
                           if (sigsetjmp(back, 1) == 0)
                             *const_cast<volatile std::uint8_t*>(bytes.data() + bytes.size()) = 1;
                           results[0] = Value::i32(static_cast<std::uint32_t>(seen_signal));
                           return Ok{};
                         });
  Instance instance = instantiate(R"((module (import "env" "probe" (func $probe (result i32))) (memory 1)
      (func (export "run") (result i32) (i32.add (call $probe) (i32.const 100)))))");
  EXPECT_EQ(bits(instance.call("run")), 100u + SIGSEGV);
}

}  // namespace
}  // namespace shunt::test
