#include "runtime/wasm/wasi/binding.h"

#include <algorithm>
#include <map>
#include <string>

#include "fake_guest.h"

namespace shunt::wasi {
namespace {

using runtime::FunctionType;
using runtime::Value;
using runtime::ValueType;

std::string text_of(const FunctionType& type) {
  std::string result;
  for (const ValueType param : type.params) result += param == ValueType::I64 ? 'I' : 'i';
  result += ':';
  for (const ValueType value : type.results) result += value == ValueType::I64 ? 'I' : 'i';
  return result;
}

// Signatures as modules import them (i: i32, I: i64), from the interface's definition in WebAssembly/WASI
// (phases/snapshot/witx/wasi_snapshot_preview1.witx).
const std::map<std::string, std::string> signatures = {
    {"args_get", "ii:i"},
    {"args_sizes_get", "ii:i"},
    {"clock_res_get", "ii:i"},
    {"clock_time_get", "iIi:i"},
    {"environ_get", "ii:i"},
    {"environ_sizes_get", "ii:i"},
    {"fd_advise", "iIIi:i"},
    {"fd_allocate", "iII:i"},
    {"fd_close", "i:i"},
    {"fd_datasync", "i:i"},
    {"fd_fdstat_get", "ii:i"},
    {"fd_fdstat_set_flags", "ii:i"},
    {"fd_fdstat_set_rights", "iII:i"},
    {"fd_filestat_get", "ii:i"},
    {"fd_filestat_set_size", "iI:i"},
    {"fd_filestat_set_times", "iIIi:i"},
    {"fd_pread", "iiiIi:i"},
    {"fd_prestat_dir_name", "iii:i"},
    {"fd_prestat_get", "ii:i"},
    {"fd_pwrite", "iiiIi:i"},
    {"fd_read", "iiii:i"},
    {"fd_readdir", "iiiIi:i"},
    {"fd_renumber", "ii:i"},
    {"fd_seek", "iIii:i"},
    {"fd_sync", "i:i"},
    {"fd_tell", "ii:i"},
    {"fd_write", "iiii:i"},
    {"path_create_directory", "iii:i"},
    {"path_filestat_get", "iiiii:i"},
    {"path_filestat_set_times", "iiiiIIi:i"},
    {"path_link", "iiiiiii:i"},
    {"path_open", "iiiiiIIii:i"},
    {"path_readlink", "iiiiii:i"},
    {"path_remove_directory", "iii:i"},
    {"path_rename", "iiiiii:i"},
    {"path_symlink", "iiiii:i"},
    {"path_unlink_file", "iii:i"},
    {"poll_oneoff", "iiii:i"},
    {"proc_exit", "i:"},
    {"proc_raise", "i:i"},
    {"random_get", "ii:i"},
    {"sched_yield", ":i"},
    {"sock_accept", "iii:i"},
    {"sock_recv", "iiiiii:i"},
    {"sock_send", "iiiii:i"},
    {"sock_shutdown", "ii:i"},
};

TEST(WasiBinding, EveryFunctionIsThereWithItsSignature) {
  std::map<std::string, std::string> found;
  for (const Binding& binding : bindings()) found.emplace(binding.name, text_of(binding.type()));
  EXPECT_EQ(found, signatures);
  EXPECT_EQ(bindings().size(), signatures.size());
}

class WasiInvoke : public FakeGuest {
 protected:
  std::vector<Value> invoke(std::string_view name, std::vector<Value> arguments) {
    const auto found = std::ranges::find(bindings(), name, &Binding::name);
    std::vector<Value> results(found->type().results.size());
    found->invoke(call(), arguments, results);
    return results;
  }
};

TEST_F(WasiInvoke, ArgumentsArriveInOrderAndWidth) {
  Fd file = 0;
  ASSERT_EQ(open("f", oflag_create, file), Errno::Success);
  const Address place = allocate(8);
  constexpr std::uint64_t far = (std::uint64_t{3} << 32) + 5;
  const std::vector<Value> results =
      invoke("fd_seek", {Value::i32(file), Value::i64(far), Value::i32(0), Value::i32(place)});
  ASSERT_EQ(results.size(), 1u);
  EXPECT_EQ(results[0].type, ValueType::I32);
  EXPECT_EQ(results[0].as_i32(), 0);
  EXPECT_EQ(get<std::uint64_t>(place), far);
  EXPECT_EQ(invoke("fd_close", {Value::i32(99)})[0].as_i32(), static_cast<int>(Errno::BadF));
}

TEST_F(WasiInvoke, ExitHasNoResult) {
  EXPECT_TRUE(invoke("proc_exit", {Value::i32(3)}).empty());
  EXPECT_EQ(system_.exit_status, 3u);
}

}  // namespace
}  // namespace shunt::wasi
