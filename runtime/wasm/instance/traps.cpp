#include "runtime/wasm/instance/traps.h"

#include <signal.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <mutex>

#include "runtime/wasm/control/interrupt_state.h"
#include "runtime/wasm/instance/fault_context.h"

namespace shunt::wasm {
namespace {

constexpr std::array trap_signals{SIGSEGV, SIGBUS, SIGILL, SIGFPE};

// What was installed before. Written once, before our handler can run.
struct sigaction earlier[trap_signals.size()];

// The innermost scope of this thread. initial-exec: reading it in a signal handler must not allocate.
[[gnu::tls_model("initial-exec")]] thread_local const TrapScope* innermost = nullptr;

bool in_memory(const StoreState& store, std::uintptr_t address) {
  return store.memories.find([address](const LinearMemory& memory) { return memory.reserves(address); }) != nullptr;
}

TrapCode memory_fault(const StoreState& store, const ModuleState& module, std::uintptr_t pc, std::uintptr_t address) {
  if (store.stack.guards(address)) return TrapCode::StackOverflow;
  constexpr std::uintptr_t first_page = 4096;  // never mapped: a null funcref's members
  const TrapSite* const site = find_trap_site(*module.code, module.offset_of(pc));
  if (site == nullptr) return TrapCode::None;
  if (site->trap == TrapCode::IndirectCallToNull) return address < first_page ? site->trap : TrapCode::None;
  if (site->trap != TrapCode::MemoryOutOfBounds) return TrapCode::None;
  return in_memory(store, address) ? TrapCode::MemoryOutOfBounds : TrapCode::None;
}

TrapCode instruction_fault(const ModuleState& module, std::uintptr_t pc) {
  const TrapSite* const site = find_trap_site(*module.code, module.offset_of(pc));
  return site == nullptr ? TrapCode::None : site->trap;
}

bool is_access(int signal) {
  return signal == SIGSEGV || signal == SIGBUS;
}

// A fault in baseline code of `module`.
TrapCode baseline_fault(const StoreState& store, const ModuleState& module, int signal, std::uintptr_t pc,
                        std::uintptr_t address) {
  return is_access(signal) ? memory_fault(store, module, pc, address) : instruction_fault(module, pc);
}

// One in optimised code, where every access of linear memory may fault, and none of anything else that is reserved.
TrapCode optimised_fault(const StoreState& store, const CodePieces::Found& found, int signal, std::uintptr_t address) {
  if (!is_access(signal)) return found.trap;
  if (store.stack.guards(address)) return TrapCode::StackOverflow;
  return in_memory(store, address) ? TrapCode::MemoryOutOfBounds : TrapCode::None;
}

// Whose code it is, and in which tier.
struct CodeOwner {
  const ModuleState* module = nullptr;
  std::optional<CodePieces::Found> optimised;
};

CodeOwner owner_of(const StoreState& store, std::uintptr_t pc) {
  CodeOwner owner;
  owner.module = store.modules.find([&](const ModuleState& candidate) {
    if (candidate.holds(pc)) return true;
    if (candidate.tiers) owner.optimised = candidate.tiers->pieces().find(pc);
    return owner.optimised.has_value();
  });
  return owner;
}

// Sends the thread to the trap exit if the fault is a guest's. Async-signal-safe.
bool claim(int signal, const siginfo_t& info, void* context) {
  if (innermost == nullptr || info.si_code <= 0) return false;  // sent by a process, not raised by an instruction
  StoreState& store = innermost->store;
  const std::uintptr_t pc = program_counter(context);
  const auto address = reinterpret_cast<std::uintptr_t>(info.si_addr);
  const CodeOwner owner = owner_of(store, pc);
  if (owner.module == nullptr) return false;
  const TrapCode trap = owner.optimised ? optimised_fault(store, *owner.optimised, signal, address)
                                        : baseline_fault(store, *owner.module, signal, pc, address);
  if (trap == TrapCode::None) return false;
  store.fault_pc = pc;
  if (owner.optimised) {
    store.fault_module = owner.module;
    store.fault_place = owner.optimised->place;
  }
  store.execution.trap = static_cast<std::uint32_t>(trap);
  const BaselineCode& code = *owner.module->code;
  resume_at(context, reinterpret_cast<std::uintptr_t>(code.code.data() + code.trap_exit), &store.trap_context);
  return true;
}

// The default effect ends the process, with a core that shows the fault: the instruction runs again, or the signal is
// sent again.
void take_default(int signal, const siginfo_t& info) {
  struct sigaction default_action{};
  default_action.sa_handler = SIG_DFL;
  sigaction(signal, &default_action, nullptr);
  if (info.si_code <= 0) raise(signal);
}

void pass_on(int signal, siginfo_t* info, void* context) {
  for (std::size_t i = 0; i < trap_signals.size(); ++i) {
    if (trap_signals[i] != signal) continue;
    const struct sigaction& action = earlier[i];
    if ((action.sa_flags & SA_SIGINFO) != 0) return action.sa_sigaction(signal, info, context);
    if (action.sa_handler == SIG_IGN && info->si_code <= 0) return;
    if (action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN) return take_default(signal, *info);
    return action.sa_handler(signal);
  }
}

void on_signal(int signal, siginfo_t* info, void* context) {
  const int saved_errno = errno;
  if (!claim(signal, *info, context)) pass_on(signal, info, context);
  errno = saved_errno;
}

Status install() {
  struct sigaction action{};
  action.sa_sigaction = on_signal;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  for (std::size_t i = 0; i < trap_signals.size(); ++i) {
    // Read first: our handler may run as soon as it is installed.
    if (sigaction(trap_signals[i], nullptr, &earlier[i]) != 0 || sigaction(trap_signals[i], &action, nullptr) != 0) {
      return make_error(ErrorCode::SystemCall, std::string("sigaction: ") + std::strerror(errno));
    }
  }
  return Ok{};
}

}  // namespace

Status install_trap_handlers() {
  static const Status installed = install();  // once per process; the language makes it thread-safe
  return installed;
}

TrapScope::TrapScope(StoreState& entered) noexcept : store(entered), outer(innermost) {
  innermost = this;
}
TrapScope::~TrapScope() {
  innermost = outer;
}
const TrapScope* TrapScope::of_this_thread() noexcept {
  return innermost;
}

std::string_view describe(TrapCode trap) {
  switch (trap) {
    case TrapCode::None:
      break;
    case TrapCode::Unreachable:
      return "unreachable";
    case TrapCode::MemoryOutOfBounds:
      return "out of bounds memory access";
    case TrapCode::TableOutOfBounds:
      return "out of bounds table access";
    case TrapCode::IndirectCallToNull:
      return "uninitialized element";
    case TrapCode::IndirectCallTypeMismatch:
      return "indirect call type mismatch";
    case TrapCode::IntegerOverflow:
      return "integer overflow";
    case TrapCode::IntegerDivideByZero:
      return "integer divide by zero";
    case TrapCode::InvalidConversion:
      return "invalid conversion to integer";
    case TrapCode::StackOverflow:
      return "call stack exhausted";
    case TrapCode::UndefinedElement:
      return "undefined element";
    case TrapCode::HostError:
      return "host function failed";
    case TrapCode::Interrupted:
      return "interrupted";
  }
  return "trap";
}

namespace {

// The instruction that trapped; or, where the runtime trapped on the guest's behalf, the last byte of the call. Nowhere
// if guest code never called the runtime.
std::uintptr_t place_of_trap(const StoreState& store) {
  return store.fault_pc != 0 ? store.fault_pc : reinterpret_cast<std::uintptr_t>(store.execution.guest_pc) - 1;
}

// As far as it is known.
struct Place {
  const ModuleState* module = nullptr;
  std::optional<std::uint32_t> function, module_offset;
};

Place baseline_place(const ModuleState& module, std::uintptr_t pc) {
  const std::uint32_t offset = module.offset_of(pc);
  Place place{.module = &module, .function = find_function(*module.code, offset), .module_offset = {}};
  if (const TrapSite* const site = find_trap_site(*module.code, offset)) place.module_offset = site->module_offset;
  return place;
}

Place optimised_place(const ModuleState* module, const std::optional<CodePlace>& place) {
  if (!place) return {.module = module, .function = {}, .module_offset = {}};
  return {.module = module, .function = place->function, .module_offset = place->module_offset};
}

// Of the trap that the store stopped with.
Place trap_place(const StoreState& store) {
  if (store.fault_module != nullptr) return optimised_place(store.fault_module, store.fault_place);
  const std::uintptr_t pc = place_of_trap(store);
  const CodeOwner owner = owner_of(store, pc);
  if (owner.module == nullptr) return {};
  return owner.optimised ? optimised_place(owner.module, owner.optimised->place) : baseline_place(*owner.module, pc);
}

}  // namespace

Error trap_error(const StoreState& store, TrapCode trap, std::string_view module_name) {
  const bool is_interrupt = trap == TrapCode::Interrupted;
  const ErrorCode code = is_interrupt ? ErrorCode::Interrupted : ErrorCode::Trap;
  std::string what(describe(trap));
  if (is_interrupt) what += ": " + store.interrupts->reason();
  const Place place = trap_place(store);
  if (place.module == nullptr) return make_error(code, std::string(module_name) + ": " + what);
  const ModuleData& module = *place.module->data;
  std::string message = module.source_name + ": " + what;
  if (place.function) message += " in function " + module.display_name(*place.function);
  if (place.module_offset) {
    char text[24];
    std::snprintf(text, sizeof text, " at byte 0x%04x", *place.module_offset);
    message += text;
  }
  return make_error(code, std::move(message));
}

}  // namespace shunt::wasm
