// A function made with LLVM whose options cost one instruction each: a branch for a key, a choice of three, a
// safepoint.
#include <llvm/ExecutionEngine/Orc/ThreadSafeModule.h>
#include <llvm/IR/Module.h>

#include <array>
#include <cstdio>
#include <memory>
#include <string>

#include "shunt/codegen/orc.h"
#include "shunt/engine.h"

static shunt::StaticKey discount("discount");        // off
static shunt::StaticSwitch rounding("rounding", 3);  // state 0: as it is; 1: to even; 2: to tens

// int price(int x): 2 * x, minus 5 with the discount, rounded.
static llvm::orc::ThreadSafeModule make_price(shunt::Engine& engine, const llvm::orc::LLJIT& jit) {
  auto context = std::make_unique<llvm::LLVMContext>();
  auto module = std::make_unique<llvm::Module>("prices", *context);
  shunt::orc::set_target(*module, jit);
  llvm::IRBuilder<> b(*context);
  llvm::Type* const type = b.getInt32Ty();
  auto* const price = llvm::Function::Create(llvm::FunctionType::get(type, {type}, false),
                                             llvm::Function::ExternalLinkage, "price", *module);
  price->addFnAttr("frame-pointer", "all");  // safepoints: who waits for threads finds their frames
  const auto block = [&](const char* name) { return llvm::BasicBlock::Create(*context, name, price); };
  llvm::BasicBlock* const entry = block("entry");
  llvm::BasicBlock* const reduce = block("reduce");
  llvm::BasicBlock* const round = block("round");
  llvm::BasicBlock* const even = block("even");
  llvm::BasicBlock* const tens = block("tens");
  llvm::BasicBlock* const end = block("end");

  b.SetInsertPoint(entry);
  shunt::orc::emit_safepoint(b, engine);
  llvm::Value* const full = b.CreateMul(price->getArg(0), b.getInt32(2));
  shunt::orc::emit_branch(b, discount, round, reduce);  // falls through to `round` while it is off

  b.SetInsertPoint(reduce);
  llvm::Value* const less = b.CreateSub(full, b.getInt32(5));
  b.CreateBr(round);

  b.SetInsertPoint(round);
  llvm::PHINode* const value = b.CreatePHI(type, 2);
  value->addIncoming(full, entry);
  value->addIncoming(less, reduce);
  shunt::orc::emit_branch(b, rounding, shunt::SiteForm::AlignedWord, end, std::array{even, tens});

  b.SetInsertPoint(even);
  llvm::Value* const to_even = b.CreateAnd(value, b.getInt32(~1U));
  b.CreateBr(end);
  b.SetInsertPoint(tens);
  llvm::Value* const to_tens = b.CreateMul(b.CreateSDiv(value, b.getInt32(10)), b.getInt32(10));
  b.CreateBr(end);

  b.SetInsertPoint(end);
  llvm::PHINode* const result = b.CreatePHI(type, 3);
  result->addIncoming(value, round);
  result->addIncoming(to_even, even);
  result->addIncoming(to_tens, tens);
  b.CreateRet(result);
  return {std::move(module), std::move(context)};
}

static bool right = true;
static void check(const char* what, int found, int expected) {
  std::printf("%-36s price(21) = %d\n", what, found);
  right = right && found == expected;
}
static int fail(const std::string& message) {
  return std::fprintf(stderr, "%s\n", message.c_str()), 1;
}

int main() {
  auto engine = shunt::Engine::process();
  if (!engine) return fail(engine.error().message());
  auto jit = shunt::orc::make_jit(**engine);
  if (!jit) return fail(llvm::toString(jit.takeError()));
  const auto tracker = (*jit)->getMainJITDylib().createResourceTracker();
  if (llvm::Error error = (*jit)->addIRModule(tracker, make_price(**engine, **jit)))
    return fail(llvm::toString(std::move(error)));
  auto found = (*jit)->lookup("price");
  if (!found) return fail(llvm::toString(found.takeError()));
  auto* const price = found->toPtr<int (*)(int)>();
  check("as it was compiled", price(21), 42);

  shunt::PatchBatch batch(**engine);
  batch.enable(discount);
  batch.set(rounding, 1);
  auto report = batch.commit();
  if (!report) return fail(report.error().message());
  std::printf("one batch wrote %zu sites\n", static_cast<std::size_t>(report->sites_written));
  check("with the discount, to even", price(21), 36);

  batch.disable(discount);
  batch.set(rounding, 2);
  right = batch.commit() && right;
  check("without, to tens", price(21), 40);

  // The code goes with its tracker: sites at once, memory when no thread is in it.
  if (llvm::Error error = tracker->remove()) return fail(llvm::toString(std::move(error)));
  right = (*engine)->await_retired() && right;
  batch.set(rounding, 0);
  report = batch.commit();
  std::printf("after its removal a batch writes %zu sites\n",
              report ? static_cast<std::size_t>(report->sites_written) : std::size_t{99});
  return right && report && report->sites_written == 0 ? 0 : 1;
}
