#include "engine/observe/gdb_jit.h"

#include <cstdint>
#include <map>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include "engine/observe/elf_image.h"

// The names and layouts that gdb looks for.
extern "C" {

struct jit_code_entry {
  jit_code_entry* next_entry;
  jit_code_entry* prev_entry;
  const char* symfile_addr;
  std::uint64_t symfile_size;
};

struct jit_descriptor {
  std::uint32_t version;
  std::uint32_t action_flag;  // what the call of __jit_debug_register_code is about
  jit_code_entry* relevant_entry;
  jit_code_entry* first_entry;
};

// gdb sets a breakpoint here. The empty assembly keeps the call.
[[gnu::weak, gnu::noinline, gnu::used, gnu::visibility("default")]] void
__jit_debug_register_code() {  // NOLINT(bugprone-reserved-identifier)
  asm volatile("" ::: "memory");
}

// NOLINTNEXTLINE(bugprone-reserved-identifier)
[[gnu::weak, gnu::used, gnu::visibility("default")]] jit_descriptor __jit_debug_descriptor = {1, 0, nullptr, nullptr};
}

namespace shunt::detail {
namespace {

constexpr std::uint32_t jit_noaction = 0;
constexpr std::uint32_t jit_register = 1;
constexpr std::uint32_t jit_unregister = 2;

// Protects the list against other engines. A leaf. The interface has no lock of its own: another code generator of the
// process that shares the list must not change it at the same moment.
std::mutex& list_lock() {
  static auto* const lock = new std::mutex;  // never destroyed: code may end while the process does
  return *lock;
}

void tell_gdb(std::uint32_t action, jit_code_entry& entry) {
  __jit_debug_descriptor.relevant_entry = &entry;
  __jit_debug_descriptor.action_flag = action;
  __jit_debug_register_code();
  __jit_debug_descriptor.relevant_entry = nullptr;
  __jit_debug_descriptor.action_flag = jit_noaction;
}

void add_entry(jit_code_entry& entry) {
  const std::lock_guard hold(list_lock());
  entry.next_entry = __jit_debug_descriptor.first_entry;
  if (entry.next_entry != nullptr) entry.next_entry->prev_entry = &entry;
  __jit_debug_descriptor.first_entry = &entry;
  tell_gdb(jit_register, entry);
}

void remove_entry(jit_code_entry& entry) {
  const std::lock_guard hold(list_lock());
  if (entry.prev_entry != nullptr) {
    entry.prev_entry->next_entry = entry.next_entry;
  } else {
    __jit_debug_descriptor.first_entry = entry.next_entry;
  }
  if (entry.next_entry != nullptr) entry.next_entry->prev_entry = entry.prev_entry;
  tell_gdb(jit_unregister, entry);
}

class GdbJit final : public CodeObserver {
 public:
  explicit GdbJit(InstructionSet instruction_set) : instruction_set_(instruction_set) {}
  ~GdbJit() override {
    for (auto& [begin, registered] : registered_) remove_entry(registered->entry);
  }
  GdbJit(const GdbJit&) = delete;
  GdbJit& operator=(const GdbJit&) = delete;

  Status named(const NamedCode& code) override {
    auto made = std::make_unique<Registered>();
    made->image = make_elf_image(code, instruction_set_);
    made->entry.symfile_addr = reinterpret_cast<const char*>(made->image.data());
    made->entry.symfile_size = made->image.size();
    ended(code);  // its earlier names
    add_entry((registered_[code.begin] = std::move(made))->entry);
    return Ok{};
  }

  void rewritten(const NamedCode&, std::span<const std::size_t>) override {}

  void ended(const NamedCode& code) override {
    const auto found = registered_.find(code.begin);
    if (found == registered_.end()) return;
    remove_entry(found->second->entry);
    registered_.erase(found);
  }

  [[nodiscard]] bool follows_flips() const noexcept override { return false; }

 private:
  struct Registered {
    std::vector<std::uint8_t> image;
    jit_code_entry entry{};
  };
  InstructionSet instruction_set_;
  std::map<const std::uint8_t*, std::unique_ptr<Registered>> registered_;  // by the code's first byte
};

}  // namespace

std::unique_ptr<CodeObserver> make_gdb_jit(InstructionSet instruction_set) {
  return std::make_unique<GdbJit>(instruction_set);
}

}  // namespace shunt::detail
