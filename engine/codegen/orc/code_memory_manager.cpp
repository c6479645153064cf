#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "shunt/codegen/orc.h"

namespace shunt::orc {
namespace {

using llvm::jitlink::BasicLayout;
using llvm::jitlink::LinkGraph;

constexpr std::size_t page = 4096;
constexpr std::size_t code_alignment = 64;  // of Engine::allocate()

constexpr std::size_t align_up(std::size_t value, std::size_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

bool is_writable(const llvm::orc::AllocGroup& group) {
  const auto bits = [](llvm::orc::MemProt protection) { return static_cast<unsigned>(protection); };
  return (bits(group.getMemProt()) & bits(llvm::orc::MemProt::Write)) != 0;
}

// Pages for data that is written at run time, within 2 GiB of the code that refers to it.
class DataPages {
 public:
  DataPages() = default;
  DataPages(DataPages&& other) noexcept { swap(other); }
  DataPages& operator=(DataPages&& other) noexcept {
    swap(other);
    return *this;
  }
  ~DataPages() {
    if (data_ != nullptr) munmap(data_, bytes_);
  }

  Status map_near(const std::uint8_t* code, std::size_t bytes) {
    constexpr std::uintptr_t step = std::uintptr_t{16} << 20;
    constexpr std::uintptr_t reach = std::uintptr_t{1} << 30;  // leaves room for the code's own size
    bytes_ = align_up(bytes, page);
    const std::uintptr_t from = reinterpret_cast<std::uintptr_t>(code) / step * step;
    for (std::uintptr_t distance = step; distance < reach; distance += step) {
      for (const std::uintptr_t hint : {from + distance, from - distance}) {
        void* const at = mmap(reinterpret_cast<void*>(hint), bytes_, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
        if (at != MAP_FAILED) {
          data_ = static_cast<char*>(at);
          return Ok{};
        }
        if (errno != EEXIST) {
          return make_error(ErrorCode::OutOfMemory, std::string("no memory for data of code: ") + std::strerror(errno));
        }
      }
    }
    return make_error(ErrorCode::OutOfMemory, "no free address space within 1 GiB of the code for its data");
  }
  [[nodiscard]] char* data() const { return data_; }

 private:
  void swap(DataPages& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
  }
  char* data_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace

struct CodeMemoryManager::Published {
  Code code;
  DataPages data;
  std::vector<llvm::orc::shared::WrapperFunctionCall> deallocation_actions;
};

// Code and read-only data from the front of one allocation, data beside it.
class CodeMemoryManager::InFlight final : public InFlightAlloc {
 public:
  InFlight(CodeMemoryManager& owner, LinkGraph& graph) : owner_(owner), graph_(&graph), layout_(graph) {}
  ~InFlight() override {
    if (!is_done_) owner_.engine_.release(allocation_);
  }

  llvm::Error lay_out() {
    std::size_t code_bytes = 0;
    std::size_t data_bytes = 0;
    for (auto& [group, segment] : layout_.segments()) {
      std::size_t& bytes = is_writable(group) ? data_bytes : code_bytes;
      if (!is_writable(group) && segment.Alignment.value() > code_alignment) return too_aligned(segment);
      bytes = align_up(bytes, segment.Alignment.value()) + segment.ContentSize + segment.ZeroFillSize;
    }
    Result<Engine::Allocation> allocation =
        owner_.engine_.allocate(std::max<std::size_t>(code_bytes, code_alignment + 1));
    if (!allocation) return to_llvm(allocation.error());
    allocation_ = *allocation;
    std::memset(allocation_.staging, 0, allocation_.size);
    is_done_ = false;
    if (data_bytes != 0) {
      if (Status mapped = data_.map_near(allocation_.rx, data_bytes); !mapped) return to_llvm(mapped.error());
    }
    place();
    return layout_.apply();
  }

  [[nodiscard]] std::uintptr_t code_address() const { return reinterpret_cast<std::uintptr_t>(allocation_.rx); }
  void keep(std::vector<Site> sites) { sites_ = std::move(sites); }

  void finalize(OnFinalizedFunction on_finalized) override {
    auto published = std::make_unique<Published>();
    auto actions = llvm::orc::shared::runFinalizeActions(layout_.graphAllocActions());
    if (!actions) return fail(std::move(on_finalized), actions.takeError());
    published->deallocation_actions = std::move(*actions);
    std::vector<NewSite> sites;
    for (Site& site : sites_) {
      site.site.targets = site.targets;
      sites.push_back(site.site);
    }
    is_done_ = true;  // publish() ends the allocation, also when it fails
    Result<Code> code = owner_.engine_.publish(allocation_, sites);
    if (!code) return fail(std::move(on_finalized), to_llvm(code.error()));
    published->code = std::move(*code);
    published->data = std::move(data_);
    {
      const std::lock_guard lock(owner_.mutex_);
      owner_.in_flight_.erase(graph_);
      owner_.published_.emplace(code_address(), std::move(published));
    }
    on_finalized(FinalizedAlloc(llvm::orc::ExecutorAddr(code_address())));
  }

  void abandon(OnAbandonedFunction on_abandoned) override {
    forget();
    on_abandoned(llvm::Error::success());
  }

 private:
  template <class Segment>
  llvm::Error too_aligned(const Segment& segment) const {
    return to_llvm(make_error(ErrorCode::InvalidArgument, graph_->getName() + ": read-only data aligned to " +
                                                              std::to_string(segment.Alignment.value()) +
                                                              "; code memory is aligned to 64"));
  }

  void place() {
    std::size_t code = 0;
    std::size_t data = 0;
    for (auto& [group, segment] : layout_.segments()) {
      std::size_t& offset = is_writable(group) ? data : code;
      offset = align_up(offset, segment.Alignment.value());
      if (is_writable(group)) {
        segment.WorkingMem = data_.data() + offset;
        segment.Addr = llvm::orc::ExecutorAddr::fromPtr(data_.data() + offset);
      } else {
        segment.WorkingMem = reinterpret_cast<char*>(allocation_.staging + offset);
        segment.Addr = llvm::orc::ExecutorAddr::fromPtr(allocation_.rx + offset);
      }
      offset += segment.ContentSize + segment.ZeroFillSize;
    }
  }

  void forget() {
    const std::lock_guard lock(owner_.mutex_);
    owner_.in_flight_.erase(graph_);
  }
  void fail(OnFinalizedFunction on_finalized, llvm::Error error) {
    forget();
    on_finalized(std::move(error));
  }

  CodeMemoryManager& owner_;
  LinkGraph* graph_;
  BasicLayout layout_;
  Engine::Allocation allocation_{};
  DataPages data_;
  std::vector<Site> sites_;
  bool is_done_ = true;  // nothing to release
};

CodeMemoryManager::CodeMemoryManager(Engine& engine) : engine_(engine) {}
CodeMemoryManager::~CodeMemoryManager() = default;

void CodeMemoryManager::allocate(const llvm::jitlink::JITLinkDylib*, LinkGraph& graph,
                                 OnAllocatedFunction on_allocated) {
  auto in_flight = std::make_unique<InFlight>(*this, graph);
  if (llvm::Error error = in_flight->lay_out()) return on_allocated(std::move(error));
  {
    const std::lock_guard lock(mutex_);
    in_flight_[&graph] = in_flight.get();
  }
  on_allocated(std::unique_ptr<InFlightAlloc>(std::move(in_flight)));
}

void CodeMemoryManager::keep_sites(const LinkGraph& graph, std::vector<Site> sites) {
  const std::lock_guard lock(mutex_);
  in_flight_.at(&graph)->keep(std::move(sites));
}

std::uintptr_t CodeMemoryManager::code_address(const LinkGraph& graph) const {
  const std::lock_guard lock(mutex_);
  return in_flight_.at(&graph)->code_address();
}

const Code& CodeMemoryManager::code(const FinalizedAlloc& allocation) const {
  const std::lock_guard lock(mutex_);
  return published_.at(allocation.getAddress().getValue())->code;
}

void CodeMemoryManager::deallocate(std::vector<FinalizedAlloc> allocations, OnDeallocatedFunction on_deallocated) {
  llvm::Error errors = llvm::Error::success();
  for (FinalizedAlloc& allocation : allocations) {
    std::shared_ptr<Published> published;
    {
      const std::lock_guard lock(mutex_);
      const auto found = published_.find(allocation.release().getValue());
      published = std::move(found->second);
      published_.erase(found);
    }
    if (llvm::Error error = llvm::orc::shared::runDeallocActions(published->deallocation_actions)) {
      errors = llvm::joinErrors(std::move(errors), std::move(error));
    }
    Code code = std::move(published->code);
    // The data goes when the code does.
    if (Status retired = engine_.retire(std::move(code), [published] {}); !retired) {
      errors = llvm::joinErrors(std::move(errors), to_llvm(retired.error()));
    }
  }
  on_deallocated(std::move(errors));
}

}  // namespace shunt::orc
