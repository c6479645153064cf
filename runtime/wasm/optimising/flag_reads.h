// Reads of feature flags while a function is optimised: calls of functions that LLVM knows nothing of but that they are
// neither reordered with one another nor removed. So a loop that reads a flag is unrolled and hoisted from like any
// other; the reads become patch sites when nothing moves any more.
#pragma once

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Instructions.h>
#include <llvm/IR/Module.h>

#include <cstdint>
#include <optional>

namespace shunt::wasm {

// The function whose call `result f(i64 import, ptr context)` reads the flag of an imported function; its value is zero
// while the flag's sites fall through. One for each type: i32, i64, double. The i32 one also reads what is assumed of a
// table (module_assumptions.h): zero while it holds. Tables are numbered behind the imported functions. The context is
// passed so that it is there when the read becomes a site: nothing else may need the function's own.
llvm::FunctionCallee flag_read_function(llvm::Module& module, llvm::Type* result);

// The read that this is, or null.
llvm::CallInst* as_flag_read(llvm::Instruction& instruction);

// Where a strip (loop_versions.h) begins, in front of its reads, and where it ends, on each way out of it: calls of the
// same kind, so that they keep their places among the reads.
enum class StripMark : std::uint8_t { Begin, End };
void mark_strip(llvm::IRBuilderBase& builder, StripMark mark);

// The mark that this is, or none.
std::optional<StripMark> as_strip_mark(const llvm::Instruction& instruction);

}  // namespace shunt::wasm
