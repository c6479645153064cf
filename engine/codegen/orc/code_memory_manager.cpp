#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "engine/codegen/orc/data_arena.h"
#include "shunt/codegen/orc.h"

namespace shunt::orc {
namespace {

using llvm::jitlink::BasicLayout;
using llvm::jitlink::LinkGraph;
using llvm::orc::AllocGroup;
using llvm::orc::MemLifetime;
using llvm::orc::MemProt;
using Segment = BasicLayout::Segment;

constexpr std::size_t code_alignment = 64;  // of Engine::allocate()

bool has(const AllocGroup& group, MemProt protection) {
  const auto bits = [](MemProt some) { return static_cast<unsigned>(some); };
  return (bits(group.getMemProt()) & bits(protection)) != 0;
}

// One of the pieces that segments are laid into, one behind the other.
struct Piece {
  std::size_t size = 0;
  std::size_t alignment = 1;

  std::size_t add(const Segment& segment) {
    const std::size_t wanted = segment.Alignment.value();
    const std::size_t offset = (size + wanted - 1) / wanted * wanted;
    size = offset + segment.ContentSize + segment.ZeroFillSize;
    alignment = std::max(alignment, wanted);
    return offset;
  }
};

enum class Kind : std::uint8_t { Code, Data, Scratch };  // scratch: until the graph is finalised

llvm::Error refuse(const LinkGraph& graph, const std::string& what) {
  return to_llvm(make_error(ErrorCode::InvalidArgument, graph.getName() + ": " + what));
}

}  // namespace

struct CodeMemoryManager::Published {
  Code code;
  DataArena::Piece data;
  std::vector<llvm::orc::shared::WrapperFunctionCall> deallocation_actions;
};

class CodeMemoryManager::InFlight final : public InFlightAlloc {
 public:
  InFlight(CodeMemoryManager& owner, LinkGraph& graph) : owner_(owner), graph_(&graph), layout_(graph) {}
  ~InFlight() override {
    const std::lock_guard lock(owner_.mutex_);
    owner_.in_flight_.erase(graph_);
    if (!is_done_) owner_.engine_.release(allocation_);
  }

  llvm::Error lay_out() {
    for (const auto& [group, segment] : layout_.segments()) has_code_ = has_code_ || has(group, MemProt::Exec);
    std::vector<std::pair<Kind, std::size_t>> places;
    std::array<Piece, 3> pieces;
    for (const auto& [group, segment] : layout_.segments()) {
      if (has(group, MemProt::Exec) && has(group, MemProt::Write)) {
        return refuse(*graph_, "a section is writable and executable; code memory never is");
      }
      const Kind kind = kind_of(group, segment);
      if (kind == Kind::Code && segment.Alignment.value() > code_alignment) {
        return refuse(
            *graph_, "code aligned to " + std::to_string(segment.Alignment.value()) + "; code memory is aligned to 64");
      }
      places.emplace_back(kind, pieces[static_cast<std::size_t>(kind)].add(segment));
    }
    if (llvm::Error error = allocate(pieces)) return error;
    auto place = places.begin();
    for (auto& [group, segment] : layout_.segments()) assign(segment, *place++);
    return layout_.apply();
  }

  [[nodiscard]] std::uintptr_t code_address() const { return reinterpret_cast<std::uintptr_t>(allocation_.rx); }
  void keep(std::vector<Site> sites) { sites_ = std::move(sites); }

  // Actions come last: what they look at is where the code runs.
  void finalize(OnFinalizedFunction on_finalized) override {
    auto published = std::make_unique<Published>();
    if (has_code_) {
      std::vector<NewSite> sites;
      for (Site& site : sites_) {
        site.site.targets = site.targets;
        sites.push_back(site.site);
      }
      is_done_ = true;  // publish() ends the allocation, also when it fails
      Result<Code> code = owner_.engine_.publish(allocation_, sites);
      if (!code)
        return on_finalized(
            to_llvm(make_error(code.error().code(), graph_->getName() + ": " + code.error().message())));
      published->code = std::move(*code);
    }
    published->data = std::move(data_);
    auto actions = llvm::orc::shared::runFinalizeActions(layout_.graphAllocActions());
    if (!actions) return on_finalized(actions.takeError());
    published->deallocation_actions = std::move(*actions);
    scratch_ = {};
    on_finalized(FinalizedAlloc(llvm::orc::ExecutorAddr::fromPtr(published.release())));
  }

  void abandon(OnAbandonedFunction on_abandoned) override { on_abandoned(llvm::Error::success()); }

 private:
  [[nodiscard]] Kind kind_of(const AllocGroup& group, const Segment& segment) const {
    if (has(group, MemProt::Exec)) return Kind::Code;
    if (group.getMemLifetime() == MemLifetime::Finalize) return Kind::Scratch;
    if (has(group, MemProt::Write) || !has_code_ || segment.Alignment.value() > code_alignment) return Kind::Data;
    return Kind::Code;
  }

  llvm::Error allocate(const std::array<Piece, 3>& pieces) {
    if (has_code_) {
      const Piece& code = pieces[static_cast<std::size_t>(Kind::Code)];
      // More than 64 bytes are aligned to 64, fewer to 16.
      Result<Engine::Allocation> allocation = owner_.engine_.allocate(std::max(code.size, code_alignment + 1));
      if (!allocation) return to_llvm(allocation.error());
      allocation_ = *allocation;
      is_done_ = false;
      std::memset(allocation_.staging, 0, allocation_.size);
    }
    if (llvm::Error error = allocate(pieces[static_cast<std::size_t>(Kind::Data)], data_)) return error;
    return allocate(pieces[static_cast<std::size_t>(Kind::Scratch)], scratch_);
  }

  llvm::Error allocate(const Piece& wanted, DataArena::Piece& piece) {
    if (wanted.size == 0) return llvm::Error::success();
    const std::uint8_t* const near = has_code_ ? allocation_.rx : nullptr;
    Result<DataArena::Piece> made = owner_.data_->allocate(near, allocation_.size, wanted.size, wanted.alignment);
    if (!made) return to_llvm(make_error(made.error().code(), graph_->getName() + ": " + made.error().message()));
    piece = std::move(*made);
    return llvm::Error::success();
  }

  void assign(Segment& segment, std::pair<Kind, std::size_t> place) {
    const auto [kind, offset] = place;
    if (kind == Kind::Code) {
      segment.WorkingMem = reinterpret_cast<char*>(allocation_.staging + offset);
      segment.Addr = llvm::orc::ExecutorAddr::fromPtr(allocation_.rx + offset);
    } else {
      segment.WorkingMem = (kind == Kind::Data ? data_ : scratch_).data() + offset;
      segment.Addr = llvm::orc::ExecutorAddr::fromPtr(segment.WorkingMem);
    }
  }

  CodeMemoryManager& owner_;
  LinkGraph* graph_;
  BasicLayout layout_;
  bool has_code_ = false;
  Engine::Allocation allocation_{};
  DataArena::Piece data_, scratch_;
  std::vector<Site> sites_;
  bool is_done_ = true;  // nothing to release
};

CodeMemoryManager::CodeMemoryManager(Engine& engine) : engine_(engine), data_(std::make_shared<DataArena>()) {}
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

llvm::Expected<CodeMemoryManager::InFlight*> CodeMemoryManager::in_flight(const LinkGraph& graph) const {
  const auto found = in_flight_.find(&graph);
  if (found != in_flight_.end()) return found->second;
  return refuse(graph,
                "has patch sites, but its memory is not this CodeMemoryManager's: give the linking layer the one "
                "that the SitePlugin has");
}

llvm::Error CodeMemoryManager::keep_sites(const LinkGraph& graph, std::vector<Site> sites) {
  const std::lock_guard lock(mutex_);
  llvm::Expected<InFlight*> found = in_flight(graph);
  if (!found) return found.takeError();
  (*found)->keep(std::move(sites));
  return llvm::Error::success();
}

llvm::Expected<std::uintptr_t> CodeMemoryManager::code_address(const LinkGraph& graph) const {
  const std::lock_guard lock(mutex_);
  llvm::Expected<InFlight*> found = in_flight(graph);
  if (!found) return found.takeError();
  return (*found)->code_address();
}

const Code& CodeMemoryManager::code(const FinalizedAlloc& allocation) {
  return allocation.getAddress().toPtr<Published*>()->code;
}

// The data goes when the code does.
llvm::Error CodeMemoryManager::retire(std::shared_ptr<Published> published) {
  if (published->code.size() == 0) return llvm::Error::success();
  Code& code = published->code;
  Status retired = engine_.retire(std::move(code), [published] {});
  if (retired) return llvm::Error::success();
  const std::lock_guard lock(mutex_);
  kept_.push_back(std::move(published));
  return to_llvm(retired.error());
}

void CodeMemoryManager::deallocate(std::vector<FinalizedAlloc> allocations, OnDeallocatedFunction on_deallocated) {
  llvm::Error errors = llvm::Error::success();
  std::vector<std::shared_ptr<Published>> all;
  {
    const std::lock_guard lock(mutex_);
    all.swap(kept_);
  }
  for (FinalizedAlloc& allocation : allocations) {
    all.emplace_back(allocation.release().toPtr<Published*>());
    errors =
        llvm::joinErrors(std::move(errors), llvm::orc::shared::runDeallocActions(all.back()->deallocation_actions));
  }
  for (std::shared_ptr<Published>& published : all) {
    errors = llvm::joinErrors(std::move(errors), retire(std::move(published)));
  }
  on_deallocated(std::move(errors));
}

}  // namespace shunt::orc
