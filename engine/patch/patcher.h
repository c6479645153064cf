// Patching as the engine sees it: whole groups of sites, no instruction set. The implementation for one instruction set
// and one way to write memory is patch/protocol.h; the tests have one that records every step.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "arch/site.h"
#include "engine/memory/region.h"
#include "engine/sites/site_records.h"
#include "engine/sites/site_table.h"
#include "engine/trap/breakpoint_table.h"
#include "shunt/engine.h"
#include "shunt/error.h"

namespace shunt::detail {

// A site of code that is about to be published; offsets in code memory.
struct PlacedSite {
  KeyBase* key;
  SiteForm form;
  std::uint32_t offset;
  std::span<std::uint32_t> targets;  // where its branches lead
};

// How far the breakpoint protocol has brought the sites of a batch: what was written to them last.
enum class BreakpointStep : std::uint8_t { None, Breakpoints, Tails, FirstBytes };

// Stateless. What reads or writes sites of published code wants the engine's commit lock held.
class Patcher {
 public:
  virtual ~Patcher() = default;

  [[nodiscard]] virtual InstructionSet instruction_set() const noexcept = 0;
  [[nodiscard]] virtual unsigned site_length(SiteForm form, std::uint32_t offset) const noexcept = 0;
  virtual void fill_with_traps(std::span<std::uint8_t> code) const noexcept = 0;

  // The pieces of code around static calls (arch/*/stub.h). Addresses are those that the code is fetched at.
  [[nodiscard]] virtual arch::SiteBytes veneer(std::uint64_t address, std::uint64_t target) const noexcept = 0;
  [[nodiscard]] virtual arch::SiteBytes return_instruction() const noexcept = 0;

  // Whether `site` can be one: its form exists here and may stand there, and a site of that form (in any state) does
  // stand there.
  virtual Status check_new(const CodeViews& code, const PlacedSite& site) = 0;

  // Whether a branch of a site of that form at `site` reaches `target`. It does if they are less than branch_range()
  // bytes apart.
  [[nodiscard]] virtual bool reaches(SiteForm form, std::uint32_t site, std::uint32_t target) const noexcept = 0;
  [[nodiscard]] virtual std::uint32_t branch_range() const noexcept = 0;
  [[nodiscard]] virtual Error out_of_reach(std::uint32_t site, std::uint32_t target) const = 0;

  // Writes the bytes of a site of code that nobody can execute yet. Precondition: its targets are in reach.
  virtual void write_new(const CodeViews& code, const PlacedSite& site, unsigned state) = 0;

  // Expected bytes: whether all sites of a group (one site of it) hold what they must in `state`. Writes nothing.
  virtual Status check(const SiteGroup& group, unsigned state) = 0;
  virtual Status check(const SiteGroup& group, const SiteView& site, unsigned state) = 0;

  // Rewrites all sites of a group (one site of it) to `state` through the RW alias; adds what was written to `written`
  // if collects_ranges(). Precondition: checked. Returns the number of sites.
  virtual std::size_t write(const SiteGroup& group, unsigned state, std::vector<arch::CodeRange>& written) = 0;
  virtual void write(const Region& region, const SiteView& site, unsigned state,
                     std::vector<arch::CodeRange>& written) = 0;

  // Whether the instruction set has the breakpoint protocol (engine/patch/breakpoint.h).
  [[nodiscard]] virtual bool has_breakpoints() const noexcept = 0;

  // Adds what the breakpoint protocol needs to bring all sites of a group (one site of it) to `state`. Precondition:
  // `sites` has room.
  virtual void add_breakpoints(const SiteGroup& group, unsigned state, std::vector<BreakpointSite>& sites) const = 0;
  virtual void add_breakpoint(const Region& region, const SiteView& site, unsigned state,
                              std::vector<BreakpointSite>& sites) const = 0;

  // One step of the breakpoint protocol, at every site. A site's region is an index of `regions`.
  virtual void write_step(std::span<const Region* const> regions, std::span<const BreakpointSite> sites,
                          BreakpointStep step) = 0;

  // Whether a store of data that a stub loads (shunt/demotable_key.h) is seen by every execution that starts after a
  // core serialisation alone.
  [[nodiscard]] virtual bool data_flips_need_serialisation() const noexcept = 0;

  // Whether maintain() has to know what was written.
  [[nodiscard]] virtual bool collects_ranges() const noexcept = 0;

  // Makes written code fetchable. Precondition: ranges sorted. A range's region is an index of `regions`.
  virtual void maintain(std::span<const Region* const> regions, std::span<const arch::CodeRange> written) = 0;

  // The instruction of the site in `state`, disassembled; and the one that is there now.
  [[nodiscard]] virtual std::string instruction(const CodeViews& code, const SiteView& site, unsigned state) const = 0;
  [[nodiscard]] virtual std::string instruction_now(const CodeViews& code, const SiteView& site) const = 0;
};

// The host's instruction set, written directly.
std::unique_ptr<Patcher> make_host_patcher();

}  // namespace shunt::detail
