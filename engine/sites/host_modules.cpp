#include "engine/sites/host_modules.h"

#include <link.h>

#include <algorithm>
#include <cstring>
#include <mutex>
#include <new>
#include <span>

#include "engine/engine_impl.h"
#include "engine/fork.h"
#include "engine/memory/page.h"

namespace shunt::detail {
namespace {

constexpr std::uint64_t flag_bits = 7;

// Protects the list of modules, and HostModule::next. A leaf, taken with or without a commit lock.
constinit std::mutex list_lock;
constinit HostModule* list = nullptr;

// The process's engine once it serves modules. Sequentially consistent, as the list's lock is taken after the store and
// before the load: a module that is added and finds no engine here is found in the list by the engine.
constinit std::atomic<Engine*> serving{nullptr};

// A child finds the list whole and its lock free, also if another thread loads a library at that moment.
constinit class ListAtFork final : public LockedAtFork {
 public:
  void lock_before_fork() override { list_lock.lock(); }
  void unlock_after_fork(ForkSide) noexcept override { list_lock.unlock(); }
} list_at_fork;

std::uintptr_t resolve(const std::int32_t& field) noexcept {
  return reinterpret_cast<std::uintptr_t>(&field) + static_cast<std::uintptr_t>(static_cast<std::intptr_t>(field));
}

// The executable segments of the module that `module`'s table lies in.
int find_text(dl_phdr_info* info, std::size_t, void* data) {
  HostModule& module = *static_cast<HostModule*>(data);
  const auto table = reinterpret_cast<std::uintptr_t>(module.begin);
  const std::span segments(info->dlpi_phdr, info->dlpi_phnum);
  const auto holds_table = [&](const ElfW(Phdr) & segment) {
    return segment.p_type == PT_LOAD && table - (info->dlpi_addr + segment.p_vaddr) < segment.p_memsz;
  };
  if (std::none_of(segments.begin(), segments.end(), holds_table)) return 0;
  std::uintptr_t begin = UINTPTR_MAX, end = 0;
  bool readable = true;
  for (const ElfW(Phdr) & segment : segments) {
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_X) == 0) continue;
    readable = readable && (segment.p_flags & PF_R) != 0;
    begin = std::min<std::uintptr_t>(begin, info->dlpi_addr + segment.p_vaddr);
    end = std::max<std::uintptr_t>(end, info->dlpi_addr + segment.p_vaddr + segment.p_memsz);
  }
  module.path = info->dlpi_name;
  if (begin < end && readable) {
    begin = begin / page_size() * page_size();
    module.text = reinterpret_cast<const std::uint8_t*>(begin);
    module.text_size = round_up_to_page(end - begin);
  }
  return 1;
}

// Takes over what is in the list. An error is reported to whoever uses the engine first; without heap memory it is made
// then.
void make_process_engine() noexcept {
  try {
    (void)Engine::process();
  } catch (const std::bad_alloc&) {
    return;
  }
}

Error unusable(const HostModule& module, const std::string& problem) {
  return make_error(ErrorCode::Unsupported, "host sites of " + HostModules::name_of(module) + ": " + problem);
}

}  // namespace

void add_host_module(HostModule& module) noexcept {
  HostModules::add(module);
}

void remove_host_module(HostModule& module) noexcept {
  HostModules::remove(module);
}

void HostModules::add(HostModule& module) noexcept {
  if (module.begin == module.end || std::exchange(module.added, true)) return;
  dl_iterate_phdr(&find_text, &module);
  bool needs_engine = false;
  for (const HostSite& site : std::span(module.begin, module.end)) {
    KeyBase* const key = key_of(module, site);
    key->has_host_sites_.store(true, std::memory_order_relaxed);  // see static_key.h
    if (key->state() != state_of(flags_of(module, site))) needs_engine = true;
  }
  {
    const std::lock_guard hold(list_lock);
    module.next = std::exchange(list, &module);
  }
  if (Engine* const engine = serving.load(std::memory_order_seq_cst); engine != nullptr) {
    engine->impl_->adopt_host_modules();
  } else if (needs_engine) {
    make_process_engine();
  }
}

// Out of the list first: who takes the module over meanwhile holds the commit lock, which dropping it waits for.
void HostModules::remove(HostModule& module) noexcept {
  if (!std::exchange(module.added, false)) return;
  {
    const std::lock_guard hold(list_lock);
    HostModule** link = &list;
    while (*link != &module) link = &(*link)->next;
    *link = module.next;
  }
  if (Engine* const engine = serving.load(std::memory_order_seq_cst); engine != nullptr)
    engine->impl_->drop_host_module(module);
}

void HostModules::serve(Engine& engine) {
  hold_at_fork(list_at_fork, ForkOrder::Serialiser);
  serving.store(&engine, std::memory_order_seq_cst);
  engine.impl_->adopt_host_modules();
}

std::vector<HostModule*> HostModules::all() {
  const std::lock_guard hold(list_lock);
  std::vector<HostModule*> modules;
  for (HostModule* module = list; module != nullptr; module = module->next) modules.push_back(module);
  return modules;
}

KeyBase* HostModules::key_of(const HostModule& module, const HostSite& site) noexcept {
  std::uint64_t address;
  if (module.rewritten) {
    std::memcpy(&address, &site.key, sizeof address);
    return reinterpret_cast<KeyBase*>(address & ~flag_bits);
  }
  const auto pointer = reinterpret_cast<std::uintptr_t>(&site.key) + static_cast<std::uintptr_t>(site.key);
  return *reinterpret_cast<KeyBase* const*>(pointer & ~flag_bits);
}

int HostModules::flags_of(const HostModule& module, const HostSite& site) noexcept {
  const std::uintptr_t base = module.rewritten ? 0 : reinterpret_cast<std::uintptr_t>(&site.key);
  return static_cast<int>((base + static_cast<std::uintptr_t>(site.key)) & flag_bits);
}

Status HostModules::rewrite(HostModule& module, SiteForm form) {
  const std::span sites(module.begin, module.end);
  const auto text = reinterpret_cast<std::uintptr_t>(module.text);
  if (module.text_size == 0)
    return unusable(module, "its code was not found among the loaded modules, or cannot be read");
  if (module.text_size > SiteRecords::max_offset) return unusable(module, "its code spans more than 2 GiB");

  // Two sites of different keys at one address: a linker that folds equal code without heeding what it refers to.
  std::vector<std::pair<std::uintptr_t, const KeyBase*>> places;
  places.reserve(sites.size());
  for (const HostSite& site : sites) {
    places.emplace_back(resolve(site.code), key_of(module, site));
    if (resolve(site.code) - text >= module.text_size || resolve(site.target) - text >= module.text_size)
      return unusable(module, "a site stands outside its executable segments");
  }
  std::sort(places.begin(), places.end());
  const auto folded = std::adjacent_find(places.begin(), places.end(), [](const auto& a, const auto& b) {
    return a.first == b.first && a.second != b.second;
  });
  if (folded != places.end()) {
    return unusable(module, std::string("the linker folded code that tests key \"") + folded->second->name() +
                                "\" into code that tests another; link without folding of identical code");
  }

  for (HostSite& site : sites) {
    const std::uint64_t key =
        reinterpret_cast<std::uintptr_t>(key_of(module, site)) | static_cast<std::uint64_t>(flags_of(module, site));
    std::uint32_t words[2];
    SiteRecords::pack(words, static_cast<std::uint32_t>(resolve(site.code) - text), form,
                      static_cast<std::uint32_t>(resolve(site.target) - text));
    std::memcpy(&site.code, &words[0], sizeof words[0]);
    std::memcpy(&site.target, &words[1], sizeof words[1]);
    site.key = static_cast<std::int64_t>(key);
  }
  const auto order = [](const HostSite& site) {
    return std::pair(static_cast<std::uint64_t>(site.key), static_cast<std::uint32_t>(site.code));
  };
  std::sort(sites.begin(), sites.end(), [&](const auto& a, const auto& b) { return order(a) < order(b); });
  const auto end =
      std::unique(sites.begin(), sites.end(), [&](const auto& a, const auto& b) { return order(a) == order(b); });
  module.end = module.begin + (end - sites.begin());
  module.rewritten = true;
  return Ok{};
}

std::string HostModules::name_of(const HostModule& module) {
  return module.path == nullptr || *module.path == '\0' ? "the program" : module.path;
}

}  // namespace shunt::detail
