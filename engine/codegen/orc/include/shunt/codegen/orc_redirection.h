// Redirectable symbols of LLVM 20 and later, redirected by patching a branch instead of a pointer in memory: a call
// through such a symbol is a direct jump, and what it leads to changes for every thread at once.
//
//   shunt::orc::BranchRedirection redirection(engine);
//   redirection.createRedirectableSymbols(tracker, {{name, first}});
//   redirection.redirect(dylib, name, second);
#pragma once

#include <llvm/Config/llvm-config.h>

#if LLVM_VERSION_MAJOR >= 20

#include <llvm/ExecutionEngine/Orc/Core.h>
#include <llvm/ExecutionEngine/Orc/RedirectionManager.h>

#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "shunt/engine.h"

namespace shunt::orc {

// Each symbol is 16 bytes of code memory. They stay until the manager ends, also when the symbol is removed: a thread
// may stand there. The engine must outlive the manager, and the manager all code that calls its symbols. Thread-safe.
class BranchRedirection final : public llvm::orc::RedirectableSymbolManager {
 public:
  explicit BranchRedirection(Engine& engine);
  ~BranchRedirection() override;

  // Called by LLVM. Blocks for a commit.
  void emitRedirectableSymbols(std::unique_ptr<llvm::orc::MaterializationResponsibility> responsibility,
                               llvm::orc::SymbolMap destinations) override;

  // One patch batch: when it returns, every call of one of the symbols that starts from then on goes to its new
  // destination, on every thread; or nothing has changed. Errors: InvalidArgument (a symbol is not redirectable;
  // named), those of PatchBatch::commit(). Blocks.
  llvm::Error redirect(llvm::orc::JITDylib& dylib, const llvm::orc::SymbolMap& destinations) override;
  using RedirectionManager::redirect;

 private:
  struct Branch;
  using Name = std::pair<const llvm::orc::JITDylib*, llvm::orc::SymbolStringPtr>;

  Engine& engine_;
  std::mutex mutex_;  // protects what follows
  std::map<Name, Branch*> branches_;
  std::vector<std::unique_ptr<Branch>> all_;
};

}  // namespace shunt::orc

#endif
