// x86-64: trace sites' stubs, and the thunk that they call.
#include <array>

#include "runtime/wasm/baseline/x86_64_selection.h"

namespace shunt::wasm::baseline {

using namespace asmjit;  // NOLINT(google-build-using-namespace): mnemonics and registers

DetourStub X86Selection::add_trace(std::uint32_t event) {
  ColdPath& path = cold(ColdPath::Kind::Trace);
  path.event = event;
  return {path.entry, path.resume};
}

// Over the red zone, which leaves use; the event is pushed.
void X86Selection::emit_cold_trace(const ColdPath& path) {
  constexpr auto zone = static_cast<std::int32_t>(red_zone);
  a_.lea(x86::rsp, frame_word(-zone, 8));
  a_.push(Imm(static_cast<std::int32_t>(path.event)));
  a_.call(trace_thunk_);
  a_.lea(x86::rsp, frame_word(zone + 8, 8));
  jump(path.resume);
}

// Called by stubs. Keeps every register (of floats what guest code uses: the low halves), not the flags.
void X86Selection::trace_thunk(TraceFunction trace) {
  constexpr std::array kept = {x86::rax, x86::rcx, x86::rdx, x86::rbx, x86::rsi,
                               x86::rdi, x86::r8,  x86::r9,  x86::r10, x86::r11};
  constexpr std::int32_t floats = 16;
  constexpr std::int32_t event = 8 * (floats + static_cast<std::int32_t>(kept.size()) + 1);  // above the return address
  constexpr std::int32_t frame = event + 8 + static_cast<std::int32_t>(red_zone);
  trace_thunk_ = new_label();
  a_.align(AlignMode::kCode, 16);
  bind(trace_thunk_);
  for (const Gp& reg : kept) a_.push(reg);
  a_.sub(x86::rsp, Imm(8 * floats));
  for (std::int32_t i = 0; i < floats; ++i) {
    a_.movsd(frame_word(8 * i, 8), x86::xmm(static_cast<std::uint32_t>(i)));
  }
  // On the host's stack, as for a host function; rbx holds the stack pointer over the call.
  a_.mov(x86::rbx, x86::rsp);
  a_.mov(x86::rdi, gpq(context));
  a_.mov(x86::esi, frame_word(event, 4));
  a_.lea(x86::rdx, frame_word(frame, 8));
  a_.mov(x86::rax, Mem(gpq(context), offsetof(VmContext, execution)));
  a_.mov(x86::rsp, Mem(x86::rax, offsetof(ExecutionState, host_stack)));
  move_constant(true, rax, reinterpret_cast<std::uintptr_t>(trace));
  a_.call(x86::rax);
  a_.mov(x86::rsp, x86::rbx);
  for (std::int32_t i = 0; i < floats; ++i) {
    a_.movsd(x86::xmm(static_cast<std::uint32_t>(i)), frame_word(8 * i, 8));
  }
  a_.add(x86::rsp, Imm(8 * floats));
  for (std::size_t i = kept.size(); i-- > 0;) a_.pop(kept[i]);
  a_.ret();
}

}  // namespace shunt::wasm::baseline
