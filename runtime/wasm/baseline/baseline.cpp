#include "runtime/wasm/baseline/baseline.h"

#include <new>
#include <utility>

#include "runtime/wasm/baseline/flag_import_sites.h"
#include "runtime/wasm/baseline/flag_stubs.h"
#include "runtime/wasm/baseline/function_compiler.h"
#include "runtime/wasm/baseline/x86_64_selection.h"
#include "runtime/wasm/module/type_registry.h"

namespace shunt::wasm {

using baseline::SignatureLayout;
using HostSelection = baseline::X86Selection;

BaselineCode::BaselineCode() = default;
BaselineCode::~BaselineCode() {
  if (flag_stubs) flag_stubs->detach();
}

namespace {

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

}  // namespace

struct BaselineCompiler::Impl {
  explicit Impl(const BaselineOptions& compiler_options)
      : options(compiler_options),
        prepared(holder.init(asmjit::Environment::host())),
        selection(holder, options.portable_code ? baseline::X86Features::none() : baseline::X86Features::host()),
        flags(selection.assembler(), options.flag_imports),
        functions(selection, context) {
    holder.setErrorHandler(&errors);
  }

  void begin(const ModuleData& data);
  Status function(const FunctionBody& body);
  Result<std::unique_ptr<BaselineCode>> finish();

  BaselineOptions options;
  FirstError errors;
  asmjit::CodeHolder holder;
  asmjit::Error prepared;
  HostSelection selection;
  baseline::FlagImportSites flags;
  std::vector<SignatureLayout> layouts;        // by type index
  std::vector<std::uint32_t> canonical_types;  // by type index
  std::vector<std::uint8_t> flag_sites;        // by imported function
  std::vector<asmjit::Label> entries;          // by function index less imports
  baseline::ModuleContext context;
  baseline::FunctionCompiler<HostSelection> functions;
  BaselineCode result;
};

void BaselineCompiler::Impl::begin(const ModuleData& data) {
  layouts.reserve(data.types.size());
  for (const FunctionType& type : data.types) {
    layouts.emplace_back(type, HostSelection::roles);
    canonical_types.push_back(canonical_type(type));
  }
  for (std::uint32_t import = 0; import < data.imported_functions; ++import) {
    flag_sites.push_back(flags.is_site(import) ? 1 : 0);
  }
  entries.resize(data.functions.size() - data.imported_functions);
  for (asmjit::Label& entry : entries) entry = selection.new_label();
  context.module = &data;
  context.types = layouts;
  context.flag_sites = flag_sites;
  context.canonical_types = canonical_types;
  context.entries = entries;
  context.flags = &flags;
  selection.begin_module();
  for (const SignatureLayout& layout : layouts) {
    result.enter_thunks.push_back(selection.offset());
    selection.enter_thunk(layout);
    result.host_thunks.push_back(selection.offset());
    selection.host_thunk(layout, options.host_call);
  }
  result.trap_exit = selection.trap_exit();
}

Status BaselineCompiler::Impl::function(const FunctionBody& body) {
  constexpr std::uint32_t alignment = 16;
  selection.assembler().align(asmjit::AlignMode::kCode, alignment);
  const std::uint32_t begin = selection.offset();
  result.entries.push_back(begin);
  selection.bind(entries[body.function - context.module->imported_functions]);
  if (!functions.compile(body)) {
    return make_error(ErrorCode::Unsupported,
                      context.module->source_name + ": " + context.module->display_name(body.function) +
                          ": the compiler ran out of registers; this is a mistake in it, please report it");
  }
  result.functions.push_back({.begin = begin, .end = selection.offset(), .function = body.function});
  return errors.status(context.module->source_name);
}

Result<std::unique_ptr<BaselineCode>> BaselineCompiler::Impl::finish() {
  if (Status status = errors.status(context.module->source_name); !status) return std::move(status).error();
  auto code = std::make_unique<BaselineCode>();
  code->entries = std::move(result.entries);
  code->enter_thunks = std::move(result.enter_thunks);
  code->host_thunks = std::move(result.host_thunks);
  code->trap_exit = result.trap_exit;
  code->functions = std::move(result.functions);
  code->traps = std::move(selection.traps());
  code->flag_sites = std::move(flags.flag_sites());
  code->sites = flags.emitter().sites().size();

  Result<Code> published = publish_code(*options.engine, holder, flags.emitter());
  if (!published) return std::move(published).error();
  code->code = std::move(*published);
  if (std::vector<baseline::ValueSite> numbers = flags.value_sites(holder); !numbers.empty()) {
    code->flag_stubs = std::make_unique<baseline::FlagStubs>(*options.engine, *options.flags,
                                                             HostSelection::stub_encoder, std::move(numbers));
    if (Status status = code->flag_stubs->attach(code->code.data()); !status) return std::move(status).error();
  }
  return code;
}

BaselineCompiler::BaselineCompiler(const BaselineOptions& options) : impl_(std::make_unique<Impl>(options)) {}
BaselineCompiler::~BaselineCompiler() = default;

namespace {

// Runs `action`; memory that runs out is an error.
template <class Action>
auto or_out_of_memory(Action action) -> decltype(action()) {
  try {
    return action();
  } catch (const std::bad_alloc&) {
    return make_error(ErrorCode::OutOfMemory, "no memory left while generating code");
  }
}

}  // namespace

Status BaselineCompiler::begin_code(const ModuleData& module) {
  if (!baseline::X86Features::host_suffices()) {
    return make_error(ErrorCode::Unsupported, "WebAssembly code needs a processor with SSE4.2 and POPCNT (x86-64-v2)");
  }
  return or_out_of_memory([&]() -> Status {
    impl_->begin(module);
    return impl_->errors.status(module.source_name);
  });
}

Status BaselineCompiler::function(const FunctionBody& body) {
  return or_out_of_memory([&] { return impl_->function(body); });
}

Result<std::unique_ptr<BaselineCode>> BaselineCompiler::finish() {
  return or_out_of_memory([&] { return impl_->finish(); });
}

}  // namespace shunt::wasm
