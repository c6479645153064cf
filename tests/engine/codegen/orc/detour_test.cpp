// Detours in IR: every register is kept, stubs live and die with their functions, safepoints are reached.
#include <llvm/Support/SmallVectorMemoryBuffer.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <thread>

#include "arch/backend.h"
#include "tests/engine/codegen/orc/orc_jit.h"

namespace shunt::test {
namespace {

constexpr bool on_x86_64 = std::is_same_v<arch::HostInstructionSet, arch::x86_64::InstructionSet>;

// Counts how often it was called, at `counter`. Keeps every register and the flags.
std::string counting_entry(const std::atomic<std::uint64_t>& counter) {
  const std::string address = std::to_string(reinterpret_cast<std::uintptr_t>(&counter));
  if (on_x86_64) {
    return ".text\nhook:\npushfq\npushq %rax\nmovabsq $" + address +
           ", %rax\nlock incq (%rax)\npopq %rax\npopfq\nretq\n";
  }
  return ".text\n.p2align 2\nhook:\nstr x0, [sp, #-16]!\nldr x17, 1f\n0: ldxr x0, [x17]\nadd x0, x0, #1\n"
         "stxr w16, x0, [x17]\ncbnz w16, 0b\nldr x0, [sp], #16\nret\n.p2align 3\n1: .xword " +
         address + "\n";
}

class OrcDetours : public OrcTest {
 protected:
  // A hash over 24 values that are all alive at the site, in a loop that passes it `n` times: uint64_t f(int n).
  void busy(Ir& ir, const std::string& name, const std::function<void()>& site) {
    auto& b = ir.builder;
    llvm::Type* const word = b.getInt64Ty();
    auto* const f = llvm::Function::Create(llvm::FunctionType::get(word, {b.getInt32Ty()}, false),
                                           llvm::Function::ExternalLinkage, name, *ir.module);
    llvm::BasicBlock* const entry = ir.block("entry", f);
    llvm::BasicBlock* const loop = ir.block("loop", f);
    llvm::BasicBlock* const end = ir.block("end", f);
    b.SetInsertPoint(entry);
    b.CreateBr(loop);
    b.SetInsertPoint(loop);
    auto* const count = b.CreatePHI(b.getInt32Ty(), 2);
    count->addIncoming(f->getArg(0), entry);
    std::vector<llvm::PHINode*> values;  // half of them floats, so that vector registers are full too
    for (unsigned i = 0; i < 24; ++i) {
      const bool is_float = i % 2 == 1;
      values.push_back(b.CreatePHI(is_float ? b.getDoubleTy() : word, 2));
      values.back()->addIncoming(
          is_float ? llvm::ConstantFP::get(b.getDoubleTy(), i) : llvm::cast<llvm::Constant>(b.getInt64(i)), entry);
    }
    site();
    for (unsigned i = 0; i < 24; ++i) {
      llvm::Value* const other = values[(i + 2) % 24];
      llvm::Value* next = nullptr;
      if (i % 2 == 1) {
        next = b.CreateFAdd(b.CreateFMul(values[i], llvm::ConstantFP::get(b.getDoubleTy(), 0.5)), other);
      } else {
        next = b.CreateXor(b.CreateMul(values[i], b.getInt64(0x9E3779B97F4A7C15)), b.CreateLShr(other, 7));
      }
      values[i]->addIncoming(next, loop);
    }
    llvm::Value* const left = b.CreateSub(count, b.getInt32(1));
    count->addIncoming(left, loop);
    b.CreateCondBr(b.CreateICmpNE(left, b.getInt32(0)), loop, end);
    b.SetInsertPoint(end);
    llvm::Value* sum = b.getInt64(0);
    for (llvm::PHINode* const value : values) {
      llvm::Value* const bits = value->getType()->isDoubleTy() ? b.CreateBitCast(value, word) : value;
      sum = b.CreateXor(b.CreateMul(sum, b.getInt64(31)), bits);
    }
    b.CreateRet(sum);
  }
};

TEST_F(OrcDetours, ResultsAreTheSameAfterAMillionOfThem) {
  constexpr int times = 1'000'000;
  std::atomic<std::uint64_t> counter = 0;
  for (const SiteForm form : {SiteForm::Toggle, SiteForm::AlignedWord, SiteForm::Unaligned}) {
    const std::string name = "f" + std::to_string(static_cast<int>(form));
    make_jit({});
    Ir ir;
    ir.module->setModuleInlineAsm(counting_entry(counter));
    auto* const hook = llvm::Function::Create(llvm::FunctionType::get(ir.builder.getVoidTy(), false),
                                              llvm::Function::ExternalLinkage, "hook", *ir.module);
    busy(ir, name, [&] { orc::emit_detour(ir.builder, key_, form, *hook); });
    busy(ir, "without", [] {});
    add(ir);
    auto* const f = find<std::uint64_t(int)>(name);
    auto* const without = find<std::uint64_t(int)>("without");
    ASSERT_TRUE(f != nullptr && without != nullptr);
    const std::uint64_t expected = without(times);
    set(key_, 0);
    counter = 0;
    EXPECT_EQ(f(times), expected);
    EXPECT_EQ(counter, 0U);
    set(key_, 1);
    EXPECT_EQ(f(times), expected);
    EXPECT_EQ(counter, static_cast<std::uint64_t>(times));
  }
}

TEST_F(OrcDetours, AStrippedFunctionTakesItsStubAlong) {
  StaticKey stripped("stripped");
  const auto entry = reinterpret_cast<std::uint64_t>(Engine::safepoint_entry());
  Ir ir;
  for (const auto& [name, key, external] : {std::tuple{"dead", &stripped, false}, {"used", &key_, true}}) {
    ir.function(name, external);
    orc::emit_detour(ir.builder, *key, SiteForm::Toggle, entry);
    ir.returns(1);
  }
  add(ir);
  ASSERT_NE(find("used"), nullptr);
  set(key_, 1);
  EXPECT_EQ(written(), 1U);
  set(stripped, 1);
  EXPECT_EQ(written(), 0U);
}

TEST_F(OrcDetours, MemoryMayChangeInThem) {
  static std::atomic<std::uint64_t> counter;
  counter = 0;
  Ir ir;
  ir.module->setModuleInlineAsm(counting_entry(counter));
  auto* const hook = llvm::Function::Create(llvm::FunctionType::get(ir.builder.getVoidTy(), false),
                                            llvm::Function::ExternalLinkage, "hook", *ir.module);
  ir.function("f");
  auto& b = ir.builder;
  llvm::Value* const pointer = b.CreateIntToPtr(b.getInt64(reinterpret_cast<std::uintptr_t>(&counter)), b.getPtrTy());
  llvm::Value* const before = b.CreateLoad(b.getInt32Ty(), pointer);
  orc::emit_detour(b, key_, SiteForm::Toggle, *hook);
  b.CreateRet(b.CreateSub(b.CreateLoad(b.getInt32Ty(), pointer), before));
  add(ir);
  auto* const f = find("f");
  ASSERT_NE(f, nullptr);
  EXPECT_EQ(f(0), 0);
  set(key_, 1);
  EXPECT_EQ(f(0), 1);
}

class LateOrcDetours : public OrcDetours {
 protected:
  void SetUp() override {
    OrcDetours::SetUp();
    // The entry is in a module of its own, which code of others calls by its address.
    Ir ir;
    ir.module->setModuleInlineAsm(counting_entry(counter));
    auto& b = ir.builder;
    auto* const hook = llvm::Function::Create(llvm::FunctionType::get(b.getVoidTy(), false),
                                              llvm::Function::ExternalLinkage, "hook", *ir.module);
    auto* const where = llvm::Function::Create(llvm::FunctionType::get(b.getInt64Ty(), false),
                                               llvm::Function::ExternalLinkage, "where", *ir.module);
    b.SetInsertPoint(ir.block("entry", where));
    b.CreateRet(b.CreatePtrToInt(hook, b.getInt64Ty()));
    add(ir);
    auto* const find_hook = find<std::uint64_t()>("where");
    ASSERT_NE(find_hook, nullptr);
    hook_ = find_hook();
    hook_jit_ = std::move(jit_);
    make_jit({.detours = orc::LateDetours{.key = &key_, .entry = hook_}});
  }
  // Detours of the code that has been looked up.
  std::size_t sites() {
    set(key_, 1);
    const std::size_t count = written();
    set(key_, 0);
    return count;
  }
  // `for (i = 0; i != n; ++i) body()`; the builder stands in front, and behind it then.
  llvm::BasicBlock* repeat(Ir& ir, llvm::Value* n, const std::function<void()>& body) {
    auto& b = ir.builder;
    llvm::BasicBlock* const before = b.GetInsertBlock();
    llvm::BasicBlock* const loop = ir.block("loop");
    llvm::BasicBlock* const behind = ir.block("behind");
    b.CreateBr(loop);
    b.SetInsertPoint(loop);
    auto* const i = b.CreatePHI(b.getInt32Ty(), 2);
    i->addIncoming(b.getInt32(0), before);
    body();
    llvm::Value* const next = b.CreateAdd(i, b.getInt32(1));
    i->addIncoming(next, b.GetInsertBlock());
    b.CreateCondBr(b.CreateICmpNE(next, n), loop, behind);
    b.SetInsertPoint(behind);
    return loop;
  }
  void count(Ir& ir, llvm::Value* counter_address) {
    auto& b = ir.builder;
    b.CreateStore(b.CreateAdd(b.CreateLoad(b.getInt32Ty(), counter_address, true), b.getInt32(1)), counter_address,
                  true);
  }

  static inline std::atomic<std::uint64_t> counter;
  std::unique_ptr<llvm::orc::LLJIT> hook_jit_;
  std::uint64_t hook_ = 0;
};

TEST_F(LateOrcDetours, ResultsAreTheSameAfterAMillionOfThem) {
  constexpr int times = 1'000'000;
  Ir ir;
  busy(ir, "with", [] {});
  busy(ir, "without", [] {});
  orc::want_detours(*ir.module->getFunction("with"));
  add(ir);
  auto* const with = find<std::uint64_t(int)>("with");
  auto* const without = find<std::uint64_t(int)>("without");
  ASSERT_TRUE(with != nullptr && without != nullptr);
  EXPECT_EQ(sites(), 1U);
  const std::uint64_t expected = without(times);
  counter = 0;
  EXPECT_EQ(with(times), expected);
  EXPECT_EQ(counter, 0U);
  set(key_, 1);
  EXPECT_EQ(with(times), expected);
  EXPECT_EQ(counter, static_cast<std::uint64_t>(times));
}

TEST_F(LateOrcDetours, StandOnEachWayAroundALoopOnce) {
  Ir ir;
  llvm::Function* const f = ir.function("f");
  auto& b = ir.builder;
  llvm::Value* const sum = b.CreateAlloca(b.getInt32Ty());
  b.CreateStore(b.getInt32(0), sum);
  repeat(ir, b.getInt32(10), [&] { repeat(ir, f->getArg(0), [&] { count(ir, sum); }); });  // the outer passes the inner
  repeat(ir, b.getInt32(10), [&] {
    llvm::BasicBlock* const some = ir.block("some");
    llvm::BasicBlock* const end = ir.block("end");
    b.CreateCondBr(b.CreateIsNull(b.CreateAnd(b.CreateLoad(b.getInt32Ty(), sum, true), b.getInt32(1))), some, end);
    b.SetInsertPoint(some);
    repeat(ir, f->getArg(0), [&] { count(ir, sum); });
    b.CreateBr(end);
    b.SetInsertPoint(end);  // here the outer may go around without
    count(ir, sum);
  });
  b.CreateRet(b.CreateLoad(b.getInt32Ty(), sum));
  orc::want_detours(*f);
  add(ir);
  auto* const function = find("f");
  ASSERT_NE(function, nullptr);
  EXPECT_EQ(sites(), 3U);
  counter = 0;
  const int expected = function(3);
  set(key_, 1);
  EXPECT_EQ(function(3), expected);
  EXPECT_GE(counter, 10U * 3 + 10);
}

TEST_F(LateOrcDetours, StandWhereAFunctionIsEnteredThatCalls) {
  Ir ir;
  auto* const callee = ir.function("callee");
  callee->addFnAttr(llvm::Attribute::NoInline);
  ir.builder.CreateRet(ir.builder.CreateMul(callee->getArg(0), ir.builder.getInt32(3)));
  auto* const caller = ir.function("caller");
  ir.builder.CreateRet(
      ir.builder.CreateAdd(ir.builder.CreateCall(callee, {caller->getArg(0)}), ir.builder.getInt32(1)));
  orc::want_detours(*callee);
  orc::want_detours(*caller);
  add(ir);
  auto* const function = find("caller");
  ASSERT_NE(function, nullptr);
  EXPECT_EQ(sites(), 1U);
  set(key_, 1);
  counter = 0;
  EXPECT_EQ(function(5), 16);
  EXPECT_EQ(counter, 1U);
}

TEST_F(LateOrcDetours, LeaveOutLoopsThatAreToBeWithout) {
  Ir ir;
  llvm::Function* const f = ir.function("f");
  auto& b = ir.builder;
  llvm::Value* const sum = b.CreateAlloca(b.getInt32Ty());
  b.CreateStore(b.getInt32(0), sum);
  orc::LateDetours detours{.key = &key_, .entry = hook_, .without = {}};
  detours.without.emplace_back(repeat(ir, f->getArg(0), [&] { count(ir, sum); }));
  llvm::BasicBlock* inner = nullptr;  // a loop of it and of one more block has one
  repeat(ir, f->getArg(0), [&] { inner = repeat(ir, f->getArg(0), [&] { count(ir, sum); }); });
  detours.without.emplace_back(inner);
  b.CreateRet(b.CreateLoad(b.getInt32Ty(), sum));
  orc::want_detours(*f);
  auto builder = orc::target_machine_builder();
  ASSERT_TRUE(static_cast<bool>(builder));
  auto machine = builder->createTargetMachine();
  ASSERT_TRUE(static_cast<bool>(machine));
  ir.module->setDataLayout((*machine)->createDataLayout());
  auto object = orc::generate_object(*ir.module, **machine, detours);
  ASSERT_TRUE(static_cast<bool>(object)) << llvm::toString(object.takeError());
  llvm::Error error = jit().addObjectFile(std::make_unique<llvm::SmallVectorMemoryBuffer>(std::move(*object), false));
  ASSERT_FALSE(static_cast<bool>(error)) << llvm::toString(std::move(error));
  auto* const function = find("f");
  ASSERT_NE(function, nullptr);
  EXPECT_EQ(sites(), 1U);
  EXPECT_EQ(function(3), 12);
}

// The loop has two blocks of instructions: qemu-user never leaves one that jumps to itself, even when it is rewritten.
TEST_F(OrcDetours, ASafepointSettlesAThreadThatLoops) {
  static std::atomic<int> go;
  go = 0;
  Ir ir;
  llvm::Function* const f = ir.function("f");
  f->addFnAttr("frame-pointer", "all");
  auto& b = ir.builder;
  llvm::BasicBlock* const loop = ir.block("loop");
  llvm::BasicBlock* const again = ir.block("again");
  llvm::BasicBlock* const end = ir.block("end");
  const auto load = [&] {
    return b.CreateLoad(b.getInt32Ty(),
                        b.CreateIntToPtr(b.getInt64(reinterpret_cast<std::uintptr_t>(&go)), b.getPtrTy()), true);
  };
  b.CreateBr(loop);
  b.SetInsertPoint(loop);
  orc::emit_safepoint(b, engine());
  b.CreateCondBr(b.CreateIsNull(load()), again, end);
  b.SetInsertPoint(again);
  (void)load();
  b.CreateBr(loop);
  b.SetInsertPoint(end);
  ir.returns(7);
  const auto tracker = jit().getMainJITDylib().createResourceTracker();
  add(ir, tracker);
  auto* const function = find("f");
  ASSERT_NE(function, nullptr);
  const std::uint64_t in_use = engine().stats().code_bytes_used;
  std::atomic<bool> attached = false;
  std::thread runner([&] {
    auto thread = Thread::attach(engine(), {"runner", {}});
    ASSERT_TRUE(thread);
    const GuestScope guest(*thread);
    attached = true;
    EXPECT_EQ(function(0), 7);
  });
  while (!attached) std::this_thread::yield();
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(engine().settle());
  // Removed while the thread is in it: the memory stays until it has left.
  llvm::Error error = tracker->remove();
  ASSERT_FALSE(static_cast<bool>(error)) << llvm::toString(std::move(error));
  const auto waited = engine().await_retired(std::chrono::milliseconds(50));
  ASSERT_FALSE(waited);
  EXPECT_EQ(waited.error().code(), ErrorCode::TimedOut);
  EXPECT_EQ(engine().stats().code_bytes_used, in_use);
  go = 1;
  runner.join();
  ASSERT_TRUE(engine().await_retired());
  EXPECT_LT(engine().stats().code_bytes_used, in_use);
}

// Its loop's frame begins behind the site, unless the site says that it needs one.
TEST_F(OrcDetours, ASafepointStandsBehindThePrologue) {
  Ir ir;
  llvm::Function* const f = ir.function("f");
  f->addFnAttr("frame-pointer", "all");
  orc::emit_safepoint(ir.builder, engine());
  orc::emit_safepoint(ir.builder, engine());
  ir.returns(3);
  EXPECT_EQ(f->getEntryBlock().getFirstNonPHIOrDbg()->getOpcode(), llvm::Instruction::Alloca);
  EXPECT_EQ(std::count_if(f->getEntryBlock().begin(), f->getEntryBlock().end(),
                          [](const llvm::Instruction& one) { return llvm::isa<llvm::AllocaInst>(one); }),
            1);
  add(ir);
  auto* const function = find("f");
  ASSERT_NE(function, nullptr);
  set(engine().safepoint_key(), 1);
  EXPECT_EQ(written(), 2U);
  EXPECT_EQ(function(0), 3);
  set(engine().safepoint_key(), 0);
}

}  // namespace
}  // namespace shunt::test
