// The sites of a function at which breakpoints can stand, while it is compiled: one in front of each operation that can
// be reached. There every local is in its home in the frame and every operand in its slot, and code that follows reads
// them from there: what a handler writes is what the guest computes with.
//
//   off        a no-op
//   on         jump to the site's stub, behind the function: it calls Builtin::Breakpoint and comes back
//
// For that nothing is fused, no local lives in a register, and the function has a frame even if it calls nothing.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "runtime/wasm/baseline/baseline.h"
#include "runtime/wasm/baseline/debug_function.h"
#include "runtime/wasm/baseline/frame_layout.h"
#include "runtime/wasm/baseline/operand_stack.h"
#include "shunt/codegen/asmjit.h"

namespace shunt::wasm::baseline {

// Of one function. Not thread-safe. Borrows all.
class DebugSites {
 public:
  DebugSites(SiteEmitter& emitter, DebugFunction& function) : emitter_(emitter), function_(function) {}

  // The function's frame is known.
  void begin(const FunctionBody& body, const FrameLayout& frame) {
    function_.function = body.function;
    function_.locals.assign(body.locals.begin(), body.locals.end());
    for (std::uint32_t local = 0; local < body.locals.size(); ++local) function_.homes.push_back(frame.home(local));
    function_.first_slot = frame.slot(0);
  }

  // One instruction at the cursor; the processor flags are dead. All entries of the stack are in their slots.
  template <class S>
  void add(S& selection, std::uint32_t module_offset, const OperandStack<S>& stack) {
    DebugSite& site = function_.sites.emplace_back(function_, module_offset);
    site.first_operand = static_cast<std::uint32_t>(function_.operand_types.size());
    site.operands = stack.height();
    for (std::uint32_t i = 0; i < site.operands; ++i) function_.operand_types.push_back(stack.at(i).type);
    const asmjit::Label stub = selection.new_label();
    const asmjit::Label resume = selection.new_label();
    emitter_.branch(site.key, stub, SiteForm::AlignedWord);
    selection.bind(resume);
    stubs_.push_back({&site, stub, resume});
  }

  // Behind the function.
  template <class S>
  void emit_stubs(S& selection) {
    for (const Stub& stub : stubs_) {
      selection.at(stub.site->module_offset);
      selection.bind(stub.stub);
      selection.move(ValueType::I64, S::builtin_arguments[0],
                     Operand::constant(reinterpret_cast<std::uintptr_t>(stub.site)));
      selection.frame_address(S::builtin_arguments[1]);
      selection.call_builtin(Builtin::Breakpoint);
      selection.jump(stub.resume);
    }
    stubs_.clear();
  }

 private:
  struct Stub {
    const DebugSite* site;
    asmjit::Label stub, resume;
  };

  SiteEmitter& emitter_;
  DebugFunction& function_;
  std::vector<Stub> stubs_;
};

}  // namespace shunt::wasm::baseline
