#include "runtime/wasm/wasi/binding.h"

#include <type_traits>
#include <utility>

namespace shunt::wasi {
namespace {

using runtime::FunctionType;
using runtime::Value;
using runtime::ValueType;

template <class T>
constexpr ValueType wasm_type() {
  static_assert(std::is_same_v<T, std::uint32_t> || std::is_same_v<T, std::uint64_t>);
  return std::is_same_v<T, std::uint32_t> ? ValueType::I32 : ValueType::I64;
}

// Both forms of a C++ function's signature that a linker needs, derived from the function itself.
template <auto function>
struct Bound;

template <class Result, class... Arguments, Result (*function)(Call, Arguments...)>
struct Bound<function> {
  static FunctionType type() {
    FunctionType result{{wasm_type<Arguments>()...}, {}};
    if constexpr (!std::is_void_v<Result>) result.results.push_back(ValueType::I32);
    return result;
  }

  static void invoke(Call call, std::span<const Value> arguments, std::span<Value> results) {
    [&]<std::size_t... i>(std::index_sequence<i...>) {
      if constexpr (std::is_void_v<Result>) {
        function(call, static_cast<Arguments>(arguments[i].bits)...);
      } else {
        const Result error = function(call, static_cast<Arguments>(arguments[i].bits)...);
        results[0] = Value::i32(static_cast<std::uint32_t>(error));
      }
    }(std::index_sequence_for<Arguments...>{});
  }
};

template <auto function>
constexpr Binding bind(std::string_view name) {
  return {name, Bound<function>::type, Bound<function>::invoke};
}

constexpr Binding table[] = {
    bind<args_get>("args_get"),
    bind<args_sizes_get>("args_sizes_get"),
    bind<clock_res_get>("clock_res_get"),
    bind<clock_time_get>("clock_time_get"),
    bind<environ_get>("environ_get"),
    bind<environ_sizes_get>("environ_sizes_get"),
    bind<fd_advise>("fd_advise"),
    bind<fd_allocate>("fd_allocate"),
    bind<fd_close>("fd_close"),
    bind<fd_datasync>("fd_datasync"),
    bind<fd_fdstat_get>("fd_fdstat_get"),
    bind<fd_fdstat_set_flags>("fd_fdstat_set_flags"),
    bind<fd_fdstat_set_rights>("fd_fdstat_set_rights"),
    bind<fd_filestat_get>("fd_filestat_get"),
    bind<fd_filestat_set_size>("fd_filestat_set_size"),
    bind<fd_filestat_set_times>("fd_filestat_set_times"),
    bind<fd_pread>("fd_pread"),
    bind<fd_prestat_dir_name>("fd_prestat_dir_name"),
    bind<fd_prestat_get>("fd_prestat_get"),
    bind<fd_pwrite>("fd_pwrite"),
    bind<fd_read>("fd_read"),
    bind<fd_readdir>("fd_readdir"),
    bind<fd_renumber>("fd_renumber"),
    bind<fd_seek>("fd_seek"),
    bind<fd_sync>("fd_sync"),
    bind<fd_tell>("fd_tell"),
    bind<fd_write>("fd_write"),
    bind<path_create_directory>("path_create_directory"),
    bind<path_filestat_get>("path_filestat_get"),
    bind<path_filestat_set_times>("path_filestat_set_times"),
    bind<path_link>("path_link"),
    bind<path_open>("path_open"),
    bind<path_readlink>("path_readlink"),
    bind<path_remove_directory>("path_remove_directory"),
    bind<path_rename>("path_rename"),
    bind<path_symlink>("path_symlink"),
    bind<path_unlink_file>("path_unlink_file"),
    bind<poll_oneoff>("poll_oneoff"),
    bind<proc_exit>("proc_exit"),
    bind<proc_raise>("proc_raise"),
    bind<random_get>("random_get"),
    bind<sched_yield>("sched_yield"),
    bind<sock_accept>("sock_accept"),
    bind<sock_recv>("sock_recv"),
    bind<sock_send>("sock_send"),
    bind<sock_shutdown>("sock_shutdown"),
};

}  // namespace

std::span<const Binding> bindings() {
  return table;
}

}  // namespace shunt::wasi
