#include "tests/stress/soak/guest_work.h"

#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "shunt/runtime/flag_file.h"
#include "shunt/runtime/flags.h"
#include "shunt/runtime/instance.h"
#include "shunt/runtime/module.h"
#include "shunt/runtime/module_file.h"

namespace shunt::soak {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using namespace runtime;

// `level` is the number of the file's version, `odd` whether it is odd; the loop makes functions hot.
constexpr std::string_view kGuest = R"((module
  (import "flags" "level" (func $level (result i32)))
  (import "flags" "odd" (func $odd (result i32)))
  (func (export "level") (result i32) (call $level))
  (func (export "odd") (param $turns i32) (result i32) (local $seen i32)
    (loop $again
      (if (call $odd) (then (local.set $seen (i32.add (local.get $seen) (i32.const 1)))))
      (local.set $turns (i32.sub (local.get $turns) (i32.const 1)))
      (br_if $again (local.get $turns)))
    (local.get $seen))))";
constexpr std::int32_t kTurns = 10;

std::string version_text(std::uint64_t n) {
  return R"({"flags": {"level": {"state": "ENABLED", "variants": {"v": )" + std::to_string(n) +
         R"(}, "defaultVariant": "v"}, "odd": {"state": "ENABLED", "variants": {"on": true, "off": false}, )" +
         R"("defaultVariant": ")" + (n % 2 != 0 ? "on" : "off") + "\"}}}\n";
}

// What a watch may find, and must not take: cut off, no JSON, another type, empty.
std::string corrupt_text(std::uint64_t n) {
  switch (n / 8 % 4) {
    case 0:
      return version_text(n).substr(0, 60);
    case 1:
      return "]" + version_text(n);
    case 2:
      return R"({"flags": {"level": {"state": "ENABLED", "variants": {"v": "a string"}, "defaultVariant": "v"}}})";
    default:
      return "";
  }
}

bool replace_file(const fs::path& path, const std::string& text) {
  const fs::path fresh = path.string() + ".new";
  std::ofstream out(fresh, std::ios::trunc);
  out << text;
  out.close();
  std::error_code error;
  if (out) fs::rename(fresh, path, error);
  return out && !error;
}

}  // namespace

struct GuestWork::Parts {
  Engine& engine;
  Shared& shared;
  flags::FlagSet set;
  fs::path folder;
  std::vector<std::uint8_t> bytes;
  std::vector<Tier> tiers{Tier::Baseline};
  std::vector<Module> modules;  // by tier
  Sequence versions;

  std::mutex lock;  // protects what is below
  std::condition_variable changed;
  std::uint64_t loaded = 0, refused = 0;
  std::string last_refusal;
  std::unique_ptr<flags::FileSource> source;  // ends first

  Parts(Engine& owner, Shared& all) : engine(owner), shared(all), set(owner) {}
  [[nodiscard]] fs::path file() const { return folder / "flags.json"; }
  bool start();
  void reloaded(const flags::Reload& reload);
  // Replaces the file, and waits until one more version was loaded, or refused.
  bool replace_and_await(const std::string& text, std::uint64_t& count);
  void check(Instance& instance);
};

bool GuestWork::Parts::start() {
  std::string name = (fs::temp_directory_path() / "shunt-soak-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) return false;
  folder = name;
  if (!replace_file(file(), version_text(0))) return false;
  auto assembled = assemble(kGuest, "soak.wat");
  if (!assembled) return false;
  bytes = std::move(*assembled);
  flags::FileSourceOptions options;
  options.quiet = 5ms;
  auto started =
      flags::FileSource::start(set, file(), [this](const flags::Reload& reload) { reloaded(reload); }, options);
  if (!started) return false;
  source = std::move(*started);
  if (has_optimising_tier()) tiers.push_back(Tier::Optimising);
  for (const Tier tier : tiers) {
    auto module = Module::load(engine, set, bytes, {.name = "soak.wat", .tier = tier});
    if (!module) return false;
    modules.push_back(std::move(*module));
  }
  return true;
}

void GuestWork::Parts::reloaded(const flags::Reload& reload) {
  if (!reload.result && reload.result.error().code() != ErrorCode::BadFlags)
    shared.problem("reload: " + reload.result.error().message());
  const std::lock_guard hold(lock);
  ++(reload.result ? loaded : refused);
  if (!reload.result) last_refusal = reload.result.error().message();
  changed.notify_all();
}

bool GuestWork::Parts::replace_and_await(const std::string& text, std::uint64_t& count) {
  std::unique_lock hold(lock);
  const std::uint64_t wanted = count + 1;
  hold.unlock();
  const std::uint64_t flips = shared.done.flips.load();
  if (!replace_file(file(), text)) {
    shared.problem("the flag file cannot be replaced");
    return false;
  }
  hold.lock();
  if (changed.wait_for(hold, 60s, [&] { return count >= wanted || shared.stop.load(); })) return true;
  shared.problem("after 60 s without news of a version: " + std::to_string(loaded) + " loaded, " +
                 std::to_string(refused) + " refused, the last one because of \"" + last_refusal + "\"; watched by " +
                 source->mechanism() + "; flips meanwhile: " + std::to_string(shared.done.flips.load() - flips));
  return false;
}

// What a guest reads is one of the versions that were in force meanwhile.
void GuestWork::Parts::check(Instance& instance) {
  const std::uint64_t before = versions.completed.load(std::memory_order_acquire);
  const auto level = instance.call("level");
  const Value turns[] = {Value::i32(kTurns)};
  const auto odd = instance.call("odd", turns);
  const std::uint64_t after = versions.begun.load(std::memory_order_acquire);
  if (!level || !odd) return shared.problem("a guest: " + (level ? odd : level).error().message());
  const auto seen = static_cast<std::uint64_t>((*level)[0].as_i32());
  const std::int32_t times = (*odd)[0].as_i32();
  if (seen < before || seen > after)
    return shared.problem("a guest read version " + std::to_string(seen) + ", not one of " + std::to_string(before) +
                          " to " + std::to_string(after));
  if (before == after) {
    ++shared.done.checked;
    if (times != (before % 2 != 0 ? kTurns : 0)) return shared.problem("a guest's site is older than its flag");
  }
  ++shared.done.guest_calls;
}

GuestWork::GuestWork(Engine& engine, Shared& shared) : parts_(std::make_unique<Parts>(engine, shared)) {
  if (!parts_->start()) shared.problem("flags and guests cannot be set up");
}

GuestWork::~GuestWork() {
  parts_->source.reset();
  parts_->modules.clear();
  std::error_code ignored;
  fs::remove_all(parts_->folder, ignored);
}

std::string GuestWork::tiers() const {
  std::string text;
  for (const Tier tier : parts_->tiers) text += (text.empty() ? "" : " and ") + std::string(to_string(tier));
  return text;
}

void GuestWork::rewrite() {
  Shared& shared = parts_->shared;
  for (std::uint64_t n = 1; !shared.stop.load(); ++n) {
    if (n % 8 == 0) {
      if (!parts_->replace_and_await(corrupt_text(n), parts_->refused))
        return shared.problem("a corrupt file was not refused");
      ++shared.done.corrupt_files;
    }
    parts_->versions.begun.store(n, std::memory_order_release);
    if (!parts_->replace_and_await(version_text(n), parts_->loaded))
      return shared.problem("a version of the flag file was not loaded");
    parts_->versions.completed.store(n, std::memory_order_release);
    ++shared.done.reloads;
    std::this_thread::sleep_for(5ms);
  }
}

void GuestWork::load() {
  Shared& shared = parts_->shared;
  for (std::size_t n = 0; !shared.stop.load(); ++n) {
    const Tier tier = parts_->tiers[n % parts_->tiers.size()];
    auto module = Module::load(parts_->engine, parts_->set, parts_->bytes, {.name = "again.wat", .tier = tier});
    if (!module) return shared.problem("load: " + module.error().message());
    auto store = Store::create();
    if (!store) return shared.problem("store: " + store.error().message());
    Linker linker(*store);
    auto instance = linker.instantiate(*module);
    if (!instance) return shared.problem("instantiate: " + instance.error().message());
    for (int i = 0; i < 20; ++i) parts_->check(*instance);
    ++shared.done.modules;
    std::this_thread::sleep_for(20ms);
  }
}

void GuestWork::call_for_a_while(std::size_t number) {
  Shared& shared = parts_->shared;
  auto store = Store::create();
  if (!store) return shared.problem("store: " + store.error().message());
  Linker linker(*store);
  auto instance = linker.instantiate(parts_->modules[number % parts_->modules.size()]);
  if (!instance) return shared.problem("instantiate: " + instance.error().message());
  const auto end = std::chrono::steady_clock::now() + 150ms;
  while (!shared.stop.load() && std::chrono::steady_clock::now() < end) {
    parts_->check(*instance);
    std::this_thread::yield();
  }
}

}  // namespace shunt::soak
