// Modules are loaded, and guests made and run, while a system call fails. Each round in a process of its own: handlers
// of signals, and the thread of deadlines, are made once in a process.
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include "shunt/runtime/flags.h"
#include "shunt/runtime/instance.h"
#include "shunt/runtime/interrupt.h"
#include "shunt/runtime/module.h"
#include "shunt/runtime/module_file.h"
#include "shunt/runtime/wasi.h"
#include "tests/faults/engine_code.h"

namespace shunt::faults {
namespace {

using namespace runtime;

constexpr std::string_view kGuest = R"((module
  (memory (export "memory") 2)
  (func (export "peek") (result i32) (i32.load (i32.const 65536)))
  (func (export "fall") (result i32) (unreachable)))
)";

class GuestFaults : public testing::Test {
 protected:
  void SetUp() override {
    auto bytes = assemble(kGuest, "faults.wat");
    ASSERT_TRUE(bytes) << bytes.error().message();
    bytes_ = std::move(*bytes);
  }

  // Everything up to a step, without faults.
  void make_engine() {
    auto engine = Engine::create(small(Serialisation::Membarrier));
    ASSERT_TRUE(engine) << engine.error().message();
    engine_ = std::move(*engine);
    flags_.emplace(*engine_);
  }
  Status load(Tier tier) {
    auto module = Module::load(*engine_, *flags_, bytes_, {.name = "faults.wat", .tier = tier});
    if (module) module_.emplace(std::move(*module));
    return status_of(module);
  }
  Status make_store() {
    auto store = Store::create();
    if (store) store_.emplace(std::move(*store));
    return status_of(store);
  }
  Status make_instance() {
    linker_.emplace(*store_);
    auto instance = linker_->instantiate(*module_);
    if (instance) instance_.emplace(std::move(*instance));
    return status_of(instance);
  }
  Status call() {
    auto result = instance_->call("peek");
    return status_of(result);
  }
  void all_works() {
    if (!store_) {
      EXPECT_TRUE(make_store());
    }
    if (!instance_) {
      EXPECT_TRUE(make_instance());
    }
    const Status called = call();
    EXPECT_TRUE(called) << (called ? "" : called.error().message());
    const auto trapped = instance_->call("fall");  // by a signal, whose handler stands
    ASSERT_FALSE(trapped);
    EXPECT_EQ(trapped.error().code(), ErrorCode::Trap) << trapped.error().message();
    EXPECT_TRUE(call());
  }
  Operation in_a_process() {
    Operation operation;
    operation.in_children = true;
    operation.works = [this] { all_works(); };
    operation.finish = [this] {
      instance_.reset();
      linker_.reset();
      store_.reset();
      module_.reset();
      flags_.reset();
      engine_.reset();
    };
    return operation;
  }

  std::vector<std::uint8_t> bytes_;
  std::unique_ptr<Engine> engine_;
  std::optional<flags::FlagSet> flags_;
  std::optional<Module> module_;
  std::optional<Store> store_;
  std::optional<Linker> linker_;
  std::optional<Instance> instance_;
};

TEST_F(GuestFaults, LoadOfAModule) {
  Operation operation = in_a_process();
  operation.prepare = [this] { make_engine(); };
  operation.attempt = [this] { return load(Tier::Baseline); };
  EXPECT_GT(sweep("load of a module", operation).refused, 0U);
}

// With the thread that looks for hot functions.
TEST_F(GuestFaults, LoadOfAModuleOfBothTiers) {
  if (!has_optimising_tier()) return;
  Operation operation = in_a_process();
  operation.prepare = [this] { make_engine(); };
  operation.attempt = [this] { return load(Tier::Auto); };
  EXPECT_GT(sweep("load of a module of both tiers", operation).refused, 0U);
}

TEST_F(GuestFaults, LoadOfAFile) {
  const std::filesystem::path file =
      std::filesystem::temp_directory_path() / ("shunt-faults-" + std::to_string(getpid()) + ".wasm");
  std::ofstream(file, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes_.data()), static_cast<std::streamsize>(bytes_.size()));
  Operation operation;
  operation.attempt = [&] {
    auto read = read_module_file(file.string());
    return status_of(read);
  };
  EXPECT_GT(sweep("read of a module's file", operation).refused, 0U);
  std::filesystem::remove(file);
}

TEST_F(GuestFaults, DirectoriesOfAGuest) {
  std::optional<Wasi> wasi;
  Operation operation;
  operation.attempt = [&] {
    auto made = Wasi::create({.directories = {{std::filesystem::temp_directory_path().string(), "/"}}});
    if (!made) return status_of(made);
    wasi.emplace(std::move(*made));
    return Status(Ok{});
  };
  operation.finish = [&] { wasi.reset(); };
  EXPECT_GT(sweep("directories of a guest", operation).refused, 0U);
}

TEST_F(GuestFaults, Store) {
  Operation operation = in_a_process();
  operation.prepare = [this] {
    make_engine();
    ASSERT_TRUE(load(Tier::Baseline));
  };
  operation.attempt = [this] { return make_store(); };
  EXPECT_GT(sweep("store", operation).refused, 0U);
}

TEST_F(GuestFaults, InstanceWithAMemory) {
  Operation operation = in_a_process();
  operation.prepare = [this] {
    make_engine();
    ASSERT_TRUE(load(Tier::Baseline));
    ASSERT_TRUE(make_store());
  };
  operation.attempt = [this] { return make_instance(); };
  EXPECT_GT(sweep("instance with a memory", operation).refused, 0U);
}

TEST_F(GuestFaults, TheFirstCallOfAThread) {
  Operation operation = in_a_process();
  operation.prepare = [this] {
    make_engine();
    ASSERT_TRUE(load(Tier::Baseline));
    ASSERT_TRUE(make_store());
    ASSERT_TRUE(make_instance());
  };
  operation.attempt = [this] { return call(); };
  EXPECT_GT(sweep("first call of a thread", operation).refused, 0U);
}

TEST_F(GuestFaults, Deadline) {
  Operation operation = in_a_process();
  operation.prepare = [this] {
    make_engine();
    ASSERT_TRUE(load(Tier::Baseline));
    ASSERT_TRUE(make_store());
    ASSERT_TRUE(make_instance());
  };
  operation.attempt = [this] {
    return store_->interrupt_handle().set_deadline(std::chrono::steady_clock::now() + std::chrono::hours(1));
  };
  EXPECT_GT(sweep("deadline", operation).refused, 0U);
}

}  // namespace
}  // namespace shunt::faults
