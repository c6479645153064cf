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
// What it runs. Read by machine code.
[[gnu::tls_model("initial-exec")]] thread_local ExecutionState* innermost_execution = nullptr;

bool in_memory(const StoreState& store, std::uintptr_t address) {
  return store.memories.find([address](const LinearMemory& memory) { return memory.reserves(address); }) != nullptr;
}

TrapCode memory_fault(const StoreState& store, const BaselineCode& code, std::uintptr_t pc, std::uintptr_t address) {
  if (store.stack.guards(address)) return TrapCode::StackOverflow;
  constexpr std::uintptr_t first_page = 4096;  // never mapped: a null funcref's members
  const TrapSite* const site = find_trap_site(code, code_offset(code, pc));
  if (site == nullptr) return TrapCode::None;
  if (site->trap == TrapCode::IndirectCallToNull) return address < first_page ? site->trap : TrapCode::None;
  if (site->trap != TrapCode::MemoryOutOfBounds) return TrapCode::None;
  return in_memory(store, address) ? TrapCode::MemoryOutOfBounds : TrapCode::None;
}

TrapCode instruction_fault(const BaselineCode& code, std::uintptr_t pc) {
  const TrapSite* const site = find_trap_site(code, code_offset(code, pc));
  return site == nullptr ? TrapCode::None : site->trap;
}

bool is_access(int signal) {
  return signal == SIGSEGV || signal == SIGBUS;
}

// A fault in baseline code.
TrapCode baseline_fault(const StoreState& store, const BaselineCode& code, int signal, std::uintptr_t pc,
                        std::uintptr_t address) {
  return is_access(signal) ? memory_fault(store, code, pc, address) : instruction_fault(code, pc);
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
  const BaselineCode* baseline = nullptr;
  std::optional<CodePieces::Found> optimised;
};

CodeOwner owner_of(const StoreState& store, std::uintptr_t pc) {
  CodeOwner owner;
  owner.module = store.modules.find([&](const ModuleState& candidate) {
    owner.baseline = candidate.baseline_code_at(pc);
    if (owner.baseline != nullptr) return true;
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
                                        : baseline_fault(store, *owner.baseline, signal, pc, address);
  if (trap == TrapCode::None) return false;
  store.fault_pc = pc;
  if (owner.optimised) {
    store.fault_module = owner.module;
    store.fault_place = owner.optimised->place;
  } else {
    store.fault_context = static_cast<const VmContext*>(guest_context(context));
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
      const int error = errno;
      while (i > 0) {
        --i;
        sigaction(trap_signals[i], &earlier[i], nullptr);
      }
      return make_error(ErrorCode::SystemCall, "a handler of the signals that guests trap by: sigaction: " +
                                                   std::string(std::strerror(error)));
    }
  }
  return Ok{};
}

}  // namespace

Status install_trap_handlers() {
  static constinit std::mutex lock;         // protects `installed`, and the installation; a leaf
  static constinit bool installed = false;  // what failed is tried again by the next who asks
  const std::lock_guard hold(lock);
  if (installed) return Ok{};
  Status status = install();
  installed = status.has_value();
  return status;
}

TrapScope::TrapScope(StoreState& entered) noexcept : store(entered), outer(innermost) {
  innermost = this;
  innermost_execution = &store.execution;
}
TrapScope::~TrapScope() {
  innermost = outer;
  innermost_execution = outer == nullptr ? nullptr : &outer->store.execution;
}
const TrapScope* TrapScope::of_this_thread() noexcept {
  return innermost;
}
std::ptrdiff_t TrapScope::execution_offset() noexcept {
  return static_cast<std::ptrdiff_t>(reinterpret_cast<std::uintptr_t>(&innermost_execution) - thread_pointer());
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

TrapPlace baseline_place(const ModuleState& module, const BaselineCode& code, std::uintptr_t pc,
                         const VmContext* context) {
  const std::uint32_t offset = code_offset(code, pc);
  TrapPlace place{.module = &module, .function = find_function(code, offset)};
  if (const TrapSite* const site = find_trap_site(code, offset)) {
    place.module_offset = site->module_offset;
    // Elsewhere, as where a call finds no room, the register may hold the callee's already.
    if (place.function && context != nullptr) place.instance = context->instance;
  }
  return place;
}

TrapPlace optimised_place(const ModuleState* module, const std::optional<CodePlace>& place) {
  if (!place) return {.module = module};
  return {.module = module, .function = place->function, .module_offset = place->module_offset};
}

}  // namespace

TrapPlace trap_place(const StoreState& store) {
  if (store.fault_module != nullptr) return optimised_place(store.fault_module, store.fault_place);
  const std::uintptr_t pc = place_of_trap(store);
  const CodeOwner owner = owner_of(store, pc);
  if (owner.module == nullptr) return {};
  return owner.optimised ? optimised_place(owner.module, owner.optimised->place)
                         : baseline_place(*owner.module, *owner.baseline, pc, store.fault_context);
}

Error trap_error(const StoreState& store, TrapCode trap, std::string_view module_name) {
  const bool is_interrupt = trap == TrapCode::Interrupted;
  const ErrorCode code = is_interrupt ? ErrorCode::Interrupted : ErrorCode::Trap;
  std::string what(describe(trap));
  if (is_interrupt) what += ": " + store.interrupts->reason();
  const TrapPlace place = trap_place(store);
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
