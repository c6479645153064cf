#include "engine/sites/site_table.h"

#include <algorithm>
#include <utility>

#include "engine/patch/mutant.h"

namespace shunt::detail {

void KeySites::note_stubs(SiteForm form, std::span<const std::uint32_t> targets) noexcept {
  if (key->kind() != KeyKind::Demotable || mutated(Mutant::ShareAllStubs)) return;
  const unsigned values = key->states() / 2, first = first_branching_state(form);
  const auto stub = [&](unsigned value) { return targets[values + value - first]; };
  for (unsigned value = 1; value < std::min(values, shared_stub); ++value) {
    if (stub(value) != stub(0)) shared_stub = value;
  }
}

void KeySites::retargeted(unsigned state) noexcept {
  if (key->kind() != KeyKind::Demotable || state < key->states() / 2) return;
  shared_stub = std::min(shared_stub, state - key->states() / 2);
}

KeySites* SiteTable::add_key(KeyBase& key, unsigned initial) {
  auto sites = std::make_shared<KeySites>(key, code_region_, initial);
  sites->position = keys_.size();
  keys_.push_back(std::move(sites));
  return keys_.back().get();
}

void SiteTable::remove_key(KeySites& sites) noexcept {
  sites.key = nullptr;
  sites.groups.clear();  // the entry may live on in lists of code; its records need not
  const std::size_t position = sites.position;
  std::swap(keys_[position], keys_.back());
  keys_[position]->position = position;
  keys_.pop_back();  // may end `sites`
}

SiteTable::CodeEntry& SiteTable::add_code(std::uint32_t begin) {
  CodeEntry& entry = code_[begin];
  entry.id = ++codes_added_;
  return entry;
}

void SiteTable::add_dependency(CodeEntry& entry, KeySites& sites) {
  if (sites.last_code == entry.id) return;
  entry.keys.push_back(keys_[sites.position]);
  sites.last_code = entry.id;
}

void SiteTable::reserve(KeySites& sites, SiteForm form, std::size_t more) {
  sites.group(code_region_, shape_of(form)).records.reserve(more);
}

void SiteTable::add_site(CodeEntry& entry, KeySites& sites, std::uint32_t offset, SiteForm form,
                         std::span<const std::uint32_t> targets) {
  add_dependency(entry, sites);
  SiteRecords& records = sites.group(code_region_, shape_of(form)).records;
  records.reserve(1);
  records.append(offset, form, targets);
  sites.note_stubs(form, targets);
  store_count(sites);
}

void SiteTable::remove_code(std::uint32_t begin, std::uint32_t end) noexcept {
  const auto entry = code_.find(begin);
  if (entry == code_.end()) return;
  for (const std::shared_ptr<KeySites>& sites : entry->second.keys) {
    if (sites->key == nullptr) continue;
    for (SiteGroup& group : sites->groups) {
      if (group.region == &code_region_) group.records.remove(begin, end);
    }
    store_count(*sites);
  }
  code_.erase(entry);
}

void SiteTable::add_group(KeySites& sites, SiteGroup group) {
  sites.groups.push_back(std::move(group));
  store_count(sites);
}

void SiteTable::remove_groups(const Region& region) noexcept {
  for (const std::shared_ptr<KeySites>& sites : keys_) {
    if (std::erase_if(sites->groups, [&](const SiteGroup& group) { return group.region == &region; }) != 0)
      store_count(*sites);
  }
}

std::vector<std::uint32_t> SiteTable::code_of(const KeySites& sites) const {
  std::vector<std::uint32_t> begins;
  for (const auto& [begin, entry] : code_) {
    const auto is_key = [&](const std::shared_ptr<KeySites>& listed) { return listed.get() == &sites; };
    if (std::any_of(entry.keys.begin(), entry.keys.end(), is_key)) begins.push_back(begin);
  }
  std::sort(begins.begin(), begins.end());
  return begins;
}

void SiteTable::store_count(const KeySites& sites) noexcept {
  sites.key->site_count_.store(static_cast<std::uint32_t>(sites.size()),
                               std::memory_order_relaxed);  // static_key.h
}

std::span<const std::shared_ptr<KeySites>> SiteTable::keys_of_code(std::uint32_t begin) const noexcept {
  const auto entry = code_.find(begin);
  if (entry == code_.end()) return {};
  return entry->second.keys;
}

}  // namespace shunt::detail
