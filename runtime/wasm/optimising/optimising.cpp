#include "runtime/wasm/optimising/optimising.h"

#include <llvm/DebugInfo/DWARF/DWARFContext.h>
#include <llvm/ExecutionEngine/JITLink/JITLink.h>
#include <llvm/IR/LLVMContext.h>
#include <llvm/Object/ObjectFile.h>
#include <llvm/Support/MemoryBuffer.h>

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "runtime/wasm/module/code_names.h"
#include "runtime/wasm/optimising/llvm_versions.h"
#include "runtime/wasm/optimising/lowering.h"
#include "runtime/wasm/optimising/pipeline.h"
#include "shunt/codegen/orc.h"

namespace shunt::wasm {
namespace {

// Code from `offset` on belongs to a byte of the module, up to the next. 0: to none.
struct LinePlace {
  std::uint32_t offset;
  std::uint32_t module_offset;
};

// Where a function's bytes begin in the module.
struct BodyRange {
  std::uint32_t begin, end;
  std::uint32_t function;
};

// Links one object into the engine's code memory.
class Linking final : public llvm::jitlink::JITLinkContext {
 public:
  explicit Linking(orc::CodeMemoryManager& memory) : JITLinkContext(nullptr), memory_(memory) {}

  // Calls the linker's functions back before it returns. Results stay where they are.
  struct Outcome {
    llvm::jitlink::JITLinkMemoryManager::FinalizedAlloc allocation;
    std::unordered_map<std::string, const void*> symbols;
    std::optional<Error> error;
  };
  static Outcome link(orc::CodeMemoryManager& memory, llvm::MemoryBufferRef object) {
    Outcome outcome;
    llvm::Expected<std::unique_ptr<llvm::jitlink::LinkGraph>> graph = make_link_graph(object);
    if (!graph) {
      outcome.error = orc::from_llvm(graph.takeError(), ErrorCode::Unsupported);
      return outcome;
    }
    auto context = std::make_unique<Linking>(memory);
    context->outcome_ = &outcome;
    llvm::jitlink::link(std::move(*graph), std::move(context));
    return outcome;
  }

  llvm::jitlink::JITLinkMemoryManager& getMemoryManager() override { return memory_; }
  void notifyFailed(llvm::Error error) override {
    outcome_->error = orc::from_llvm(std::move(error), ErrorCode::Unsupported);
  }
  void lookup(const LookupMap& symbols, std::unique_ptr<llvm::jitlink::JITLinkAsyncLookupContinuation> go_on) override {
    if (symbols.empty()) return go_on->run(llvm::jitlink::AsyncLookupResult());
    go_on->run(llvm::make_error<llvm::StringError>(
        "compiled code refers to " + name_of(symbols.begin()->first).str() + ", and the runtime has no such function",
        llvm::inconvertibleErrorCode()));
  }
  llvm::Error notifyResolved(llvm::jitlink::LinkGraph& graph) override {
    for (llvm::jitlink::Symbol* const symbol : graph.defined_symbols()) {
      if (!symbol->hasName() || symbol->getScope() == llvm::jitlink::Scope::Local) continue;
      outcome_->symbols.emplace(std::string(name_of(*symbol)), symbol->getAddress().toPtr<const void*>());
    }
    return llvm::Error::success();
  }
  void notifyFinalized(llvm::jitlink::JITLinkMemoryManager::FinalizedAlloc allocation) override {
    outcome_->allocation = std::move(allocation);
  }
  llvm::Error modifyPassConfig(llvm::jitlink::LinkGraph&, llvm::jitlink::PassConfiguration& passes) override {
    orc::add_site_passes(passes, memory_);
    return llvm::Error::success();
  }

 private:
  orc::CodeMemoryManager& memory_;
  Outcome* outcome_ = nullptr;
};

// The line table of an object with one section of code, by offset in it.
std::vector<LinePlace> read_lines(llvm::MemoryBufferRef object, std::uint64_t& text_size) {
  std::vector<LinePlace> lines;
  llvm::Expected<std::unique_ptr<llvm::object::ObjectFile>> file = llvm::object::ObjectFile::createObjectFile(object);
  if (!file) {
    llvm::consumeError(file.takeError());
    return lines;
  }
  for (const llvm::object::SectionRef& section : (*file)->sections()) {
    llvm::Expected<llvm::StringRef> name = section.getName();
    if (name && *name == ".text") text_size = section.getSize();
    if (!name) llvm::consumeError(name.takeError());
  }
  const std::unique_ptr<llvm::DWARFContext> debug = llvm::DWARFContext::create(**file);
  for (const std::unique_ptr<llvm::DWARFUnit>& unit : debug->compile_units()) {
    const llvm::DWARFDebugLine::LineTable* const table = debug->getLineTableForUnit(unit.get());
    if (table == nullptr) continue;
    for (const llvm::DWARFDebugLine::Row& row : table->Rows) {
      lines.push_back({static_cast<std::uint32_t>(row.Address.Address), row.EndSequence ? 0 : row.Line});
    }
  }
  // What belongs to no byte comes first of those at one place: a sequence ends where another may begin.
  std::sort(lines.begin(), lines.end(), [](const LinePlace& left, const LinePlace& right) {
    return std::pair(left.offset, left.module_offset) < std::pair(right.offset, right.module_offset);
  });
  return lines;
}

class LinkedCode final : public OptimisedCode {
 public:
  explicit LinkedCode(Engine& engine) : memory_(engine) {}
  ~LinkedCode() override {
    if (!allocation_) return;
    std::vector<llvm::jitlink::JITLinkMemoryManager::FinalizedAlloc> allocations;
    allocations.push_back(std::move(allocation_));
    memory_.deallocate(std::move(allocations), [](llvm::Error error) { llvm::consumeError(std::move(error)); });
  }
  LinkedCode(const LinkedCode&) = delete;
  LinkedCode& operator=(const LinkedCode&) = delete;

  [[nodiscard]] std::span<const OptimisedFunction> functions() const override { return functions_; }
  [[nodiscard]] std::span<const OptimisedLoop> loops() const override { return loops_; }
  [[nodiscard]] std::span<const OutsideEntry> outside() const override { return outside_; }
  [[nodiscard]] const Code& code() const override { return *code_; }
  [[nodiscard]] std::optional<CodePlace> place_of(std::uintptr_t pc) const override {
    const std::uint64_t offset = pc - text_;
    const auto after =
        std::upper_bound(lines_.begin(), lines_.end(), offset,
                         [](std::uint64_t wanted, const LinePlace& line) { return wanted < line.offset; });
    if (after == lines_.begin()) return std::nullopt;
    const std::uint32_t place = std::prev(after)->module_offset;
    const auto body =
        std::upper_bound(bodies_.begin(), bodies_.end(), place,
                         [](std::uint32_t wanted, const BodyRange& range) { return wanted < range.begin; });
    if (body == bodies_.begin() || place >= std::prev(body)->end) return std::nullopt;
    return CodePlace{.function = std::prev(body)->function, .module_offset = place};
  }

  Status link(llvm::MemoryBufferRef object, std::span<const FunctionBody> bodies, std::span<const CodePlace> loops,
              std::span<const std::uint32_t> outside) {
    Linking::Outcome outcome = Linking::link(memory_, object);
    allocation_ = std::move(outcome.allocation);
    if (outcome.error) return *outcome.error;
    code_ = &memory_.code(allocation_);
    std::uint64_t text_size = 0;
    lines_ = read_lines(object, text_size);
    for (const FunctionBody& body : bodies) {
      bodies_.push_back({body.offset, body.offset + body.size, body.function});
      const void* const entry = outcome.symbols.at(body_name(body.function));
      functions_.push_back({body.function, entry, slots_entry(outcome, slots_name(body.function))});
      text_ = std::min(text_, reinterpret_cast<std::uintptr_t>(entry));
    }
    for (const CodePlace& loop : loops) loops_.push_back({loop, slots_entry(outcome, loop_name(loop))});
    for (const std::uint32_t function : outside) {
      const auto found = outcome.symbols.find(outside_name(function));  // the linker strips what is not called
      if (found == outcome.symbols.end()) continue;
      outside_.push_back({function, static_cast<const std::uint8_t*>(found->second)});
    }
    return Ok{};
  }

 private:
  static SlotsEntry slots_entry(const Linking::Outcome& outcome, const std::string& name) {
    return reinterpret_cast<SlotsEntry>(reinterpret_cast<std::uintptr_t>(outcome.symbols.at(name)));
  }

  orc::CodeMemoryManager memory_;
  llvm::jitlink::JITLinkMemoryManager::FinalizedAlloc allocation_;
  const Code* code_ = nullptr;
  std::vector<OptimisedFunction> functions_;
  std::vector<OptimisedLoop> loops_;
  std::vector<OutsideEntry> outside_;
  std::vector<BodyRange> bodies_;      // sorted
  std::vector<LinePlace> lines_;       // sorted
  std::uintptr_t text_ = UINTPTR_MAX;  // where the section of code begins: with the first function's body
};

Result<std::unique_ptr<OptimisedCode>> compile_once(const OptimisingOptions& options, const ModuleData& module,
                                                    std::span<const FunctionBody> bodies) {
  auto machine = make_target_machine();
  if (!machine) return std::move(machine).error();
  llvm::LLVMContext context;
  llvm::Module ir(module.source_name, context);
  ir.setDataLayout((*machine)->createDataLayout());
  set_triple(ir, (*machine)->getTargetTriple());
  const std::vector<CodePlace> loops = lower_functions(options, module, bodies, ir);
  const orc::LateDetours detours{.key = options.interrupt,
                                 .entry = reinterpret_cast<std::uintptr_t>(options.interrupt_entry),
                                 .without = optimise(ir, **machine, module, options)};
  const std::vector<std::uint32_t> outside = write_outside_entries(options, module, ir);
  llvm::Expected<llvm::SmallVector<char, 0>> object = orc::generate_object(ir, **machine, detours);
  if (!object) return orc::from_llvm(object.takeError(), ErrorCode::Unsupported);
  const llvm::MemoryBufferRef buffer(llvm::StringRef(object->data(), object->size()), module.source_name);
  auto code = std::make_unique<LinkedCode>(*options.engine);
  if (Status linked = code->link(buffer, bodies, loops, outside); !linked) return std::move(linked).error();
  return std::unique_ptr<OptimisedCode>(std::move(code));
}

}  // namespace

Result<std::unique_ptr<OptimisedCode>> compile_optimised(const OptimisingOptions& options, const ModuleData& module,
                                                         std::span<const FunctionBody> bodies) {
  // Code whose assumption is broken while it is compiled is refused. The next try does without that one.
  const std::size_t most_tries = 1 + (options.assumptions == nullptr ? 0 : options.assumptions->tables());
  for (std::size_t tries = 1;; ++tries) {
    Result<std::unique_ptr<OptimisedCode>> code = compile_once(options, module, bodies);
    if (code) {
      if (Status named = name_code(*options.engine, module, **code); !named) return std::move(named).error();
    }
    if (code || code.error().code() != ErrorCode::AssumptionBroken || tries == most_tries) return code;
  }
}

}  // namespace shunt::wasm
