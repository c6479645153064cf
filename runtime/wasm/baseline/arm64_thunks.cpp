// arm64: the borders between guest code, the host, and the runtime.
//
// The host's frame while guest code runs, from where ExecutionState::trap_frame points upwards:
//   the outer trap_frame, the outer host_stack, the slots, (8 bytes), x29 x30, x19 to x28, d8 to d15
// host_stack is the same address: calls into the host go on below it.
#include <algorithm>
#include <cstring>

#include "runtime/wasm/baseline/arm64_constants.h"
#include "runtime/wasm/baseline/arm64_selection.h"

namespace shunt::wasm::baseline {

using namespace asmjit;  // NOLINT(google-build-using-namespace): mnemonics and registers

namespace {

constexpr std::int32_t slots_place = 16;
constexpr std::int32_t host_record = 32;  // of the frame pointer and the return address
constexpr std::int32_t host_frame = host_record + 8 * (2 + 10 + 8);

a64::Mem member(const a64::Gp& base, std::size_t offset) {
  return a64::ptr(base, static_cast<std::int32_t>(offset));
}

}  // namespace

void Arm64Selection::begin_module(DetourFunction detour) {
  builtin_thunk_ = new_label();
  detour_thunk_ = new_label();
  trap_exit_label_ = new_label();
  trap_exit_of_execution_ = new_label();
  leave_guest_ = new_label();
  leave_guest();
  builtin_thunk();
  detour_thunk(detour);
}

// --- values between slots and where the guest's convention has them ---

// The stack pointer is at the outgoing area. Arguments on the stack go first, through x10, which no argument uses.
void Arm64Selection::arguments_from_slots(const SignatureLayout& layout, Reg slots) {
  const std::span<const ValueType> params = layout.type->params;
  for (std::size_t i = 0; i < params.size(); ++i) {
    if (layout.params[i].reg.valid()) continue;
    load_field(ValueType::I64, x10, slots, static_cast<std::int32_t>(8 * i));
    store_frame(ValueType::I64, FrameLayout::outgoing(layout.params[i].word), Operand::in(x10));
  }
  for (std::size_t i = 0; i < params.size(); ++i) {
    const Reg reg = layout.params[i].reg;
    if (reg.valid()) load_field(params[i], reg, slots, static_cast<std::int32_t>(8 * i));
  }
}

// Behind the call: floats as zero-extended bits. Destroys x0 and x10.
void Arm64Selection::results_to_slots(const SignatureLayout& layout, Reg slots) {
  const std::span<const ValueType> results = layout.type->results;
  const auto store = [&](std::size_t index, Reg word) {
    store_word(ValueType::I64, word, field(gpx(slots), static_cast<std::int64_t>(8 * index), 8));
  };
  for (std::size_t i = 0; i + 1 < results.size(); ++i) {
    move(is_wide(results[i]) ? ValueType::I64 : ValueType::I32, x10,
         Operand::at(FrameLayout::outgoing(layout.result_word(i))));
    store(i, x10);
  }
  if (results.empty()) return;
  const ValueType last = results.back();
  if (class_of(last) == RegClass::Float) {
    reinterpret(last == ValueType::F64 ? ValueType::I64 : ValueType::I32, x0, Operand::in(roles.float_result));
  }
  store(results.size() - 1, x0);
}

// The other way: a thunk's arguments, whose words on the stack begin at `incoming`, to slots at the stack pointer.
// Destroys x10.
void Arm64Selection::arguments_to_slots(const SignatureLayout& layout, std::int32_t incoming) {
  const std::span<const ValueType> params = layout.type->params;
  for (std::size_t i = 0; i < params.size(); ++i) {
    const SignatureLayout::Place place = layout.params[i];
    const auto slot = static_cast<std::int32_t>(8 * i);
    const bool wide = is_wide(params[i]);
    const ValueType word = wide ? ValueType::I64 : ValueType::I32;
    Reg value = place.reg;
    if (!value.valid()) {
      move(word, x10, Operand::at(incoming + FrameLayout::outgoing(place.word)));
      value = x10;
    } else if (value.cls() == RegClass::Float && !wide) {
      reinterpret(ValueType::I32, x10, Operand::in(value));
      value = x10;
    }
    store_frame(value.cls() == RegClass::Float ? params[i] : ValueType::I64, slot, Operand::in(value));
  }
}

// And the results from there. Destroys x10.
void Arm64Selection::results_from_slots(const SignatureLayout& layout, std::int32_t incoming) {
  const std::span<const ValueType> results = layout.type->results;
  for (std::size_t i = 0; i + 1 < results.size(); ++i) {
    move(ValueType::I64, x10, Operand::at(static_cast<std::int32_t>(8 * i)));
    store_frame(ValueType::I64, incoming + FrameLayout::outgoing(layout.result_word(i)), Operand::in(x10));
  }
  if (results.empty()) return;
  const ValueType last = results.back();
  move(last, roles.result(class_of(last)), Operand::at(static_cast<std::int32_t>(8 * (results.size() - 1))));
}

// --- from the host ---

// What AAPCS64 lets a function keep: a trap ends guest code in the middle of its own use of them.
void Arm64Selection::host_registers(Transfer transfer) {
  std::int32_t place = host_record;
  const auto pair = [&](Reg first, Reg second) {
    transfer_pair(transfer, first, second, a64::ptr(a64::sp, place));
    place += 16;
  };
  pair(general_reg(29), x30);
  for (unsigned reg = 19; reg <= 27; reg += 2) pair(general_reg(reg), general_reg(reg + 1));
  for (unsigned reg = 8; reg <= 14; reg += 2) pair(float_reg(reg), float_reg(reg + 1));
}

// x0: context, x1: code, x2: slots, x3: top of the guest's stack. Returns a TrapCode.
void Arm64Selection::enter_thunk(const SignatureLayout& layout) {
  const Gp execution = gpx(x9);
  const Gp word = gpx(x10);
  // 1. Save the host's registers and link this frame.
  adjust_stack(-host_frame);
  host_registers(Transfer::Save);
  a_.add(a64::x29, a64::sp, Imm(host_record));
  a_.mov(gpx(context), gpx(x0));
  a_.ldr(execution, member(gpx(context), offsetof(VmContext, execution)));
  a_.ldr(word, member(execution, offsetof(ExecutionState, trap_frame)));
  a_.ldr(gpx(x11), member(execution, offsetof(ExecutionState, host_stack)));
  a_.stp(word, gpx(x11), a64::ptr(a64::sp));
  a_.str(gpx(x2), a64::ptr(a64::sp, slots_place));
  a_.mov(word, a64::sp);
  a_.str(word, member(execution, offsetof(ExecutionState, host_stack)));
  a_.str(word, member(execution, offsetof(ExecutionState, trap_frame)));
  // 2. From here on a fault on the guest's stack is a trap of the guest.
  a_.ldr(gpx(memory_base), member(gpx(context), offsetof(VmContext, memory_base)));
  a_.mov(gpx(x15), gpx(x1));
  a_.mov(gpx(x19), gpx(x2));
  add_constant(gpx(x10), gpx(x3), -stack_aligned(8 * std::size_t{layout.words()}));
  a_.mov(a64::sp, word);
  // 3. Across.
  arguments_from_slots(layout, x19);
  a_.blr(gpx(x15));
  results_to_slots(layout, x19);
  a_.mov(a64::w0, a64::wzr);
  a_.b(leave_guest_);
}

// Ends an enter thunk, with its result in w0; the trap exit is the way in for traps. x28 is a context of the store, or
// x9 the ExecutionState.
void Arm64Selection::leave_guest() {
  const Label with_result = new_label();
  const Gp execution = gpx(x9);
  const Gp frame = gpx(x10);
  a_.bind(trap_exit_label_);
  trap_exit_ = offset();
  a_.ldr(execution, member(gpx(context), offsetof(VmContext, execution)));
  a_.bind(trap_exit_of_execution_);
  a_.ldr(a64::w0, member(execution, offsetof(ExecutionState, trap)));
  a_.str(a64::wzr, member(execution, offsetof(ExecutionState, trap)));
  a_.b(with_result);
  a_.bind(leave_guest_);
  a_.ldr(execution, member(gpx(context), offsetof(VmContext, execution)));
  a_.bind(with_result);
  a_.ldr(frame, member(execution, offsetof(ExecutionState, trap_frame)));
  a_.mov(a64::sp, frame);
  a_.ldp(frame, gpx(x11), a64::ptr(a64::sp));
  a_.str(frame, member(execution, offsetof(ExecutionState, trap_frame)));
  a_.str(gpx(x11), member(execution, offsetof(ExecutionState, host_stack)));
  host_registers(Transfer::Restore);
  adjust_stack(host_frame);
  a_.ret(a64::x30);
}

// --- to the host ---

// From a thunk's frame to the host's stack: publishes where the guest stands, for nested calls and for messages, and
// keeps the guest's stack pointer in x19, which the host preserves. x9: the ExecutionState.
void Arm64Selection::leave_for_host() {
  const Gp execution = gpx(x9);
  a_.ldr(execution, member(gpx(context), offsetof(VmContext, execution)));
  a_.mov(gpx(x19), a64::sp);
  a_.str(gpx(x19), member(execution, offsetof(ExecutionState, guest_stack)));
  a_.str(a64::x30, member(execution, offsetof(ExecutionState, guest_pc)));
  a_.ldr(gpx(x11), member(execution, offsetof(ExecutionState, host_stack)));
  a_.mov(a64::sp, gpx(x11));
}

// Called by guest code in the host function's context: arguments go to slots on the guest's stack, results come from
// there. Its frame: the slots, x30, x19.
void Arm64Selection::host_thunk(const SignatureLayout& layout, HostCallFunction host_call) {
  const std::span<const ValueType> params = layout.type->params;
  const std::span<const ValueType> results = layout.type->results;
  const auto slots = static_cast<std::int32_t>(8 * std::max(params.size(), results.size()));
  const std::int64_t frame = stack_aligned(static_cast<std::size_t>(slots) + 16);
  const auto kept = [&](Transfer transfer) {
    for (const Reg reg : {x30, x19}) {
      transfer_pair(transfer, reg, {}, frame_word(slots + (reg == x30 ? 0 : 8), 8));
    }
  };
  adjust_stack(-frame);
  kept(Transfer::Save);
  // The host writes its results without a fault: the lowest slot is touched here, by an argument if there is one.
  if (params.empty() && !results.empty()) a_.str(a64::xzr, a64::ptr(a64::sp));
  arguments_to_slots(layout, static_cast<std::int32_t>(frame));
  leave_for_host();
  a_.mov(gpx(x0), gpx(context));
  a_.mov(gpx(x1), gpx(x19));
  move_constant(true, x16, reinterpret_cast<std::uintptr_t>(host_call));
  a_.blr(gpx(x16));
  a_.mov(a64::sp, gpx(x19));
  a_.cmp(a64::w0, Imm(0));
  branch(Condition::NE, trap_exit_label_);
  results_from_slots(layout, static_cast<std::int32_t>(frame));
  kept(Transfer::Restore);
  adjust_stack(frame);
  a_.ret(a64::x30);
}

// w16: the Builtin; arguments as builtin_arguments says. The result is in x0.
void Arm64Selection::builtin_thunk() {
  const Gp execution = gpx(x9);
  a_.bind(builtin_thunk_);
  a_.stp(a64::x30, gpx(x19), a64::ptr_pre(a64::sp, -16));
  leave_for_host();
  a_.ldr(gpx(x11), member(gpx(context), offsetof(VmContext, builtins)));
  a_.ldr(gpx(x16), a64::ptr(gpx(x11), gpx(x16), a64::lsl(3)));
  a_.mov(gpx(x0), gpx(context));
  a_.blr(gpx(x16));
  a_.mov(a64::sp, gpx(x19));
  a_.ldr(execution, member(gpx(context), offsetof(VmContext, execution)));
  a_.ldr(gpw(x9), member(execution, offsetof(ExecutionState, trap)));
  a_.cmp(gpw(x9), Imm(0));
  branch(Condition::NE, trap_exit_label_);
  a_.ldp(a64::x30, gpx(x19), a64::ptr_post(a64::sp, 16));
  a_.ret(a64::x30);
}

// --- detours ---

namespace {

// The frame of a detour that is wanted, in bytes from the stack pointer.
constexpr std::int32_t detour_general = 0;                 // x0 to x15
constexpr std::int32_t detour_kept = 8 * 16;               // x30, x19
constexpr std::int32_t detour_flags = detour_kept + 16;    // NZCV
constexpr std::int32_t detour_floats = detour_flags + 16;  // q0 to q7, q16 to q31
constexpr std::int32_t detour_frame = detour_floats + 16 * 24;

}  // namespace

// What AAPCS64 does not let the host preserve; x16 and x17 are saved before.
void Arm64Selection::detour_registers(Transfer transfer) {
  const bool saves = transfer == Transfer::Save;
  for (unsigned reg = 0; reg < 16; reg += 2) {
    const a64::Mem place = a64::ptr(a64::sp, detour_general + 8 * static_cast<std::int32_t>(reg));
    if (saves) {
      a_.stp(a64::x(reg), a64::x(reg + 1), place);
    } else {
      a_.ldp(a64::x(reg), a64::x(reg + 1), place);
    }
  }
  std::int32_t place = detour_floats;
  for (unsigned reg = 0; reg < 32; reg += 2) {
    if (reg >= 8 && reg < 16) continue;  // the host preserves the low halves, and guests have no others
    if (saves) {
      a_.stp(a64::VecV(reg).q(), a64::VecV(reg + 1).q(), a64::ptr(a64::sp, place));
    } else {
      a_.ldp(a64::VecV(reg).q(), a64::VecV(reg + 1).q(), a64::ptr(a64::sp, place));
    }
    place += 32;
  }
}

// Called by stubs. Keeps every register and the flags. If nothing is wanted of this guest, two loads and branches: a
// key that is on for another guest's sake costs this one no more.
void Arm64Selection::detour_thunk(DetourFunction detour) {
  constexpr auto flags = Imm(a64::Predicate::SysReg::kNZCV);
  const Label wanted = new_label();
  a_.bind(detour_thunk_);
  // 1. Anything? CBNZ leaves the flags alone.
  a_.stp(gpx(x16), gpx(x17), a64::ptr_pre(a64::sp, -16));
  a_.ldr(gpx(x16), member(gpx(context), offsetof(VmContext, execution)));
  a_.ldr(gpw(x17), member(gpx(x16), offsetof(ExecutionState, interrupted)));
  a_.cbnz(gpw(x17), wanted);
  a_.ldr(gpx(x17), member(gpx(x16), offsetof(ExecutionState, safepoint_wanted)));
  a_.ldrb(gpw(x17), a64::ptr(gpx(x17)));
  a_.cbnz(gpw(x17), wanted);
  a_.ldp(gpx(x16), gpx(x17), a64::ptr_post(a64::sp, 16));
  a_.ret(a64::x30);
  // 2. Save.
  a_.bind(wanted);
  adjust_stack(-detour_frame);
  detour_registers(Transfer::Save);
  a_.stp(a64::x30, gpx(x19), a64::ptr(a64::sp, detour_kept));
  a_.mrs(gpx(x16), flags);
  a_.str(gpx(x16), a64::ptr(a64::sp, detour_flags));
  // 3. On the host's stack, as for a host function.
  leave_for_host();
  a_.mov(gpx(x0), a64::x30);
  move_constant(true, x16, reinterpret_cast<std::uintptr_t>(detour));
  a_.blr(gpx(x16));
  a_.mov(a64::sp, gpx(x19));
  const Label back = new_label();
  a_.cbz(a64::w0, back);
  a_.b(trap_exit_label_);
  // 4. Back.
  a_.bind(back);
  a_.ldr(gpx(x16), a64::ptr(a64::sp, detour_flags));
  a_.msr(flags, gpx(x16));
  a_.ldp(a64::x30, gpx(x19), a64::ptr(a64::sp, detour_kept));
  detour_registers(Transfer::Restore);
  adjust_stack(detour_frame);
  a_.ldp(gpx(x16), gpx(x17), a64::ptr_post(a64::sp, 16));
  a_.ret(a64::x30);
}

// --- stubs of flag values ---

namespace {

// A constant; fmov d, x; and b, or the target's address as a constant and br.
constexpr std::size_t longest_stub = arm64::longest_constant + 4 + arm64::longest_constant + 4;

std::size_t encode_stub(std::uint8_t* bytes, std::uintptr_t address, const ValueSite& site, std::uint64_t bits,
                        std::uintptr_t resume) {
  CodeHolder holder;
  holder.init(Environment(Arch::kAArch64), address);
  a64::Assembler a(&holder);
  const Reg general = site.dst.cls() == RegClass::General ? site.dst : site.scratch;
  arm64::move_constant(a, true, general.id(), bits);
  if (site.dst != general) a.fmov(a64::d(site.dst.id()), a64::x(general.id()));
  arm64::jump(a, address + a.offset(), resume, 16);
  const std::size_t size = holder.textSection()->bufferSize();
  std::memcpy(bytes, holder.textSection()->data(), size);
  return size;
}

}  // namespace

const StubEncoder Arm64Selection::stub_encoder = {.max_bytes = longest_stub, .encode = encode_stub};

}  // namespace shunt::wasm::baseline
