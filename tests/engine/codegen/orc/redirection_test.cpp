// Redirectable symbols, with LLVM 20 and later.
#include "shunt/codegen/orc_redirection.h"

#include "tests/engine/codegen/orc/orc_jit.h"

#if LLVM_VERSION_MAJOR >= 20

namespace shunt::test {
namespace {

using llvm::orc::ExecutorAddr;
using llvm::orc::ExecutorSymbolDef;

int twice(int x) {
  return 2 * x;
}
ExecutorSymbolDef symbol(int (*function)(int)) {
  return {ExecutorAddr::fromPtr(function), llvm::JITSymbolFlags::Exported | llvm::JITSymbolFlags::Callable};
}

TEST_F(OrcTest, ACallerFollowsARedirectedSymbol) {
  orc::BranchRedirection redirection(engine());
  llvm::orc::JITDylib& dylib = jit().getMainJITDylib();
  const auto name = jit().mangleAndIntern("redirected");
  llvm::Error made = redirection.createRedirectableSymbol(dylib.getDefaultResourceTracker(), name, symbol(&twice));
  ASSERT_FALSE(static_cast<bool>(made)) << llvm::toString(std::move(made));
  Ir ir;
  ir.function("caller");
  auto* const callee =
      llvm::Function::Create(llvm::FunctionType::get(ir.builder.getInt32Ty(), {ir.builder.getInt32Ty()}, false),
                             llvm::Function::ExternalLinkage, "redirected", *ir.module);
  ir.builder.CreateRet(ir.builder.CreateCall(callee, {ir.module->getFunction("caller")->getArg(0)}));
  ir.function("seven");
  ir.returns(7);
  add(ir);
  auto* const caller = find("caller");
  ASSERT_NE(caller, nullptr);
  EXPECT_EQ(caller(21), 42);
  const std::uint64_t before = engine().stats().sites_written;
  for (int i = 0; i < 3; ++i) {
    for (auto* const to : {find("seven"), &twice}) {
      llvm::Error error = redirection.redirect(dylib, name, symbol(to));
      ASSERT_FALSE(static_cast<bool>(error)) << llvm::toString(std::move(error));
      EXPECT_EQ(caller(21), to == &twice ? 42 : 7);
    }
  }
  EXPECT_EQ(engine().stats().sites_written, before + 6) << "a redirection is one branch patched";
  jit_.reset();
}

TEST_F(OrcTest, AnotherSymbolIsNotRedirected) {
  orc::BranchRedirection redirection(engine());
  const std::string message =
      llvm::toString(redirection.redirect(jit().getMainJITDylib(), jit().mangleAndIntern("unknown"), symbol(&twice)));
  EXPECT_NE(message.find("unknown of main is no redirectable symbol"), std::string::npos) << message;
}

}  // namespace
}  // namespace shunt::test

#endif
