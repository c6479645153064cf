#include "runtime/wasm/optimising/lowering.h"

#include <llvm/BinaryFormat/Dwarf.h>
#include <llvm/IR/DIBuilder.h>
#include <llvm/IR/MDBuilder.h>

#include <algorithm>
#include <map>

#include "runtime/wasm/optimising/function_lowering.h"
#include "shunt/codegen/orc.h"

namespace shunt::wasm {

std::string body_name(std::uint32_t function) {
  return "body." + std::to_string(function);
}
std::string slots_name(std::uint32_t function) {
  return "slots." + std::to_string(function);
}
std::string outside_name(std::uint32_t function) {
  return "outside." + std::to_string(function);
}
std::string through_name(std::uint32_t function) {
  return "through." + std::to_string(function);
}
std::string loop_name(const CodePlace& loop) {
  return "loop." + std::to_string(loop.function) + "." + std::to_string(loop.module_offset);
}

ModuleLowering::ModuleLowering(const OptimisingOptions& compile_options, const ModuleData& data,
                               llvm::Module& module_ir)
    : options(compile_options),
      module(data),
      ir(module_ir),
      bodies_(data.functions.size()),
      outside_(data.functions.size()),
      call_references_(data.types.size()),
      tables_(data.tables.size()),
      globals_(data.globals.size()) {
  if (options.assumptions != nullptr) {
    for (std::uint32_t i = 0; i < tables_.size(); ++i) tables_[i] = wasm::known_table(data, i);
    for (std::uint32_t i = 0; i < globals_.size(); ++i) globals_[i] = wasm::known_global(data, i);
  }
  llvm::MDBuilder metadata(ir.getContext());
  llvm::MDNode* const root = metadata.createTBAARoot("shunt");
  const auto kind = [&](const char* name) {
    llvm::MDNode* const type = metadata.createTBAAScalarTypeNode(name, root);
    return metadata.createTBAAStructTagNode(type, type, 0);
  };
  guest_memory = kind("guest memory");
  globals = kind("globals");
  runtime_data = kind("runtime");
}

llvm::Type* ModuleLowering::type(ValueType value_type) const {
  switch (value_type) {
    case ValueType::I32:
      return llvm::Type::getInt32Ty(ir.getContext());
    case ValueType::F32:
      return llvm::Type::getFloatTy(ir.getContext());
    case ValueType::F64:
      return llvm::Type::getDoubleTy(ir.getContext());
    default:
      return llvm::Type::getInt64Ty(ir.getContext());
  }
}

llvm::Type* ModuleLowering::result_type(const FunctionType& function_type) const {
  if (function_type.results.empty()) return llvm::Type::getVoidTy(ir.getContext());
  if (function_type.results.size() == 1) return type(function_type.results.front());
  std::vector<llvm::Type*> results;
  for (const ValueType result : function_type.results) results.push_back(type(result));
  return llvm::StructType::get(ir.getContext(), results);
}

llvm::FunctionType* ModuleLowering::body_type(const FunctionType& function_type) const {
  std::vector<llvm::Type*> params{llvm::PointerType::getUnqual(ir.getContext())};
  for (const ValueType param : function_type.params) params.push_back(type(param));
  return llvm::FunctionType::get(result_type(function_type), params, false);
}

void ModuleLowering::decorate(llvm::Function& function) const {
  function.setDoesNotThrow();
  function.addFnAttr("probe-stack", "inline-asm");   // frames may be larger than the stack's guard
  function.addFnAttr("disable-tail-calls", "true");  // a recursion that never ends is a trap, not a loop
  function.addFnAttr("no-builtins");                 // no calls of the C library
  function.addFnAttr(llvm::Attribute::NoRedZone);    // detours push
  function.addFnAttr(llvm::Attribute::NullPointerIsValid);
}

llvm::Function* ModuleLowering::new_body(std::uint32_t function, const std::string& name) {
  llvm::Function* const body = llvm::Function::Create(body_type(module.type_of_function(function)),
                                                      llvm::GlobalValue::ExternalLinkage, name, ir);
  decorate(*body);
  body->addParamAttr(0, llvm::Attribute::SwiftSelf);
  body->addParamAttr(0, llvm::Attribute::NonNull);
  return body;
}

void ModuleLowering::declare(std::uint32_t function) {
  bodies_[function] = new_body(function, body_name(function));
}

llvm::Function* ModuleLowering::outside(std::uint32_t function) {
  if (options.tier_keys == nullptr || function < module.imported_functions) return nullptr;
  llvm::Function*& entry = outside_[function];
  if (entry != nullptr) return entry;
  entry = new_body(function, outside_name(function));
  llvm::Function* const through = new_body(function, through_name(function));
  llvm::IRBuilder<> b(llvm::BasicBlock::Create(ir.getContext(), "entry", through));
  std::vector<llvm::Value*> arguments{function_reference(b, through->getArg(0), function)};
  for (llvm::Argument& argument : llvm::drop_begin(through->args())) arguments.push_back(&argument);
  llvm::CallInst* const call = b.CreateCall(call_reference(module.functions[function].type), arguments);
  if (call->getType()->isVoidTy()) {
    b.CreateRetVoid();
  } else {
    b.CreateRet(call);
  }
  return entry;
}

llvm::Value* ModuleLowering::function_reference(llvm::IRBuilderBase& b, llvm::Value* context,
                                                std::uint32_t function) const {
  llvm::Value* const place = b.CreateConstInBoundsGEP1_64(b.getInt8Ty(), context, offsetof(VmContext, functions));
  llvm::LoadInst* const references = b.CreateLoad(b.getPtrTy(), place);
  references->setMetadata(llvm::LLVMContext::MD_tbaa, runtime_data);
  return b.CreateConstInBoundsGEP1_64(b.getInt8Ty(), references, std::uint64_t{function} * sizeof(FuncRef));
}

namespace {

llvm::Value* to_slot(llvm::IRBuilder<>& b, llvm::Value* value) {
  if (value->getType()->isFloatTy()) value = b.CreateBitCast(value, b.getInt32Ty());
  if (value->getType()->isDoubleTy()) value = b.CreateBitCast(value, b.getInt64Ty());
  return b.CreateZExt(value, b.getInt64Ty());
}

}  // namespace

llvm::Value* from_slot(llvm::IRBuilder<>& b, llvm::Value* slots, std::size_t index, llvm::Type* type) {
  return b.CreateLoad(type, b.CreateConstInBoundsGEP1_64(b.getInt64Ty(), slots, index));
}

void store_slot(llvm::IRBuilder<>& b, llvm::Value* slots, std::size_t index, llvm::Value* value) {
  b.CreateStore(to_slot(b, value), b.CreateConstInBoundsGEP1_64(b.getInt64Ty(), slots, index));
}

void write_slots_entry(ModuleLowering& shared, std::uint32_t function, llvm::Function& entry) {
  const FunctionType& type = shared.module.type_of_function(function);
  llvm::IRBuilder<> b(llvm::BasicBlock::Create(entry.getContext(), "entry", &entry));
  llvm::Value* const slots = entry.getArg(1);
  std::vector<llvm::Value*> arguments{entry.getArg(0)};
  for (std::size_t i = 0; i < type.params.size(); ++i) {
    arguments.push_back(from_slot(b, slots, i, shared.type(type.params[i])));
  }
  llvm::CallInst* const call = b.CreateCall(shared.body(function), arguments);
  call->addParamAttr(0, llvm::Attribute::SwiftSelf);
  call->setIsNoInline();  // the body is there already
  if (type.results.size() == 1) store_slot(b, slots, 0, call);
  for (std::size_t i = 0; type.results.size() > 1 && i < type.results.size(); ++i) {
    store_slot(b, slots, i, b.CreateExtractValue(call, static_cast<unsigned>(i)));
  }
  b.CreateRetVoid();
}

llvm::Function* ModuleLowering::call_reference(std::uint32_t type_index) {
  llvm::Function*& function = call_references_[type_index];
  if (function == nullptr) {
    // The same arguments, with the FuncRef* where a body has its context.
    function = llvm::Function::Create(body_type(module.types[type_index]), llvm::GlobalValue::InternalLinkage,
                                      "call." + std::to_string(type_index), ir);
    decorate(*function);
    build_call_reference(*function, type_index);
  }
  return function;
}

// The callee's optimised body if there is one, else whatever its reference leads to.
void ModuleLowering::build_call_reference(llvm::Function& function, std::uint32_t type_index) {
  const FunctionType& callee = module.types[type_index];
  llvm::LLVMContext& context = ir.getContext();
  auto* const entry = llvm::BasicBlock::Create(context, "entry", &function);
  auto* const optimised = llvm::BasicBlock::Create(context, "optimised", &function);
  auto* const other = llvm::BasicBlock::Create(context, "other", &function);
  llvm::IRBuilder<> b(entry);
  llvm::Value* const reference = function.getArg(0);
  const auto member = [&](std::size_t offset) {
    return b.CreateLoad(b.getPtrTy(), b.CreateConstInBoundsGEP1_64(b.getInt8Ty(), reference, offset));
  };
  llvm::Value* const callee_context = member(offsetof(FuncRef, context));
  // Acquire: the code behind the pointer was published before it was stored.
  llvm::LoadInst* const body = member(offsetof(FuncRef, optimised));
  body->setAtomic(llvm::AtomicOrdering::Acquire);
  body->setAlignment(llvm::Align(alignof(void*)));
  b.CreateCondBr(b.CreateIsNotNull(body), optimised, other);

  b.SetInsertPoint(optimised);
  std::vector<llvm::Value*> arguments{callee_context};
  for (std::size_t i = 0; i < callee.params.size(); ++i)
    arguments.push_back(function.getArg(static_cast<unsigned>(i + 1)));
  llvm::CallInst* const call = b.CreateCall(function.getFunctionType(), body, arguments);
  call->addParamAttr(0, llvm::Attribute::SwiftSelf);
  if (callee.results.empty()) {
    b.CreateRetVoid();
  } else {
    b.CreateRet(call);
  }

  b.SetInsertPoint(other);
  const std::size_t words = std::max<std::size_t>({callee.params.size(), callee.results.size(), 1});
  llvm::AllocaInst* const slots = b.CreateAlloca(b.getInt64Ty(), b.getInt64(words));
  for (std::size_t i = 0; i < callee.params.size(); ++i) store_slot(b, slots, i, arguments[i + 1]);
  llvm::Value* const code = member(offsetof(FuncRef, code));
  llvm::FunctionType* const thunk_type =
      llvm::FunctionType::get(b.getVoidTy(), {b.getPtrTy(), b.getPtrTy(), b.getPtrTy()}, false);
  const auto thunk = reinterpret_cast<std::uintptr_t>(options.call_guest[type_index]);
  b.CreateCall(thunk_type, b.CreateIntToPtr(b.getInt64(thunk), b.getPtrTy()), {callee_context, code, slots});
  if (callee.results.empty()) {
    b.CreateRetVoid();
  } else if (callee.results.size() == 1) {
    b.CreateRet(from_slot(b, slots, 0, type(callee.results.front())));
  } else {
    std::vector<llvm::Value*> results;
    for (std::size_t i = 0; i < callee.results.size(); ++i) {
      results.push_back(from_slot(b, slots, i, type(callee.results[i])));
    }
    b.CreateAggregateRet(results.data(), static_cast<unsigned>(results.size()));
  }
}

namespace {

// Lines are bytes of the module.
class DebugScopes {
 public:
  DebugScopes(const ModuleData& module, llvm::Module& ir) : module_(module), builder_(ir) {
    file_ = builder_.createFile(module.source_name, ".");
    unit_ = builder_.createCompileUnit(llvm::dwarf::DW_LANG_C, file_, "shunt", true, "", 0, "",
                                       llvm::DICompileUnit::LineTablesOnly);
    ir.addModuleFlag(llvm::Module::Warning, "Debug Info Version", llvm::DEBUG_METADATA_VERSION);
    ir.addModuleFlag(llvm::Module::Warning, "Dwarf Version", 5);
  }
  llvm::DISubprogram* function(const FunctionBody& body) {
    llvm::DISubroutineType* const type = builder_.createSubroutineType(builder_.getOrCreateTypeArray({}));
    return builder_.createFunction(unit_, module_.display_name(body.function), body_name(body.function), file_,
                                   body.offset, type, body.offset, llvm::DINode::FlagZero,
                                   llvm::DISubprogram::SPFlagDefinition | llvm::DISubprogram::SPFlagOptimized);
  }
  void finish() { builder_.finalize(); }

 private:
  const ModuleData& module_;
  llvm::DIBuilder builder_;
  llvm::DIFile* file_;
  llvm::DICompileUnit* unit_;
};

// The entries that are wanted at loops, the first ones first, as far as they do not cost many times what their
// functions do: nested loops cost more, the deeper they are.
std::vector<CodePlace> lower_loops(ModuleLowering& shared, DebugScopes& scopes, std::span<const FunctionBody> bodies) {
  constexpr std::size_t always = 10'000;  // operations
  constexpr std::size_t times = 4;
  std::map<std::uint32_t, std::size_t> budgets;
  std::vector<CodePlace> lowered;
  for (const CodePlace& loop : shared.options.loops) {
    const auto body = std::find_if(bodies.begin(), bodies.end(),
                                   [&](const FunctionBody& one) { return one.function == loop.function; });
    if (body == bodies.end()) continue;
    std::size_t& budget = budgets.try_emplace(loop.function, always + times * body->ops.size()).first->second;
    if (lower_loop(shared, *body, loop, scopes.function(*body), budget)) lowered.push_back(loop);
  }
  return lowered;
}

}  // namespace

std::vector<CodePlace> lower_functions(const OptimisingOptions& options, const ModuleData& module,
                                       std::span<const FunctionBody> bodies, llvm::Module& ir) {
  ModuleLowering shared(options, module, ir);
  DebugScopes scopes(module, ir);
  for (const FunctionBody& body : bodies) shared.declare(body.function);
  for (const FunctionBody& body : bodies) {
    llvm::DISubprogram* const scope = scopes.function(body);
    shared.body(body.function)->setSubprogram(scope);
    FunctionLowering(shared, body, *shared.body(body.function), scope).run();
    llvm::Type* const pointer = llvm::PointerType::getUnqual(ir.getContext());
    llvm::FunctionType* const type =
        llvm::FunctionType::get(llvm::Type::getVoidTy(ir.getContext()), {pointer, pointer}, false);
    llvm::Function* const entry =
        llvm::Function::Create(type, llvm::GlobalValue::ExternalLinkage, slots_name(body.function), ir);
    shared.decorate(*entry);
    write_slots_entry(shared, body.function, *entry);
  }
  std::vector<CodePlace> loops = lower_loops(shared, scopes, bodies);
  scopes.finish();
  return loops;
}

std::vector<std::uint32_t> write_outside_entries(const OptimisingOptions& options, const ModuleData& module,
                                                 llvm::Module& ir) {
  std::vector<std::uint32_t> written;
  for (std::uint32_t i = module.imported_functions; i < module.functions.size(); ++i) {
    llvm::Function* const through = ir.getFunction(through_name(i));
    if (through == nullptr) continue;
    llvm::Function* const entry = ir.getFunction(outside_name(i));
    if (entry == nullptr || entry->use_empty()) {  // no call of it is left
      through->eraseFromParent();
      continue;
    }
    orc::emit_redirectable(*entry, (*options.tier_keys)[i - module.imported_functions], entry_states, *through);
    written.push_back(i);
  }
  return written;
}

}  // namespace shunt::wasm
