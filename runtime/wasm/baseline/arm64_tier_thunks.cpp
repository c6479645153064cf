// arm64: the borders between baseline code and optimised code, which has the AAPCS64 convention and runs on the guest's
// stack. AAPCS64 preserves all that guest code expects to be preserved.
#include <algorithm>
#include <cstring>

#include "runtime/wasm/baseline/arm64_constants.h"
#include "runtime/wasm/baseline/arm64_selection.h"
#include "shunt/vector_state.h"

namespace shunt::wasm::baseline {

using namespace asmjit;  // NOLINT(google-build-using-namespace): mnemonics and registers

// In the guest's convention, with a SlotsEntry in x15. The frame: the slots, x30.
void Arm64Selection::optimised_thunk(const SignatureLayout& layout) {
  const auto slots = static_cast<std::int32_t>(8 * std::max(layout.type->params.size(), layout.type->results.size()));
  const std::int64_t frame = stack_aligned(static_cast<std::size_t>(slots) + 8);
  adjust_stack(-frame);
  store_frame(ValueType::I64, slots, Operand::in(x30));
  arguments_to_slots(layout, static_cast<std::int32_t>(frame));
  a_.mov(gpx(x0), gpx(context));
  a_.mov(gpx(x1), a64::sp);
  a_.blr(gpx(x15));
  results_from_slots(layout, static_cast<std::int32_t>(frame));
  move(ValueType::I64, x30, Operand::at(slots));
  adjust_stack(frame);
  a_.ret(a64::x30);
}

// x0: the callee's context, x1: its code, x2: the slots. The frame: the outgoing area, x19 x30, x27 x28.
void Arm64Selection::guest_call_thunk(const SignatureLayout& layout) {
  constexpr std::int64_t kept_bytes = 32;
  const auto kept = [&](Transfer transfer) {
    transfer_pair(transfer, x19, x30, a64::ptr(a64::sp));
    transfer_pair(transfer, memory_base, context, a64::ptr(a64::sp, 16));
  };
  const std::int64_t area = stack_aligned(8 * std::size_t{layout.words()});
  adjust_stack(-kept_bytes);
  kept(Transfer::Save);
  if (area != 0) adjust_stack(-area);
  a_.mov(gpx(x19), gpx(x2));
  a_.mov(gpx(x15), gpx(x1));
  a_.mov(gpx(context), gpx(x0));
  a_.ldr(gpx(memory_base), a64::ptr(gpx(context), offsetof(VmContext, memory_base)));
  arguments_from_slots(layout, x19);
  a_.blr(gpx(x15));
  results_to_slots(layout, x19);
  if (area != 0) adjust_stack(area);
  kept(Transfer::Restore);
  adjust_stack(kept_bytes);
  a_.ret(a64::x30);
}

// x0: the context; x1 to x4: the arguments, where the builtin expects them too; w5: the Builtin. What is published is
// the caller's return address.
void Arm64Selection::builtin_call_thunk() {
  constexpr std::int32_t frame = 32;
  a_.stp(a64::x30, gpx(x19), a64::ptr_pre(a64::sp, -frame));
  a_.str(gpx(context), a64::ptr(a64::sp, 16));
  a_.mov(gpx(context), gpx(x0));
  leave_for_host();
  a_.ldr(gpx(x11), a64::ptr(gpx(context), offsetof(VmContext, builtins)));
  a_.ldr(gpx(x16), a64::ptr(gpx(x11), a64::w5, a64::uxtw(3)));
  a_.blr(gpx(x16));
  a_.mov(a64::sp, gpx(x19));
  a_.ldr(gpx(x9), a64::ptr(gpx(context), offsetof(VmContext, execution)));
  a_.ldr(gpw(x9), a64::ptr(gpx(x9), offsetof(ExecutionState, trap)));
  a_.cmp(gpw(x9), Imm(0));
  branch(Condition::NE, trap_exit_label_);
  a_.ldr(gpx(context), a64::ptr(a64::sp, 16));
  a_.ldp(a64::x30, gpx(x19), a64::ptr_post(a64::sp, frame));
  a_.ret(a64::x30);
}

// --- detours of optimised code ---

// Called by stubs (shunt/codegen/orc.h, LateDetours), which saved x16, x17 and x30, in 32 bytes of stack whose last 8
// are free; the resume point is in x16. Keeps all else. As for the baseline's, two loads and branches if nothing is
// wanted of this guest. What is saved lies on the host's stack, because the guest's may end here.
void Arm64Selection::optimised_detour_thunk(DetourFunction detour, std::ptrdiff_t execution_offset) {
  constexpr auto flags = Imm(a64::Predicate::SysReg::kNZCV);
  constexpr std::int32_t resume_point = 24;                                     // in the stub's frame
  constexpr std::int32_t general = 0, others = 8 * 16, frame = 8 * 16 + 6 * 8;  // x0 to x15; x18 x19, sp x30, NZCV
  const Label wanted = new_label();
  const Label stop = new_label();
  const auto execution = [&](const Gp& reg) {
    constexpr std::ptrdiff_t low = 0xfff;  // ELF's TLS variant I: static variables lie behind the thread pointer
    a_.mrs(reg, Imm(a64::Predicate::SysReg::kTPIDR_EL0));
    a_.add(reg, reg, Imm(execution_offset >> 12), a64::lsl(12));
    a_.ldr(reg, a64::ptr(reg, static_cast<std::int32_t>(execution_offset & low)));
  };
  const auto registers = [&](Transfer transfer) {
    for (unsigned reg = 0; reg < 16; reg += 2) {
      transfer_pair(transfer, general_reg(reg), general_reg(reg + 1),
                    a64::ptr(a64::sp, general + 8 * static_cast<std::int32_t>(reg)));
    }
    transfer_pair(transfer, general_reg(18), x19, a64::ptr(a64::sp, others));
  };
  // 1. Anything?
  a_.str(gpx(x16), a64::ptr(a64::sp, resume_point));
  execution(gpx(x17));
  a_.ldr(gpw(x16), a64::ptr(gpx(x17), offsetof(ExecutionState, interrupted)));
  a_.cbnz(gpw(x16), wanted);
  a_.ldr(gpx(x17), a64::ptr(gpx(x17), offsetof(ExecutionState, safepoint_wanted)));
  a_.ldrb(gpw(x17), a64::ptr(gpx(x17)));
  a_.cbnz(gpw(x17), wanted);
  a_.ret(a64::x30);
  // 2. To the host's stack.
  a_.bind(wanted);
  execution(gpx(x17));
  a_.mov(gpx(x16), a64::sp);
  a_.str(gpx(x16), a64::ptr(gpx(x17), offsetof(ExecutionState, guest_stack)));
  a_.ldr(gpx(x16), a64::ptr(gpx(x17), offsetof(ExecutionState, host_stack)));
  a_.sub(gpx(x16), gpx(x16), Imm(frame));
  a_.mov(a64::sp, gpx(x16));
  registers(Transfer::Save);
  a_.ldr(gpx(x16), a64::ptr(gpx(x17), offsetof(ExecutionState, guest_stack)));
  a_.stp(gpx(x16), a64::x30, a64::ptr(a64::sp, others + 16));
  a_.mrs(gpx(x0), flags);
  a_.str(gpx(x0), a64::ptr(a64::sp, others + 32));
  a_.ldr(gpx(x1), a64::ptr(gpx(x16), resume_point));
  a_.str(gpx(x1), a64::ptr(gpx(x17), offsetof(ExecutionState, guest_pc)));
  move_constant(true, x0, reinterpret_cast<std::uintptr_t>(detour));
  move_constant(true, x16, reinterpret_cast<std::uintptr_t>(call_keeping_vectors()));
  a_.blr(gpx(x16));
  a_.cbnz(a64::w0, stop);
  // 3. Back.
  a_.ldr(gpx(x16), a64::ptr(a64::sp, others + 32));
  a_.msr(flags, gpx(x16));
  registers(Transfer::Restore);
  a_.ldp(gpx(x16), a64::x30, a64::ptr(a64::sp, others + 16));
  a_.mov(a64::sp, gpx(x16));
  a_.ret(a64::x30);
  a_.bind(stop);
  execution(gpx(x9));
  a_.b(trap_exit_of_execution_);
}

// --- leaving at a loop's head: x15 has a LoopEntry ---

namespace {

// The slots, and x30.
constexpr std::int64_t slots_bytes(std::uint32_t words) {
  return stack_aligned(8 * std::size_t{words} + 8);
}

constexpr std::int32_t return_place(std::uint32_t words) {
  return 8 * static_cast<std::int32_t>(words);
}

}  // namespace

// A leaf has its return address in x30.
std::int32_t Arm64Selection::open_slots(const FrameLayout& frame, std::uint32_t words) {
  adjust_stack(-slots_bytes(words));
  if (frame.is_leaf()) store_frame(ValueType::I64, return_place(words), Operand::in(x30));
  return static_cast<std::int32_t>(slots_bytes(words));
}

void Arm64Selection::call_loop_entry(const FrameLayout&, std::uint32_t) {
  a_.mov(gpx(x0), gpx(context));
  a_.mov(gpx(x1), a64::sp);
  a_.blr(gpx(x15));
}

void Arm64Selection::close_slots(const FrameLayout& frame, std::uint32_t words) {
  if (frame.is_leaf()) move(ValueType::I64, x30, Operand::at(return_place(words)));
  adjust_stack(slots_bytes(words));
}

void Arm64Selection::loop_entry_thunk() {}  // AAPCS64 preserves all that guest code expects to be preserved

void Arm64Selection::count_down(std::int32_t* counter) {
  move_constant(true, x16, reinterpret_cast<std::uintptr_t>(counter));
  a_.ldr(gpw(x17), a64::ptr(gpx(x16)));
  a_.sub(gpw(x17), gpw(x17), Imm(1));
  a_.str(gpw(x17), a64::ptr(gpx(x16)));
}

// --- stubs of entry sites ---

namespace {

// The address as a constant to x15; then b, or the thunk's address as a constant to x16 and br.
constexpr std::size_t longest_entry = 2 * arm64::longest_constant + 4;

std::size_t encode_entry(std::uint8_t* bytes, std::uintptr_t address, std::uintptr_t entry, std::uintptr_t thunk) {
  constexpr unsigned x15 = 15, x16 = 16;
  CodeHolder holder;
  holder.init(Environment(Arch::kAArch64), address);
  a64::Assembler a(&holder);
  arm64::move_constant(a, true, x15, entry);
  arm64::jump(a, address + a.offset(), thunk, x16);
  const std::size_t size = holder.textSection()->bufferSize();
  std::memcpy(bytes, holder.textSection()->data(), size);
  return size;
}

}  // namespace

const EntryEncoder Arm64Selection::entry_encoder = {.max_bytes = longest_entry, .encode = encode_entry};

}  // namespace shunt::wasm::baseline
