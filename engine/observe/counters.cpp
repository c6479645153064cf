#include "engine/observe/counters.h"

#include <cstring>
#include <utility>

namespace shunt::detail {

void Counters::committed(const CommitReport& report, std::uint32_t batches) noexcept {
  add_alone(commits_, batches);
  add_alone(sites_written_, report.sites_written);
  add_alone(check_ns_, report.check_ns);
  add_alone(write_ns_, report.write_ns);
  add_alone(maintenance_ns_, report.maintenance_ns);
  add_alone(serialise_ns_, report.serialise_ns);
}

void Counters::serialised(std::string_view mechanism) noexcept {
  for (Mechanism& slot : mechanisms_) {
    const char* name = nullptr;
    const bool mine = slot.name.compare_exchange_strong(name, mechanism.data(), std::memory_order_relaxed);
    if (!mine && name != mechanism.data()) continue;
    add(slot.count, 1);
    return;
  }
}

void Counters::read(EngineStats& stats) const {
  const auto get = [](const Count& count) { return count.load(std::memory_order_relaxed); };
  stats.commits = get(commits_);
  stats.no_op_commits = no_op_commits_.sum();
  stats.sites_written = get(sites_written_);
  stats.publications = get(publications_);
  stats.check_ns = get(check_ns_);
  stats.write_ns = get(write_ns_);
  stats.maintenance_ns = get(maintenance_ns_);
  stats.serialise_ns = get(serialise_ns_);
  for (const Mechanism& slot : mechanisms_) {
    const char* const name = slot.name.load(std::memory_order_relaxed);
    if (name != nullptr) stats.serialisations.push_back({name, get(slot.count)});
  }
  for (std::size_t code = 0; code < failures_.size(); ++code) {
    if (const std::uint64_t count = get(failures_[code]); count != 0)
      stats.failures.push_back({static_cast<ErrorCode>(code), count});
  }
}

namespace {

class CountingSerialiser final : public CoreSerialiser {
 public:
  CountingSerialiser(std::unique_ptr<CoreSerialiser> counted, Counters& counters)
      : counted_(std::move(counted)), counters_(counters) {}

  [[nodiscard]] std::string_view name() const noexcept override { return counted_->name(); }

  Status serialise() override {
    Status status = counted_->serialise();
    if (status) counters_.serialised(counted_->name());
    return status;
  }

 private:
  std::unique_ptr<CoreSerialiser> counted_;
  Counters& counters_;
};

}  // namespace

std::unique_ptr<CoreSerialiser> make_counting_serialiser(std::unique_ptr<CoreSerialiser> counted, Counters& counters) {
  return std::make_unique<CountingSerialiser>(std::move(counted), counters);
}

}  // namespace shunt::detail
