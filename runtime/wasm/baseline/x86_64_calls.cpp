// x86-64: calls, and what a function keeps behind its hot part: traps, rare cases, jump tables, literals.
#include "runtime/wasm/baseline/x86_64_selection.h"

namespace shunt::wasm::baseline {

using namespace asmjit;  // NOLINT(google-build-using-namespace): mnemonics and registers

// --- calls ---

void X86Selection::call(const Label& function) {
  a_.call(function);
}

// A trap may come back from the other side of a call into another context. The site is the call's last byte: at the
// return address another one may stand.
void X86Selection::note_return() {
  traps_.push_back({offset() - 1, module_offset_, TrapCode::None});
}

void X86Selection::call_import(std::uint32_t function, const FrameLayout& frame) {
  const auto reference = static_cast<std::int32_t>(function * sizeof(FuncRef));
  a_.mov(x86::rax, Mem(gpq(context), offsetof(VmContext, functions)));
  a_.mov(frame_word(frame.context(), 8), gpq(context));
  a_.mov(gpq(context), Mem(x86::rax, reference + static_cast<std::int32_t>(offsetof(FuncRef, context))));
  a_.mov(gpq(memory_base), Mem(gpq(context), offsetof(VmContext, memory_base)));
  a_.call(Mem(x86::rax, reference + static_cast<std::int32_t>(offsetof(FuncRef, code)), 8));
  note_return();
  a_.mov(gpq(context), frame_word(frame.context(), 8));
  a_.mov(gpq(memory_base), Mem(gpq(context), offsetof(VmContext, memory_base)));
}

// The checked FuncRef* of a table's element, in rax, where no argument goes.
Reg X86Selection::function_reference(Operand index, std::uint32_t table, std::uint32_t type, Scratch& scratch) {
  scratch.claim(rax);
  const Reg element = in_general(false, index, scratch);
  const Reg view = element == rax ? scratch.general() : rax;
  a_.mov(gpq(view), Mem(gpq(context), offsetof(VmContext, tables)));
  a_.mov(gpq(view), Mem(gpq(view), static_cast<std::int32_t>(table * sizeof(TableView*))));
  a_.cmp(gpq(element), Mem(gpq(view), offsetof(TableView, size), 8));
  branch(Condition::AboveEqual, trap_label(TrapCode::UndefinedElement));
  a_.mov(gpq(view), Mem(gpq(view), offsetof(TableView, elements)));
  a_.mov(x86::rax, Mem(gpq(view), gpq(element), 3, 0));
  // A null reference faults here: the page at address zero is never mapped.
  traps_.push_back({offset(), module_offset_, TrapCode::IndirectCallToNull});
  a_.cmp(Mem(x86::rax, offsetof(FuncRef, type), 4), Imm(static_cast<std::int32_t>(type)));
  branch(Condition::NotEqual, trap_label(TrapCode::IndirectCallTypeMismatch));
  return rax;
}

void X86Selection::call_reference(Reg reference, const FrameLayout& frame) {
  ColdPath& path = cold(ColdPath::Kind::CallOtherContext);
  path.src = reference;
  path.frame = frame.context();
  const Label resume = path.resume;
  a_.cmp(gpq(context), Mem(gpq(reference), offsetof(FuncRef, context), 8));
  branch(Condition::NotEqual, path.entry);
  a_.call(Mem(gpq(reference), offsetof(FuncRef, code), 8));
  bind(resume);
}

void X86Selection::emit_cold_call(const ColdPath& path) {
  a_.mov(frame_word(path.frame, 8), gpq(context));
  a_.mov(gpq(context), Mem(gpq(path.src), offsetof(FuncRef, context)));
  a_.mov(gpq(memory_base), Mem(gpq(context), offsetof(VmContext, memory_base)));
  a_.call(Mem(gpq(path.src), offsetof(FuncRef, code), 8));
  note_return();
  a_.mov(gpq(context), frame_word(path.frame, 8));
  a_.mov(gpq(memory_base), Mem(gpq(context), offsetof(VmContext, memory_base)));
  jump(path.resume);
}

void X86Selection::call_builtin(Builtin builtin) {
  a_.mov(x86::eax, Imm(static_cast<std::uint32_t>(builtin)));
  a_.call(builtin_thunk_);
  note_return();
}

// --- detours ---

// More than the site's word: a short loop that spans one cache line more takes up to twice as long on some processors
// (benchmarks/interruption.cpp: scan; benchmarks/flag_kernels.cpp: sum, with half a line), and the site makes it
// longer.
void X86Selection::align_loop() {
  constexpr std::uint32_t line = 64;
  a_.align(AlignMode::kCode, line);
}

DetourStub X86Selection::add_detour() {
  const ColdPath& path = cold(ColdPath::Kind::Detour);
  return {path.entry, path.resume};
}

// Over the red zone, which leaves use, and back. LEA leaves the flags alone.
void X86Selection::emit_cold_detour(const ColdPath& path) {
  a_.lea(x86::rsp, frame_word(-static_cast<std::int32_t>(red_zone), 8));
  a_.call(detour_thunk_);
  note_return();
  a_.lea(x86::rsp, frame_word(static_cast<std::int32_t>(red_zone), 8));
  jump(path.resume);
}

// --- behind the function ---

void X86Selection::trap(TrapCode trap) {
  emit_trap(trap);
}

void X86Selection::emit_trap(TrapCode trap) {
  traps_.push_back({offset(), module_offset_, trap});
  a_.ud2();
}

X86Selection::ColdPath& X86Selection::cold(ColdPath::Kind kind) {
  ColdPath& path = cold_.emplace_back();
  path.kind = kind;
  path.entry = new_label();
  path.resume = new_label();
  path.module_offset = module_offset_;
  return path;
}

Label X86Selection::trap_label(TrapCode trap) {
  ColdPath& path = cold_.emplace_back();
  path.kind = ColdPath::Kind::Trap;
  path.entry = new_label();
  path.module_offset = module_offset_;
  path.trap = trap;
  return path.entry;
}

void X86Selection::emit_cold(const ColdPath& path) {
  module_offset_ = path.module_offset;
  bind(path.entry);
  switch (path.kind) {
    case ColdPath::Kind::Trap:
      emit_trap(path.trap);
      return;
    case ColdPath::Kind::DivideByMinusOne:
    case ColdPath::Kind::RemainderByMinusOne:
      emit_cold_division(path);
      return;
    case ColdPath::Kind::TruncateSigned:
    case ColdPath::Kind::TruncateUnsigned32:
    case ColdPath::Kind::TruncateUnsigned64:
      emit_cold_truncation(path);
      return;
    case ColdPath::Kind::ConvertUnsigned64:
      emit_cold_conversion(path);
      return;
    case ColdPath::Kind::CallOtherContext:
      emit_cold_call(path);
      return;
    case ColdPath::Kind::Detour:
      emit_cold_detour(path);
      return;
    case ColdPath::Kind::Trace:
      emit_cold_trace(path);
      return;
  }
}

void X86Selection::finish_function() {
  for (std::size_t i = 0; i < cold_.size(); ++i) {  // cold code may add traps of its own
    const ColdPath path = cold_[i];
    emit_cold(path);
  }
  cold_.clear();
  if (!tables_.empty()) a_.align(AlignMode::kData, 4);
  for (const JumpTable& table : tables_) {
    bind(table.label);
    for (std::uint32_t i = 0; i < table.count; ++i) {
      a_.embedLabelDelta(table_targets_[table.first + i], table.label, 4);
    }
  }
  tables_.clear();
  table_targets_.clear();
  if (!literals_.empty()) a_.align(AlignMode::kData, 8);
  for (const Literal& literal : literals_) {
    bind(literal.label);
    a_.embedUInt64(literal.bits);
  }
  literals_.clear();
}

}  // namespace shunt::wasm::baseline
