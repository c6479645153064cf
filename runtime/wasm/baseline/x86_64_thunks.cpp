// x86-64: the borders between guest code, the host, and the runtime.
//
// The host's frame while guest code runs, from where ExecutionState::trap_frame points upwards:
//   the outer trap_frame, the outer host_stack, the slots, r15 r14 r13 r12 rbx rbp, the return address
// host_stack is the same address: calls into the host go on below it.
#include <array>
#include <cstring>

#include "runtime/wasm/baseline/x86_64_selection.h"

namespace shunt::wasm::baseline {

using namespace asmjit;  // NOLINT(google-build-using-namespace): mnemonics and registers

namespace {

constexpr std::int32_t pushed_bytes = 3 * 8;

}  // namespace

void X86Selection::begin_module(DetourFunction detour) {
  builtin_thunk_ = new_label();
  detour_thunk_ = new_label();
  trap_exit_label_ = new_label();
  trap_exit_of_execution_ = new_label();
  leave_guest_ = new_label();
  shared_data();
  leave_guest();
  builtin_thunk();
  detour_thunk(detour);
}

void X86Selection::shared_data() {
  a_.align(AlignMode::kData, 16);
  constexpr std::uint64_t sign32 = 0x8000'0000'8000'0000;
  constexpr std::uint64_t sign64 = 0x8000'0000'0000'0000;
  const auto mask = [this](Label& label, std::uint64_t bits) {
    label = new_label();
    bind(label);
    for (int half = 0; half < 2; ++half) a_.embedUInt64(bits);
  };
  mask(sign_masks_[0], sign32);
  mask(sign_masks_[1], sign64);
  mask(magnitude_masks_[0], ~sign32);
  mask(magnitude_masks_[1], ~sign64);
}

// --- values between slots and where the guest's convention has them ---

// The stack pointer is at the outgoing area. Arguments on the stack go first, through `temporary`, which no argument
// uses.
void X86Selection::arguments_from_slots(const SignatureLayout& layout, Reg slots, Reg temporary) {
  const std::span<const ValueType> params = layout.type->params;
  for (std::size_t i = 0; i < params.size(); ++i) {
    if (layout.params[i].reg.valid()) continue;
    a_.mov(gpq(temporary), Mem(gpq(slots), static_cast<std::int32_t>(8 * i)));
    a_.mov(frame_word(FrameLayout::outgoing(layout.params[i].word), 8), gpq(temporary));
  }
  for (std::size_t i = 0; i < params.size(); ++i) {
    const Reg reg = layout.params[i].reg;
    if (reg.valid()) load_field(params[i], reg, slots, static_cast<std::int32_t>(8 * i));
  }
}

// Behind the call: floats as zero-extended bits. Destroys rax and rcx.
void X86Selection::results_to_slots(const SignatureLayout& layout, Reg slots) {
  const std::span<const ValueType> results = layout.type->results;
  for (std::size_t i = 0; i + 1 < results.size(); ++i) {
    load_field(is_wide(results[i]) ? ValueType::I64 : ValueType::I32, rcx, rsp,
               FrameLayout::outgoing(layout.result_word(i)));
    a_.mov(Mem(gpq(slots), static_cast<std::int32_t>(8 * i)), x86::rcx);
  }
  if (results.empty()) return;
  const ValueType last = results.back();
  if (class_of(last) == RegClass::Float) {
    reinterpret(last == ValueType::F64 ? ValueType::I64 : ValueType::I32, rax, Operand::in(roles.float_result));
  }
  a_.mov(Mem(gpq(slots), static_cast<std::int32_t>(8 * (results.size() - 1))), x86::rax);
}

// The other way: a thunk's arguments, whose words on the stack begin at [base + incoming], to slots at the stack
// pointer. Destroys rax.
void X86Selection::arguments_to_slots(const SignatureLayout& layout, Reg base, std::int32_t incoming) {
  const std::span<const ValueType> params = layout.type->params;
  for (std::size_t i = 0; i < params.size(); ++i) {
    const SignatureLayout::Place place = layout.params[i];
    const auto slot = static_cast<std::int32_t>(8 * i);
    const bool wide = is_wide(params[i]);
    if (!place.reg.valid()) {
      load_field(wide ? ValueType::I64 : ValueType::I32, rax, base, incoming + FrameLayout::outgoing(place.word));
      a_.mov(frame_word(slot, 8), x86::rax);
    } else if (place.reg.cls() == RegClass::Float && !wide) {
      a_.movd(x86::eax, xmm(place.reg));
      a_.mov(frame_word(slot, 8), x86::rax);
    } else {
      store_frame(wide ? params[i] : ValueType::I64, slot, Operand::in(place.reg));
    }
  }
}

// And the results from there. Destroys rcx.
void X86Selection::results_from_slots(const SignatureLayout& layout, Reg base, std::int32_t incoming) {
  const std::span<const ValueType> results = layout.type->results;
  for (std::size_t i = 0; i + 1 < results.size(); ++i) {
    a_.mov(x86::rcx, frame_word(static_cast<std::int32_t>(8 * i), 8));
    a_.mov(Mem(gpq(base), incoming + FrameLayout::outgoing(layout.result_word(i))), x86::rcx);
  }
  if (results.empty()) return;
  const ValueType last = results.back();
  move(last, roles.result(class_of(last)), Operand::at(static_cast<std::int32_t>(8 * (results.size() - 1))));
}

// --- from the host ---

// rdi: context, rsi: code, rdx: slots, rcx: top of the guest's stack. Returns a TrapCode.
void X86Selection::enter_thunk(const SignatureLayout& layout) {
  // 1. Save the host's registers and link this frame: the pushes keep the stack aligned to 16.
  for (const Gp& reg : {x86::rbp, x86::rbx, x86::r12, x86::r13, x86::r14, x86::r15, x86::rdx}) a_.push(reg);
  a_.mov(gpq(context), x86::rdi);
  a_.mov(x86::rax, field(gpq(context), offsetof(VmContext, execution)));
  a_.push(field(x86::rax, offsetof(ExecutionState, host_stack)));
  a_.push(field(x86::rax, offsetof(ExecutionState, trap_frame)));
  a_.mov(field(x86::rax, offsetof(ExecutionState, host_stack)), x86::rsp);
  a_.mov(field(x86::rax, offsetof(ExecutionState, trap_frame)), x86::rsp);
  // 2. From here on a fault on the guest's stack is a trap of the guest.
  a_.mov(gpq(memory_base), field(gpq(context), offsetof(VmContext, memory_base)));
  a_.mov(x86::rax, x86::rsi);
  a_.mov(x86::rbx, x86::rdx);
  a_.lea(x86::rsp, Mem(x86::rcx, -8 * static_cast<std::int32_t>(layout.words())));
  // 3. Across.
  arguments_from_slots(layout, rbx, rbp);
  a_.call(x86::rax);
  results_to_slots(layout, rbx);
  a_.xor_(x86::eax, x86::eax);
  a_.jmp(leave_guest_);
}

// Ends an enter thunk, with its result in eax; the trap exit is the way in for traps. r14 is a context of the store, or
// rcx the ExecutionState.
void X86Selection::leave_guest() {
  const Label with_result = new_label();
  a_.align(AlignMode::kCode, 16);
  bind(trap_exit_label_);
  trap_exit_ = offset();
  a_.mov(x86::rcx, field(gpq(context), offsetof(VmContext, execution)));
  bind(trap_exit_of_execution_);
  a_.mov(x86::eax, field(x86::rcx, offsetof(ExecutionState, trap), 4));
  a_.mov(field(x86::rcx, offsetof(ExecutionState, trap), 4), Imm(0));
  a_.jmp(with_result);
  bind(leave_guest_);
  a_.mov(x86::rcx, field(gpq(context), offsetof(VmContext, execution)));
  bind(with_result);
  a_.mov(x86::rsp, field(x86::rcx, offsetof(ExecutionState, trap_frame)));
  a_.pop(field(x86::rcx, offsetof(ExecutionState, trap_frame)));
  a_.pop(field(x86::rcx, offsetof(ExecutionState, host_stack)));
  for (const Gp& reg : {x86::rdx, x86::r15, x86::r14, x86::r13, x86::r12, x86::rbx, x86::rbp}) a_.pop(reg);
  a_.ret();
}

// --- to the host ---

// What guest code expects to be preserved and the System V convention does not preserve, and room for `bytes`.
void X86Selection::save_for_host(std::int32_t bytes) {
  for (const Gp& reg : {x86::rbx, x86::r10, x86::r11}) a_.push(reg);
  a_.sub(x86::rsp, Imm(bytes + 8 * saved_floats));
  for (std::int32_t i = 0; i < saved_floats; ++i) {
    a_.movsd(frame_word(bytes + 8 * i, 8), x86::xmm(static_cast<std::uint32_t>(8 + i)));
  }
}

void X86Selection::restore_from_host(std::int32_t bytes) {
  for (std::int32_t i = 0; i < saved_floats; ++i) {
    a_.movsd(x86::xmm(static_cast<std::uint32_t>(8 + i)), frame_word(bytes + 8 * i, 8));
  }
  a_.add(x86::rsp, Imm(bytes + 8 * saved_floats));
  for (const Gp& reg : {x86::r11, x86::r10, x86::rbx}) a_.pop(reg);
  a_.ret();
}

// Where the guest stands, for nested calls and for messages; destroys r11.
void X86Selection::publish_guest_state(Reg execution, std::int32_t return_address) {
  a_.mov(field(gpq(execution), offsetof(ExecutionState, guest_stack)), x86::rsp);
  a_.mov(x86::r11, frame_word(return_address, 8));
  a_.mov(field(gpq(execution), offsetof(ExecutionState, guest_pc)), x86::r11);
}

// Called by guest code in the host function's context: arguments go to slots on the guest's stack, results come from
// there.
void X86Selection::host_thunk(const SignatureLayout& layout, HostCallFunction host_call) {
  const std::span<const ValueType> params = layout.type->params;
  const std::span<const ValueType> results = layout.type->results;
  const auto slots = static_cast<std::int32_t>(8 * std::max(params.size(), results.size()));
  const std::int32_t return_address = slots + 8 * saved_floats + pushed_bytes;
  save_for_host(slots);
  // The host writes its results without a fault: the lowest slot is touched here, by an argument if there is one.
  if (params.empty() && !results.empty()) a_.mov(frame_word(0, 8), Imm(0));
  arguments_to_slots(layout, rsp, return_address + 8);
  a_.mov(x86::rbx, x86::rsp);
  a_.mov(x86::r10, field(gpq(context), offsetof(VmContext, execution)));
  publish_guest_state(r10, return_address);
  a_.mov(x86::rdi, gpq(context));
  a_.mov(x86::rsi, x86::rsp);
  a_.mov(x86::rsp, field(x86::r10, offsetof(ExecutionState, host_stack)));
  move_constant(true, rax, reinterpret_cast<std::uintptr_t>(host_call));
  a_.call(x86::rax);
  a_.mov(x86::rsp, x86::rbx);
  a_.test(x86::eax, x86::eax);
  a_.jne(trap_exit_label_);
  results_from_slots(layout, rsp, return_address + 8);
  restore_from_host(slots);
}

// eax: the Builtin; arguments as builtin_arguments says. The result is in rax.
void X86Selection::builtin_thunk() {
  a_.align(AlignMode::kCode, 16);
  bind(builtin_thunk_);
  save_for_host(0);
  a_.mov(x86::rbx, x86::rsp);
  a_.mov(x86::r10, field(gpq(context), offsetof(VmContext, execution)));
  publish_guest_state(r10, 8 * saved_floats + pushed_bytes);
  a_.mov(x86::r11, field(gpq(context), offsetof(VmContext, builtins)));
  a_.mov(x86::rax, Mem(x86::r11, x86::rax, 3, 0));
  a_.mov(x86::rdi, gpq(context));
  a_.mov(x86::rsp, field(x86::r10, offsetof(ExecutionState, host_stack)));
  a_.call(x86::rax);
  a_.mov(x86::rsp, x86::rbx);
  a_.mov(x86::rcx, field(gpq(context), offsetof(VmContext, execution)));
  a_.cmp(field(x86::rcx, offsetof(ExecutionState, trap), 4), Imm(0));
  a_.jne(trap_exit_label_);
  restore_from_host(0);
}

// --- detours ---

// Called by stubs. Keeps every register and the flags. If nothing is wanted of this guest, two loads and branches, and
// one word of stack beside the return address: a key that is on for another guest's sake costs this one no more.
void X86Selection::detour_thunk(DetourFunction detour) {
  const Label ask_thread = new_label();
  const Label nothing = new_label();
  const Label wanted = new_label();
  const auto execution = [this](const Gp& reg) { a_.mov(reg, field(gpq(context), offsetof(VmContext, execution))); };
  a_.align(AlignMode::kCode, 16);
  bind(detour_thunk_);
  // 1. Anything? JRCXZ leaves the flags alone.
  a_.push(x86::rcx);
  execution(x86::rcx);
  a_.mov(x86::ecx, field(x86::rcx, offsetof(ExecutionState, interrupted), 4));
  a_.jecxz(x86::rcx, ask_thread);
  a_.jmp(wanted);
  bind(ask_thread);
  execution(x86::rcx);
  a_.mov(x86::rcx, field(x86::rcx, offsetof(ExecutionState, safepoint_wanted)));
  a_.movzx(x86::ecx, x86::byte_ptr(x86::rcx));
  a_.jecxz(x86::rcx, nothing);
  a_.jmp(wanted);
  bind(nothing);
  a_.pop(x86::rcx);
  a_.ret();
  // 2. Save what the System V convention does not preserve; rbx holds the stack pointer over the call.
  constexpr std::array kept = {x86::rax, x86::rdx, x86::rbx, x86::rsi, x86::rdi, x86::r8, x86::r9, x86::r10, x86::r11};
  constexpr std::int32_t floats = 16;
  constexpr std::int32_t return_address = 16 * floats + 8 * (static_cast<std::int32_t>(kept.size()) + 2);
  bind(wanted);
  a_.pushfq();
  for (const Gp& reg : kept) a_.push(reg);
  a_.sub(x86::rsp, Imm(16 * floats));
  for (std::int32_t i = 0; i < floats; ++i) {
    a_.movups(frame_word(16 * i, 16), x86::xmm(static_cast<std::uint32_t>(i)));
  }
  // 3. On the host's stack, as for a host function.
  a_.mov(x86::rbx, x86::rsp);
  execution(x86::r10);
  publish_guest_state(r10, return_address);
  a_.mov(x86::rdi, x86::r11);
  a_.mov(x86::rsp, field(x86::r10, offsetof(ExecutionState, host_stack)));
  move_constant(true, rax, reinterpret_cast<std::uintptr_t>(detour));
  a_.call(x86::rax);
  a_.mov(x86::rsp, x86::rbx);
  a_.test(x86::eax, x86::eax);
  a_.jne(trap_exit_label_);
  // 4. Back.
  for (std::int32_t i = 0; i < floats; ++i) {
    a_.movups(x86::xmm(static_cast<std::uint32_t>(i)), frame_word(16 * i, 16));
  }
  a_.add(x86::rsp, Imm(16 * floats));
  for (std::size_t i = kept.size(); i-- > 0;) a_.pop(kept[i]);
  a_.popfq();
  a_.pop(x86::rcx);
  a_.ret();
}

// --- stubs of flag values ---

namespace {

// mov r64, imm64; movq xmm, r64; jmp rel32
constexpr std::size_t longest_stub = 10 + 5 + 5;

std::size_t encode_stub(std::uint8_t* bytes, std::uintptr_t address, const ValueSite& site, std::uint64_t bits,
                        std::uintptr_t resume) {
  CodeHolder holder;
  holder.init(Environment(Arch::kX64), address);
  x86::Assembler a(&holder);
  const Reg general = site.dst.cls() == RegClass::General ? site.dst : site.scratch;
  if (bits <= 0xffff'ffff) {
    a.mov(x86::gpd(general.id()), Imm(bits));
  } else {
    a.mov(x86::gpq(general.id()), Imm(bits));
  }
  if (site.dst != general) a.movq(x86::xmm(site.dst.id()), x86::gpq(general.id()));
  const std::size_t moved = holder.textSection()->bufferSize();
  std::memcpy(bytes, holder.textSection()->data(), moved);
  // jmp rel32: both ends are in one reservation of at most 2 GiB.
  constexpr std::size_t jump_bytes = 5;
  const auto displacement = static_cast<std::int32_t>(resume - (address + moved + jump_bytes));
  bytes[moved] = 0xe9;
  std::memcpy(bytes + moved + 1, &displacement, sizeof displacement);
  return moved + jump_bytes;
}

}  // namespace

const StubEncoder X86Selection::stub_encoder = {.max_bytes = longest_stub, .encode = encode_stub};

}  // namespace shunt::wasm::baseline
