// x86-64: the borders between baseline code and optimised code, which has the System V convention but for the stack: it
// runs on the guest's.
#include <algorithm>
#include <array>
#include <cstring>

#include "runtime/wasm/baseline/x86_64_selection.h"
#include "shunt/vector_state.h"

namespace shunt::wasm::baseline {

using namespace asmjit;  // NOLINT(google-build-using-namespace): mnemonics and registers

// In the guest's convention, with a SlotsEntry in r11. What guest code expects to be preserved and System V does not
// preserve: r10 and the floats. The frame, from the stack pointer: the slots, the floats, (alignment), r10, rbp.
void X86Selection::optimised_thunk(const SignatureLayout& layout) {
  const auto slots = static_cast<std::int32_t>(8 * std::max(layout.type->params.size(), layout.type->results.size()));
  constexpr std::int32_t incoming = 16;  // behind rbp and the return address
  const auto float_place = [&](std::int32_t i) { return frame_word(slots + 8 * i, 8); };
  a_.push(x86::rbp);
  a_.mov(x86::rbp, x86::rsp);
  a_.push(x86::r10);
  a_.sub(x86::rsp, Imm(slots + 8 * saved_floats));
  a_.and_(x86::rsp, Imm(-16));
  for (std::int32_t i = 0; i < saved_floats; ++i) a_.movsd(float_place(i), x86::xmm(static_cast<std::uint32_t>(8 + i)));
  arguments_to_slots(layout, rbp, incoming);
  a_.mov(x86::rdi, gpq(context));
  a_.mov(x86::rsi, x86::rsp);
  a_.call(x86::r11);
  results_from_slots(layout, rbp, incoming);
  for (std::int32_t i = 0; i < saved_floats; ++i) a_.movsd(x86::xmm(static_cast<std::uint32_t>(8 + i)), float_place(i));
  a_.mov(x86::r10, Mem(x86::rbp, -8));
  a_.leave();
  a_.ret();
}

// rdi: the callee's context, rsi: its code, rdx: the slots. System V preserves nothing that guest code does not, but
// for the context and the memory's base.
void X86Selection::guest_call_thunk(const SignatureLayout& layout) {
  constexpr std::int32_t kept = 3 * 8;
  a_.push(x86::rbp);
  a_.mov(x86::rbp, x86::rsp);
  for (const Gp& reg : {Gp(x86::rbx), gpq(context), gpq(memory_base)}) a_.push(reg);
  if (layout.words() != 0) a_.sub(x86::rsp, Imm(8 * static_cast<std::int32_t>(layout.words())));
  a_.mov(x86::rbx, x86::rdx);
  a_.mov(x86::rax, x86::rsi);
  a_.mov(gpq(context), x86::rdi);
  a_.mov(gpq(memory_base), field(gpq(context), offsetof(VmContext, memory_base)));
  arguments_from_slots(layout, rbx, r11);
  a_.call(x86::rax);
  results_to_slots(layout, rbx);
  a_.lea(x86::rsp, Mem(x86::rbp, -kept));
  for (const Gp& reg : {gpq(memory_base), gpq(context), Gp(x86::rbx), Gp(x86::rbp)}) a_.pop(reg);
  a_.ret();
}

// rdi: the context; rsi rdx rcx r8: the arguments, where the builtin expects them too; r9d: the Builtin. What is
// published is the caller's return address.
void X86Selection::builtin_call_thunk() {
  a_.push(gpq(context));
  a_.push(x86::rbx);
  a_.mov(gpq(context), x86::rdi);
  a_.mov(x86::rbx, x86::rsp);
  a_.mov(x86::r10, field(gpq(context), offsetof(VmContext, execution)));
  publish_guest_state(r10, 2 * 8);
  a_.mov(x86::r11, field(gpq(context), offsetof(VmContext, builtins)));
  a_.mov(x86::r9d, x86::r9d);
  a_.mov(x86::rax, Mem(x86::r11, x86::r9, 3, 0));
  a_.mov(x86::rsp, field(x86::r10, offsetof(ExecutionState, host_stack)));
  a_.call(x86::rax);
  a_.mov(x86::rsp, x86::rbx);
  a_.mov(x86::rcx, field(gpq(context), offsetof(VmContext, execution)));
  a_.cmp(field(x86::rcx, offsetof(ExecutionState, trap), 4), Imm(0));
  a_.jne(trap_exit_label_);
  a_.pop(x86::rbx);
  a_.pop(gpq(context));
  a_.ret();
}

// --- detours of optimised code ---

// Called by stubs (shunt/codegen/orc.h, LateDetours), which saved r11. From the stack pointer: the return into the
// stub, the resume point. Keeps all else, the flags too. As for the baseline's, two loads and branches if nothing is
// wanted of this guest. But for the flags, what is saved lies on the host's stack, because the guest's may end here:
// the stub has touched all of it that is used.
void X86Selection::optimised_detour_thunk(DetourFunction detour, std::ptrdiff_t execution_offset) {
  constexpr std::array kept = {x86::rax, x86::rcx, x86::rdx, x86::rbx, x86::rsi, x86::rdi, x86::r8, x86::r9, x86::r10};
  constexpr std::int32_t resume_point = 16;
  const Label wanted = new_label();
  const Label stop = new_label();
  const auto execution = [&](const Gp& reg) {
    Mem place = x86::ptr_abs(static_cast<std::uint64_t>(execution_offset), 8);
    place.setSegment(x86::fs);
    a_.mov(reg, place);
  };
  // 1. Anything?
  a_.pushfq();
  execution(x86::r11);
  a_.cmp(field(x86::r11, offsetof(ExecutionState, interrupted), 4), Imm(0));
  a_.jne(wanted);
  a_.mov(x86::r11, field(x86::r11, offsetof(ExecutionState, safepoint_wanted)));
  a_.cmp(x86::byte_ptr(x86::r11), Imm(0));
  a_.jne(wanted);
  a_.popfq();
  a_.ret();
  // 2. To the host's stack; the guest's stack pointer is kept there too, since what is served may call guests.
  bind(wanted);
  execution(x86::r11);
  a_.mov(field(x86::r11, offsetof(ExecutionState, guest_stack)), x86::rsp);
  a_.mov(x86::rsp, field(x86::r11, offsetof(ExecutionState, host_stack)));
  a_.push(field(x86::r11, offsetof(ExecutionState, guest_stack)));
  for (const Gp& reg : kept) a_.push(reg);
  static_assert((kept.size() + 1) % 2 == 0, "the call finds the stack aligned to 16");
  a_.mov(x86::rsi, field(x86::r11, offsetof(ExecutionState, guest_stack)));
  a_.mov(x86::rsi, Mem(x86::rsi, resume_point));
  a_.mov(field(x86::r11, offsetof(ExecutionState, guest_pc)), x86::rsi);
  move_constant(true, rdi, reinterpret_cast<std::uintptr_t>(detour));
  move_constant(true, rax, reinterpret_cast<std::uintptr_t>(call_keeping_vectors()));
  a_.call(x86::rax);
  a_.test(x86::eax, x86::eax);
  a_.jne(stop);
  // 3. Back.
  for (std::size_t i = kept.size(); i-- > 0;) a_.pop(kept[i]);
  a_.pop(x86::rsp);
  a_.popfq();
  a_.ret();
  bind(stop);
  execution(x86::rcx);
  a_.jmp(trap_exit_of_execution_);
}

// --- leaving at a loop's head: r11 has a LoopEntry ---

// The red zone, which a function without a frame may use, stays.
std::int32_t X86Selection::slots_bytes(const FrameLayout& frame, std::uint32_t words) {
  return 8 * static_cast<std::int32_t>(words) + (frame.size() == 0 ? static_cast<std::int32_t>(red_zone) : 0);
}

std::int32_t X86Selection::open_slots(const FrameLayout& frame, std::uint32_t words) {
  const std::int32_t bytes = slots_bytes(frame, words);
  a_.sub(x86::rsp, Imm(bytes));
  return bytes;
}

void X86Selection::call_loop_entry(const FrameLayout&, std::uint32_t) {
  a_.call(loop_entry_thunk_);
}

void X86Selection::close_slots(const FrameLayout& frame, std::uint32_t words) {
  a_.add(x86::rsp, Imm(slots_bytes(frame, words)));
}

// The slots are behind the return address. Keeps what guest code expects to be preserved and System V does not: what
// the function did not save of it is its caller's.
void X86Selection::loop_entry_thunk() {
  const auto float_place = [&](std::int32_t i) { return frame_word(8 * i, 8); };
  loop_entry_thunk_ = new_label();
  a_.align(AlignMode::kCode, 16);
  bind(loop_entry_thunk_);
  a_.push(x86::rbp);
  a_.mov(x86::rbp, x86::rsp);
  a_.push(x86::r10);
  a_.sub(x86::rsp, Imm(8 * saved_floats));
  a_.and_(x86::rsp, Imm(-16));
  for (std::int32_t i = 0; i < saved_floats; ++i) a_.movsd(float_place(i), x86::xmm(static_cast<std::uint32_t>(8 + i)));
  a_.mov(x86::rdi, gpq(context));
  a_.lea(x86::rsi, Mem(x86::rbp, 16));
  a_.call(x86::r11);
  for (std::int32_t i = 0; i < saved_floats; ++i) a_.movsd(x86::xmm(static_cast<std::uint32_t>(8 + i)), float_place(i));
  a_.mov(x86::r10, Mem(x86::rbp, -8));
  a_.leave();
  a_.ret();
}

// r11 is free at an entry, and at a loop's head, where operands are in their slots.
void X86Selection::count_down(std::int32_t* counter) {
  move_constant(true, r11, reinterpret_cast<std::uintptr_t>(counter));
  a_.sub(x86::dword_ptr(x86::r11), Imm(1));
}

// --- stubs of entry sites ---

namespace {

// mov r11, imm64; jmp rel32
constexpr std::size_t move_bytes = 10;
constexpr std::size_t jump_bytes = 5;

std::size_t encode_entry(std::uint8_t* bytes, std::uintptr_t address, std::uintptr_t entry, std::uintptr_t thunk) {
  constexpr std::uint8_t mov_r11[] = {0x49, 0xbb};
  std::memcpy(bytes, mov_r11, sizeof mov_r11);
  std::memcpy(bytes + sizeof mov_r11, &entry, sizeof entry);
  // Both ends are in one reservation of at most 2 GiB.
  const auto displacement = static_cast<std::int32_t>(thunk - (address + move_bytes + jump_bytes));
  bytes[move_bytes] = 0xe9;
  std::memcpy(bytes + move_bytes + 1, &displacement, sizeof displacement);
  return move_bytes + jump_bytes;
}

}  // namespace

const EntryEncoder X86Selection::entry_encoder = {.max_bytes = move_bytes + jump_bytes, .encode = encode_entry};

}  // namespace shunt::wasm::baseline
