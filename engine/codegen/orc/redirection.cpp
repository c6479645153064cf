#include "shunt/codegen/orc_redirection.h"

#if LLVM_VERSION_MAJOR >= 20

#include <string>

#include "shunt/codegen/orc.h"
#include "shunt/static_call.h"

namespace shunt::orc {
namespace {

using llvm::orc::ExecutorAddr;
using llvm::orc::SymbolMap;
using Function = void();  // of any signature: the branch neither knows nor changes it

Function* function_at(ExecutorAddr address) {
  return address.toPtr<Function*>();
}

}  // namespace

// The call's trampoline is what the symbol names.
struct BranchRedirection::Branch {
  explicit Branch(std::string symbol) : name(std::move(symbol)), call(name.c_str()) {}
  std::string name;
  StaticCall<Function> call;
};

BranchRedirection::BranchRedirection(Engine& engine) : engine_(engine) {}
BranchRedirection::~BranchRedirection() = default;

void BranchRedirection::emitRedirectableSymbols(
    std::unique_ptr<llvm::orc::MaterializationResponsibility> responsibility, SymbolMap destinations) {
  std::vector<std::pair<llvm::orc::SymbolStringPtr, std::unique_ptr<Branch>>> made;
  PatchBatch batch(engine_);
  for (const auto& [symbol, destination] : destinations) {
    auto branch = std::make_unique<Branch>((*symbol).str());
    batch.set(branch->call, function_at(destination.getAddress()));
    made.emplace_back(symbol, std::move(branch));
  }
  if (auto committed = batch.commit(); !committed) {
    responsibility->getExecutionSession().reportError(to_llvm(committed.error()));
    return responsibility->failMaterialization();
  }
  SymbolMap addresses;
  {
    const std::lock_guard lock(mutex_);
    for (auto& [symbol, branch] : made) {
      addresses[symbol] = {ExecutorAddr::fromPtr(branch->call.entry()), destinations[symbol].getFlags()};
      branches_[{&responsibility->getTargetJITDylib(), symbol}] = branch.get();
      all_.push_back(std::move(branch));
    }
  }
  llvm::Error error = responsibility->notifyResolved(addresses);
  if (!error) error = responsibility->notifyEmitted({});
  if (!error) return;
  responsibility->getExecutionSession().reportError(std::move(error));
  responsibility->failMaterialization();
}

llvm::Error BranchRedirection::redirect(llvm::orc::JITDylib& dylib, const SymbolMap& destinations) {
  PatchBatch batch(engine_);
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [symbol, destination] : destinations) {
      const auto found = branches_.find({&dylib, symbol});
      if (found == branches_.end()) {
        return to_llvm(
            make_error(ErrorCode::InvalidArgument, "redirect: " + (*symbol).str() + " of " + dylib.getName() +
                                                       " is no redirectable symbol of this manager; make it one first "
                                                       "(createRedirectableSymbols)"));
      }
      batch.set(found->second->call, function_at(destination.getAddress()));
    }
  }
  auto committed = batch.commit();
  return committed ? llvm::Error::success() : to_llvm(committed.error());
}

}  // namespace shunt::orc

#endif
