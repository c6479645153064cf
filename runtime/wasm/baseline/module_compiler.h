// Machine code for a module, up to what only the engine can do with it: publishing. For any selection on any host.
#pragma once

#include <asmjit/core.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/wasm/baseline/flag_import_sites.h"
#include "runtime/wasm/baseline/function_compiler.h"
#include "runtime/wasm/module/type_registry.h"

namespace shunt::wasm::baseline {

// Keeps the first error of the assembler, which goes on after it.
class FirstError final : public asmjit::ErrorHandler {
 public:
  void handleError(asmjit::Error error, const char*, asmjit::BaseEmitter*) override {
    if (error_ == asmjit::kErrorOk) error_ = error;
  }
  [[nodiscard]] Status status(const std::string& source_name) const {
    if (error_ == asmjit::kErrorOk) return Ok{};
    const bool too_large = error_ == asmjit::kErrorOutOfMemory || error_ == asmjit::kErrorTooLarge;
    return make_error(too_large ? ErrorCode::OutOfMemory : ErrorCode::Unsupported,
                      source_name + ": cannot generate code: " + asmjit::DebugUtils::errorAsString(error_));
  }

 private:
  asmjit::Error error_ = asmjit::kErrorOk;
};

template <Selection S>
class ModuleCompiler {
 public:
  ModuleCompiler(const asmjit::Environment& environment, typename S::Features features,
                 std::span<const FlagImport> flag_imports)
      : prepared_(holder_.init(environment)),
        selection_(holder_, features),
        flags_(selection_.assembler(), flag_imports),
        functions_(selection_, context_) {
    holder_.setErrorHandler(&errors_);
  }
  ModuleCompiler(const ModuleCompiler&) = delete;
  ModuleCompiler& operator=(const ModuleCompiler&) = delete;

  // Thunks, and what functions refer to. `data`, and of the options the keys, must outlive the compiler. Errors:
  // OutOfMemory, LimitExceeded.
  Status begin(const ModuleData& data, const BaselineOptions& options);
  // Errors: OutOfMemory, LimitExceeded.
  Status function(const FunctionBody& body);
  // Moves what is known of the code, but for what publishing says, to `code`. Errors: those of begin() and function().
  Status finish(BaselineCode& code);

  [[nodiscard]] asmjit::CodeHolder& holder() { return holder_; }
  [[nodiscard]] const FlagImportSites& flags() const { return flags_; }

 private:
  void check_size() const {
    if (selection_.offset() > context_.module->limits.machine_code_bytes) throw CodeTooLarge{};
  }
  [[nodiscard]] Error too_large() const {
    return make_error(ErrorCode::LimitExceeded, context_.module->source_name + ": more than " +
                                                    std::to_string(context_.module->limits.machine_code_bytes) +
                                                    " bytes of machine code (ModuleLimits::machine_code_bytes)");
  }
  Status compile(const FunctionBody& body);
  void enter_and_host_thunks(HostCallFunction host_call);
  void tier_thunks(const BaselineOptions& options);
  void debug_entry(std::uint32_t defined_function);
  Status status() const { return errors_.status(context_.module->source_name); }

  FirstError errors_;
  asmjit::CodeHolder holder_;
  asmjit::Error prepared_;
  S selection_;
  FlagImportSites flags_;
  std::optional<InterruptSites> interrupts_;
  std::optional<TierSites> tiers_;
  std::optional<TraceSites> traces_;
  std::optional<DebugSites> debug_;
  std::deque<StaticKey>* debug_keys_ = nullptr;
  std::vector<std::uint32_t> debug_entries_;    // offsets
  std::vector<SignatureLayout> layouts_;        // by type index
  std::vector<std::uint32_t> canonical_types_;  // by type index
  std::vector<std::uint8_t> flag_sites_;        // by imported function
  std::vector<asmjit::Label> entries_;          // by function index less imports
  ModuleContext context_;
  FunctionCompiler<S> functions_;
  std::vector<std::uint32_t> enter_thunks_, host_thunks_, optimised_thunks_, guest_calls_,
      function_entries_;  // offsets
  std::uint32_t builtin_call_ = 0, optimised_detour_ = 0;
  std::vector<FunctionRange> ranges_;
};

template <Selection S>
Status ModuleCompiler<S>::begin(const ModuleData& data, const BaselineOptions& options) {
  layouts_.reserve(data.types.size());
  for (const FunctionType& type : data.types) {
    layouts_.emplace_back(type, S::roles);
    canonical_types_.push_back(canonical_type(type));
  }
  for (std::uint32_t import = 0; import < data.imported_functions; ++import) {
    flag_sites_.push_back(flags_.is_site(import) ? 1 : 0);
  }
  if (options.debug == nullptr) entries_.resize(data.functions.size() - data.imported_functions);
  for (asmjit::Label& entry : entries_) entry = selection_.new_label();
  context_.module = &data;
  context_.types = layouts_;
  context_.flag_sites = flag_sites_;
  context_.canonical_types = canonical_types_;
  context_.entries = entries_;
  context_.flags = &flags_;
  if (options.interrupt != nullptr) context_.interrupts = &interrupts_.emplace(flags_.emitter(), *options.interrupt);
  if (options.trace_keys != nullptr) context_.traces = &traces_.emplace(flags_.emitter(), *options.trace_keys);
  selection_.begin_module(options.detour);
  if (traces_) selection_.trace_thunk(options.trace);
  debug_keys_ = options.debug_keys;
  if (options.debug != nullptr) {
    context_.compiled_alone = true;
    context_.debug = &debug_.emplace(flags_.emitter(), *options.debug);
    return status();
  }
  try {
    enter_and_host_thunks(options.host_call);
    if (options.entry_keys != nullptr) {
      context_.tiers =
          &tiers_.emplace(flags_.emitter(), *options.entry_keys, options.entry_counters, options.loop_counters);
      tier_thunks(options);
    }
  } catch (const CodeTooLarge&) {
    return too_large();
  }
  return status();
}

template <Selection S>
void ModuleCompiler<S>::enter_and_host_thunks(HostCallFunction host_call) {
  for (const SignatureLayout& layout : layouts_) {
    enter_thunks_.push_back(selection_.offset());
    selection_.enter_thunk(layout);
    host_thunks_.push_back(selection_.offset());
    selection_.host_thunk(layout, host_call);
    check_size();
  }
}

// While the key is off, a no-op; it leads nowhere else until a batch says where.
template <Selection S>
void ModuleCompiler<S>::debug_entry(std::uint32_t defined_function) {
  const asmjit::Label resume = selection_.new_label();
  const std::size_t site = flags_.emitter().branch((*debug_keys_)[defined_function], resume, SiteForm::AlignedWord);
  debug_entries_.push_back(flags_.emitter().sites()[site].offset);
  selection_.bind(resume);
}

template <Selection S>
void ModuleCompiler<S>::tier_thunks(const BaselineOptions& options) {
  for (const SignatureLayout& layout : layouts_) {
    optimised_thunks_.push_back(selection_.offset());
    selection_.optimised_thunk(layout);
    guest_calls_.push_back(selection_.offset());
    selection_.guest_call_thunk(layout);
    check_size();
  }
  builtin_call_ = selection_.offset();
  selection_.builtin_call_thunk();
  optimised_detour_ = selection_.offset();
  selection_.optimised_detour_thunk(options.detour, options.execution_offset);
  selection_.loop_entry_thunk();
}

template <Selection S>
Status ModuleCompiler<S>::function(const FunctionBody& body) {
  try {
    return compile(body);
  } catch (const CodeTooLarge&) {
    return too_large();
  }
}

template <Selection S>
Status ModuleCompiler<S>::compile(const FunctionBody& body) {
  constexpr std::uint32_t alignment = 16;
  selection_.assembler().align(asmjit::AlignMode::kCode, alignment);
  const std::uint32_t begin = selection_.offset();
  function_entries_.push_back(begin);
  const std::uint32_t defined = body.function - context_.module->imported_functions;
  if (!entries_.empty()) selection_.bind(entries_[defined]);
  if (tiers_) tiers_->add_entry(selection_, defined);  // at a multiple of 16: it needs no padding in front
  if (debug_keys_ != nullptr) debug_entry(defined);
  if (!functions_.compile(body)) {
    return make_error(ErrorCode::Unsupported,
                      context_.module->source_name + ": " + context_.module->display_name(body.function) +
                          ": the compiler ran out of registers; this is a mistake in it, please report it");
  }
  if (tiers_) tiers_->emit_stubs(selection_);
  ranges_.push_back({.begin = begin, .end = selection_.offset(), .function = body.function});
  return status();
}

template <Selection S>
Status ModuleCompiler<S>::finish(BaselineCode& code) {
  if (Status failed = status(); !failed) return failed;
  code.entries = std::move(function_entries_);
  code.enter_thunks = std::move(enter_thunks_);
  code.host_thunks = std::move(host_thunks_);
  code.optimised_thunks = std::move(optimised_thunks_);
  code.guest_calls = std::move(guest_calls_);
  code.builtin_call = builtin_call_;
  code.optimised_detour = optimised_detour_;
  code.trap_exit = selection_.trap_exit();
  code.functions = std::move(ranges_);
  code.traps = std::move(selection_.traps());
  code.flag_sites = std::move(flags_.flag_sites());
  if (interrupts_) code.interrupt_sites = std::move(interrupts_->sites());
  if (traces_) code.trace_sites = std::move(traces_->sites());
  code.debug_entries = std::move(debug_entries_);
  if (tiers_) {
    code.loop_heads = std::move(tiers_->heads());
    std::sort(code.loop_heads.begin(), code.loop_heads.end(), [](const LoopHead& left, const LoopHead& right) {
      return std::pair(left.function, left.module_offset) < std::pair(right.function, right.module_offset);
    });
  }
  code.sites = flags_.emitter().sites().size();
  return Ok{};
}

}  // namespace shunt::wasm::baseline
