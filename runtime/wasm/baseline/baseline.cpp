#include "runtime/wasm/baseline/baseline.h"

#include <new>
#include <utility>

#include "runtime/wasm/baseline/flag_stubs.h"
#include "runtime/wasm/baseline/host_selection.h"
#include "runtime/wasm/baseline/module_compiler.h"

namespace shunt::wasm {

using baseline::HostSelection;

BaselineCode::BaselineCode() = default;
BaselineCode::~BaselineCode() {
  if (flag_stubs) flag_stubs->detach();
}

struct BaselineCompiler::Impl {
  explicit Impl(const BaselineOptions& compiler_options)
      : options(compiler_options),
        compiler(asmjit::Environment::host(),
                 options.portable_code ? HostSelection::Features::none() : HostSelection::Features::host(),
                 options.flag_imports) {}

  Result<std::unique_ptr<BaselineCode>> finish();

  BaselineOptions options;
  baseline::ModuleCompiler<HostSelection> compiler;
};

Result<std::unique_ptr<BaselineCode>> BaselineCompiler::Impl::finish() {
  auto code = std::make_unique<BaselineCode>();
  if (Status status = compiler.finish(*code); !status) return std::move(status).error();
  Result<Code> published = publish_code(*options.engine, compiler.holder(), compiler.flags().emitter());
  if (!published) return std::move(published).error();
  code->code = std::move(*published);
  if (std::vector<baseline::ValueSite> numbers = compiler.flags().value_sites(compiler.holder()); !numbers.empty()) {
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
  if (!HostSelection::Features::host_suffices()) {
    return make_error(ErrorCode::Unsupported,
                      std::string("WebAssembly code needs a processor with ") + HostSelection::Features::required);
  }
  return or_out_of_memory([&] { return impl_->compiler.begin(module, impl_->options); });
}

Status BaselineCompiler::function(const FunctionBody& body) {
  return or_out_of_memory([&] { return impl_->compiler.function(body); });
}

Result<std::unique_ptr<BaselineCode>> BaselineCompiler::finish() {
  return or_out_of_memory([&] { return impl_->finish(); });
}

}  // namespace shunt::wasm
