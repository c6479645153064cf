#include "runtime/wasm/tiers/module_bodies.h"

#include <algorithm>
#include <utility>

namespace shunt::wasm {

class ModuleBodies::Sink final : public FunctionSink {
 public:
  Sink(const ModuleData& module, const std::vector<std::uint32_t>* wanted, ModuleBodies& bodies)
      : module_(module), wanted_(wanted), bodies_(bodies) {}

  Status begin_code(const ModuleData&) override { return Ok{}; }

  Status function(const FunctionBody& body) override {
    if (wanted_ != nullptr && !std::binary_search(wanted_->begin(), wanted_->end(), body.function)) return Ok{};
    Storage& kept = *bodies_.storage_.emplace_back(std::make_unique<Storage>());
    kept.locals.assign(body.locals.begin(), body.locals.end());
    kept.ops.assign(body.ops.begin(), body.ops.end());
    kept.block_types.assign(body.block_types.begin(), body.block_types.end());
    kept.br_targets.assign(body.br_targets.begin(), body.br_targets.end());
    FunctionBody& copy = bodies_.bodies_.emplace_back(body);
    copy.type = &module_.type_of_function(body.function);
    copy.locals = kept.locals;
    copy.ops = kept.ops;
    copy.block_types = kept.block_types;
    copy.br_targets = kept.br_targets;
    return Ok{};
  }

 private:
  const ModuleData& module_;
  const std::vector<std::uint32_t>* wanted_;
  ModuleBodies& bodies_;
};

Result<ModuleBodies> ModuleBodies::read(std::span<const std::uint8_t> bytes, const ModuleData& module,
                                        const std::vector<std::uint32_t>* wanted) {
  ModuleBodies bodies;
  Sink sink(module, wanted, bodies);
  Result<std::unique_ptr<ModuleData>> read = read_module(bytes, module.source_name, sink, module.limits);
  if (!read) return std::move(read).error();
  return bodies;
}

}  // namespace shunt::wasm
