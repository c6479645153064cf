// arm64: calls, and what a function keeps behind its hot part.
#include "runtime/wasm/baseline/arm64_selection.h"

namespace shunt::wasm::baseline {

using namespace asmjit;  // NOLINT(google-build-using-namespace): mnemonics and registers

static_assert(offsetof(FuncRef, code) == 0 && offsetof(FuncRef, context) == 8, "loaded as a pair");

// --- calls ---

void Arm64Selection::call(const Label& function) {
  a_.bl(function);
}

// A trap may come back from the other side of a call into another context. The site is the call's last byte: at the
// return address another one may stand.
void Arm64Selection::note_return() {
  traps_.push_back({offset() - 1, module_offset_, TrapCode::None});
}

// `reference` may be x16.
void Arm64Selection::call_in_context(Reg reference, std::int32_t context_place) {
  const Gp own = gpx(context);
  a_.str(own, frame_word(context_place, 8, x17));
  a_.ldp(gpx(x16), own, a64::ptr(gpx(reference)));
  a_.ldr(gpx(memory_base), a64::ptr(own, offsetof(VmContext, memory_base)));
  a_.blr(gpx(x16));
  note_return();
  a_.ldr(own, frame_word(context_place, 8));
  a_.ldr(gpx(memory_base), a64::ptr(own, offsetof(VmContext, memory_base)));
}

void Arm64Selection::call_import(std::uint32_t function, const FrameLayout& frame) {
  const std::uint64_t reference = std::uint64_t{function} * sizeof(FuncRef);
  a_.ldr(gpx(x16), a64::ptr(gpx(context), offsetof(VmContext, functions)));
  if (reference < 0x100'0000) {
    if (reference != 0) add_constant(gpx(x16), gpx(x16), static_cast<std::int64_t>(reference));
  } else {
    move_constant(true, x17, reference);
    a_.add(gpx(x16), gpx(x16), gpx(x17));
  }
  call_in_context(x16, frame.context());
}

// The checked FuncRef* of a table's element, in x0, where no argument goes.
Reg Arm64Selection::function_reference(Operand index, std::uint32_t table, std::uint32_t type, Scratch& scratch) {
  scratch.claim(x0);
  const Reg element = in_general(false, index, x17);
  const Gp view = gpx(x16);
  a_.ldr(view, a64::ptr(gpx(context), offsetof(VmContext, tables)));
  a_.ldr(view, field(view, static_cast<std::int64_t>(table * sizeof(TableView*)), 8));
  // The size in x0, unless the index is there.
  const Reg spare = element == x0 ? x17 : x0;
  a_.ldr(gpx(spare), a64::ptr(view, offsetof(TableView, size)));
  a_.cmp(gpx(element), gpx(spare));
  branch_to_trap(Condition::HS, TrapCode::UndefinedElement);
  a_.ldr(view, a64::ptr(view, offsetof(TableView, elements)));
  a_.ldr(gpx(x0), a64::ptr(view, gpx(element), a64::lsl(3)));
  // A null reference faults here: the page at address zero is never mapped.
  traps_.push_back({offset(), module_offset_, TrapCode::IndirectCallToNull});
  a_.ldr(gpw(x16), a64::ptr(gpx(x0), offsetof(FuncRef, type)));
  compare(IntCompare::Eq, false, Operand::in(x16), Operand::constant(type), scratch);
  branch_to_trap(Condition::NE, TrapCode::IndirectCallTypeMismatch);
  return x0;
}

void Arm64Selection::call_reference(Reg reference, const FrameLayout& frame) {
  ColdPath& path = cold(ColdPath::Kind::CallOtherContext);
  path.reference = reference;
  path.frame = frame.context();
  const Label entry = path.entry;
  const Label resume = path.resume;
  a_.ldp(gpx(x16), gpx(x17), a64::ptr(gpx(reference)));
  a_.cmp(gpx(x17), gpx(context));
  branch(Condition::NE, entry);
  a_.blr(gpx(x16));
  a_.bind(resume);
}

void Arm64Selection::call_builtin(Builtin builtin) {
  move_constant(false, x16, static_cast<std::uint32_t>(builtin));
  a_.bl(builtin_thunk_);
  note_return();
}

// --- detours ---

DetourStub Arm64Selection::add_detour() {
  const ColdPath& path = cold(ColdPath::Kind::Detour);
  return {path.entry, path.resume};
}

// x30 is live in leaves.
void Arm64Selection::emit_cold_detour(const ColdPath& path) {
  a_.str(a64::x30, a64::ptr_pre(a64::sp, -16));
  a_.bl(detour_thunk_);
  note_return();
  a_.ldr(a64::x30, a64::ptr_post(a64::sp, 16));
  jump(path.resume);
}

// --- behind the function ---

// UDF, whose signal is SIGILL: BRK's, SIGTRAP, belongs to debuggers. The immediate tells a reader of the code why.
void Arm64Selection::emit_trap(TrapCode trap) {
  traps_.push_back({offset(), module_offset_, trap});
  a_.udf(Imm(static_cast<std::uint32_t>(trap)));
}

void Arm64Selection::trap(TrapCode trap) {
  emit_trap(trap);
}

Arm64Selection::ColdPath& Arm64Selection::cold(ColdPath::Kind kind) {
  ColdPath& path = cold_.emplace_back();
  path.kind = kind;
  path.entry = new_label();
  path.module_offset = module_offset_;
  if (kind != ColdPath::Kind::Trap) path.resume = new_label();
  return path;
}

Label Arm64Selection::trap_label(TrapCode trap) {
  ColdPath& path = cold(ColdPath::Kind::Trap);
  path.trap = trap;
  return path.entry;
}

void Arm64Selection::emit_cold(const ColdPath& path) {
  module_offset_ = path.module_offset;
  a_.bind(path.entry);
  if (path.kind == ColdPath::Kind::Trap) {
    emit_trap(path.trap);
    return;
  }
  if (path.kind == ColdPath::Kind::Detour) {
    emit_cold_detour(path);
    return;
  }
  if (path.kind == ColdPath::Kind::Trace) {
    emit_cold_trace(path);
    return;
  }
  call_in_context(path.reference, path.frame);
  jump(path.resume);
}

void Arm64Selection::emit_cold_paths() {
  const std::uint32_t here = module_offset_;
  for (const ColdPath& path : cold_) emit_cold(path);
  cold_.clear();
  module_offset_ = here;
}

}  // namespace shunt::wasm::baseline
