// arm64: trace sites' stubs, and the thunk that they call.
#include "runtime/wasm/baseline/arm64_selection.h"

namespace shunt::wasm::baseline {

using namespace asmjit;  // NOLINT(google-build-using-namespace): mnemonics and registers

DetourStub Arm64Selection::add_trace(std::uint32_t event) {
  ColdPath& path = cold(ColdPath::Kind::Trace);
  path.event = event;
  return {path.entry, path.resume};
}

// x30 is live in leaves; x16 and x17 are nobody's between operations.
void Arm64Selection::emit_cold_trace(const ColdPath& path) {
  a_.str(a64::x30, a64::ptr_pre(a64::sp, -16));
  move_constant(false, x16, path.event);
  a_.bl(trace_thunk_);
  a_.ldr(a64::x30, a64::ptr_post(a64::sp, 16));
  jump(path.resume);
}

namespace {

// The thunk's frame, in bytes from the stack pointer.
constexpr std::int32_t trace_general = 0;               // x0 to x15
constexpr std::int32_t trace_kept = 8 * 16;             // x30, x19
constexpr std::int32_t trace_floats = trace_kept + 16;  // d0 to d7, d16 to d31
constexpr std::int32_t trace_frame = trace_floats + 8 * 24;
constexpr std::int32_t stub_frame = 16;

}  // namespace

// What AAPCS64 does not let the host preserve, of floats what guest code uses: the low halves.
void Arm64Selection::trace_registers(Transfer transfer) {
  for (unsigned reg = 0; reg < 16; reg += 2) {
    transfer_pair(transfer, general_reg(reg), general_reg(reg + 1),
                  a64::ptr(a64::sp, trace_general + 8 * static_cast<std::int32_t>(reg)));
  }
  transfer_pair(transfer, x30, x19, a64::ptr(a64::sp, trace_kept));
  std::int32_t place = trace_floats;
  for (unsigned reg = 0; reg < 32; reg += 2) {
    if (reg >= 8 && reg < 16) continue;  // the host preserves them
    transfer_pair(transfer, float_reg(reg), float_reg(reg + 1), a64::ptr(a64::sp, place));
    place += 16;
  }
}

// Called by stubs, with the event in w16. Keeps every register but x16 and x17; not the flags.
void Arm64Selection::trace_thunk(TraceFunction trace) {
  trace_thunk_ = new_label();
  a_.bind(trace_thunk_);
  adjust_stack(-trace_frame);
  trace_registers(Transfer::Save);
  // On the host's stack, as for a host function.
  a_.mov(a64::w1, gpw(x16));
  a_.add(a64::x2, a64::sp, Imm(trace_frame + stub_frame));
  leave_for_host();
  a_.mov(a64::x0, gpx(context));
  move_constant(true, x16, reinterpret_cast<std::uintptr_t>(trace));
  a_.blr(gpx(x16));
  a_.mov(a64::sp, gpx(x19));
  trace_registers(Transfer::Restore);
  adjust_stack(trace_frame);
  a_.ret(a64::x30);
}

}  // namespace shunt::wasm::baseline
