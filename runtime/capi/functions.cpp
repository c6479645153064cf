// wasm.h's functions: those of the host, and calls of any.
#include <algorithm>
#include <memory>
#include <string>

#include "runtime/capi/errors.h"
#include "runtime/capi/store.h"
#include "runtime/capi/types.h"
#include "runtime/capi/values.h"
#include "runtime/wasm/instance/inline_buffer.h"

namespace shunt::wasmc {
namespace {

using runtime::FunctionType;
using runtime::Value;

// What a function of the host is made of. Its finalizer runs when the store ends.
struct HostCallback {
  HostCallback(wasm_func_callback_t plain_callback, wasm_func_callback_with_env_t env_callback, void* its_env,
               void (*its_finalizer)(void*))
      : plain(plain_callback), with_env(env_callback), env(its_env), finalizer(its_finalizer) {}
  ~HostCallback() {
    if (finalizer != nullptr) finalizer(env);
  }
  HostCallback(const HostCallback&) = delete;
  HostCallback& operator=(const HostCallback&) = delete;

  wasm_trap_t* operator()(const wasm_val_vec_t* arguments, wasm_val_vec_t* results) const {
    return plain != nullptr ? plain(arguments, results) : with_env(env, arguments, results);
  }

  const wasm_func_callback_t plain;
  const wasm_func_callback_with_env_t with_env;
  void* const env;
  void (*const finalizer)(void*);
};

// Values whose references end with it.
class OwnedValues {
 public:
  explicit OwnedValues(std::size_t count) : values_(count), vec_{count, values_.all().data()} {
    for (wasm_val_t& value : values_.all()) value = empty_value(runtime::ValueType::I32);
  }
  ~OwnedValues() {
    for (wasm_val_t& value : values_.all()) wasm_val_delete(&value);
  }
  OwnedValues(const OwnedValues&) = delete;
  OwnedValues& operator=(const OwnedValues&) = delete;

  wasm_val_t& operator[](std::size_t index) { return vec_.data[index]; }
  wasm_val_vec_t* vec() { return &vec_; }

 private:
  wasm::InlineBuffer<wasm_val_t, 16> values_;
  wasm_val_vec_t vec_;
};

// From the guest to the host and back.
Status call_host(StoreObjects& store, const HostCallback& callback, std::span<const Value> arguments,
                 std::span<Value> results) {
  OwnedValues in(arguments.size()), out(results.size());
  for (std::size_t i = 0; i < arguments.size(); ++i) in[i] = to_value(store, arguments[i].type, arguments[i].bits);
  for (std::size_t i = 0; i < results.size(); ++i) out[i] = empty_value(results[i].type);
  if (const std::unique_ptr<wasm_trap_t> trap{callback(in.vec(), out.vec())}) {
    store.pending_trap = trap->counted;
    return make_error(ErrorCode::Trap, trap->counted->message);
  }
  for (std::size_t i = 0; i < results.size(); ++i) {
    const std::string what = "result " + std::to_string(i) + " of a function of the host";
    Result<std::uint64_t> word = to_word(store, results[i].type, out[i], what.c_str());
    if (!word) return std::move(word).error();
    results[i].bits = *word;
  }
  return Ok{};
}

Result<wasm::FuncRef*> make_host_function(StoreObjects& store, const FunctionType& type,
                                          std::shared_ptr<const HostCallback> callback) {
  Result<runtime::Module> module = store.engine().host_function_module(type);
  if (!module) return std::move(module).error();
  auto function = std::make_shared<const runtime::HostFunction>(
      [&store, callback = std::move(callback)](runtime::Caller, std::span<const Value> arguments,
                                               std::span<Value> results) {
        return call_host(store, *callback, arguments, results);
      });
  const wasm::Extern definition = wasm::HostDefinition{type, std::move(function)};
  const wasm::Extern* const imports[] = {&definition};
  Result<wasm::InstanceState*> instance = wasm::make_instance(store.state(), module->state(), imports);
  if (!instance) return std::move(instance).error();
  return &(*instance)->functions.front();
}

wasm_func_t* new_function(wasm_store_t* store, const wasm_functype_t* type, wasm_func_callback_t plain,
                          wasm_func_callback_with_env_t with_env, void* env, void (*finalizer)(void*)) noexcept {
  return guarded([&]() -> wasm_func_t* {
    StoreObjects& objects = *store->objects;
    Result<wasm::FuncRef*> made =
        make_host_function(objects, from_c(*type), std::make_shared<HostCallback>(plain, with_env, env, finalizer));
    if (made) return std::make_unique<wasm_func_t>(store->objects, **made).release();
    keep_error(made.error());
    return nullptr;
  });
}

Error wrong_count(const FunctionType& type, const std::string& what) {
  return make_error(ErrorCode::InvalidArgument, "a function of type " + to_string(type) + ", called with " + what);
}

Status call(const wasm_func_t& func, const wasm_val_vec_t& arguments, wasm_val_vec_t& results) {
  StoreObjects& store = *func.store;
  const FunctionType& type = func.type();
  store.state().stopped_at = {};
  if (arguments.size != type.params.size()) return wrong_count(type, std::to_string(arguments.size) + " arguments");
  store.tidy();
  wasm::InlineBuffer<std::uint64_t, 16> words(std::max(type.params.size(), type.results.size()));
  std::uint64_t* const slots = words.all().data();
  for (std::size_t i = 0; i < type.params.size(); ++i) {
    const std::string what = "argument " + std::to_string(i);
    Result<std::uint64_t> word = to_word(store, type.params[i], arguments.data[i], what.c_str());
    if (!word) return std::move(word).error();
    slots[i] = *word;
  }
  if (Status called = wasm::call_function(func.instance(), func.reference.function, slots); !called) return called;
  // Now only: hosts give a function no room that they know to trap.
  if (results.size < type.results.size())
    return wrong_count(type, "room for " + std::to_string(results.size) + " results");
  for (std::size_t i = 0; i < type.results.size(); ++i) results.data[i] = to_value(store, type.results[i], slots[i]);
  return Ok{};
}

}  // namespace
}  // namespace shunt::wasmc

extern "C" {

wasm_func_t* wasm_func_new(wasm_store_t* store, const wasm_functype_t* type, wasm_func_callback_t callback) {
  return shunt::wasmc::new_function(store, type, callback, nullptr, nullptr, nullptr);
}
wasm_func_t* wasm_func_new_with_env(wasm_store_t* store, const wasm_functype_t* type,
                                    wasm_func_callback_with_env_t callback, void* env, void (*finalizer)(void*)) {
  return shunt::wasmc::new_function(store, type, nullptr, callback, env, finalizer);
}

wasm_functype_t* wasm_func_type(const wasm_func_t* func) {
  return shunt::wasmc::guarded([&] { return shunt::wasmc::to_c(func->type()).release(); });
}
size_t wasm_func_param_arity(const wasm_func_t* func) {
  return func->type().params.size();
}
size_t wasm_func_result_arity(const wasm_func_t* func) {
  return func->type().results.size();
}

// Null would say that the call returned: without memory even for the trap that says so, the process ends here.
wasm_trap_t* wasm_func_call(const wasm_func_t* func, const wasm_val_vec_t* args, wasm_val_vec_t* results) {
  using shunt::wasmc::TrapObject;
  static constexpr wasm_val_vec_t none{0, nullptr};
  wasm_val_vec_t nowhere = none;
  return [&]() noexcept -> wasm_trap_t* {
    try {
      const shunt::Status called =
          shunt::wasmc::call(*func, args == nullptr ? none : *args, results == nullptr ? nowhere : *results);
      if (called) return nullptr;
      shunt::wasmc::keep_error(called.error());
      return new wasm_trap_t(func->store, func->store->trap_for(called.error()));
    } catch (const std::bad_alloc&) {
      shunt::wasmc::keep_error("no heap memory");
      return new wasm_trap_t(func->store, std::make_shared<TrapObject>("no heap memory"));
    }
  }();
}

}  // extern "C"
