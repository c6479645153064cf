// The records of one key's sites, packed: 8 bytes for a site with two states, 4 more for each further state.
//
//   word 0       bit 31: form (0 Toggle, 1 AlignedWord); bits 30:0: the site's offset in code memory
//   word 1       bits 30:0: offset of the target of state 1; 0x7FFFFFFF: the record is removed
//   word k       bits 30:0: offset of the target of state k
//
// Records are put in order of offset when a batch wants them so (sort()), not at each append: publishing one function
// after another stays cheap, and a batch writes in address order. Removed records are squeezed out once they are the
// majority.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "shunt/engine.h"

namespace shunt::detail {

// A site as its record says it. Points into SiteRecords: ends with the next change to them.
struct SiteView {
  std::uint32_t offset;
  SiteForm form;
  const std::uint32_t* targets;  // one for each state above 0

  // Where the site's branch in `state` leads. In state 0 it is what a Toggle's displacement keeps: its only target.
  [[nodiscard]] std::uint32_t target(unsigned state) const noexcept { return targets[state == 0 ? 0 : state - 1]; }
};

// Not thread-safe.
class SiteRecords {
 public:
  static constexpr std::uint32_t max_offset = 0x7FFFFFFE;

  explicit SiteRecords(unsigned states) : stride_(states) {}

  [[nodiscard]] static constexpr std::size_t bytes_per_site(unsigned states) noexcept {
    return states * sizeof(std::uint32_t);
  }

  [[nodiscard]] std::size_t size() const noexcept { return slots() - removed_; }
  [[nodiscard]] std::size_t bytes() const noexcept { return words_.capacity() * sizeof(std::uint32_t); }

  // Room for `more` records, so that append() cannot fail. May sort. May throw std::bad_alloc; nothing has changed
  // then.
  void reserve(std::size_t more);

  // Precondition: reserved; offsets at most max_offset; as many targets as states - 1.
  void append(std::uint32_t offset, SiteForm form, std::span<const std::uint32_t> targets) noexcept;

  // Sorts by offset and squeezes out removed records if there are many. May throw std::bad_alloc; nothing has changed
  // then.
  void sort();

  // Calls visit(SiteView) for each record until it returns false; in order of offset after sort(). soon(offset) is
  // called for each record some time before its visit, so that the site's memory can be fetched meanwhile.
  template <class Visit, class Soon>
  void for_each(Visit&& visit, Soon&& soon) const {
    if (stride_ == 2) {
      visit_records<2>(visit, soon);  // the usual case, worth a loop of its own
    } else {
      visit_records<0>(visit, soon);
    }
  }

  // Calls visit(slot) for each record whose offset lies in [begin, end), in no particular order unless sorted.
  // Logarithmic in the sorted part, linear in what was appended out of order since.
  template <class Visit>
  void for_each_slot_in(std::uint32_t begin, std::uint32_t end, Visit&& visit) const {
    for (std::size_t slot = lower_bound(begin); slot < sorted_ && offset_of(slot) < end; ++slot) {
      if (live(slot)) visit(slot);
    }
    for (std::size_t slot = sorted_; slot < slots(); ++slot) {
      if (live(slot) && offset_of(slot) >= begin && offset_of(slot) < end) visit(slot);
    }
  }

  static constexpr std::size_t none = ~std::size_t{0};
  // Slots stay valid until the next sort(), append() or remove().
  [[nodiscard]] std::size_t find(std::uint32_t offset) const noexcept;  // slot of the site at `offset`, or none
  std::size_t remove(std::uint32_t begin, std::uint32_t end) noexcept;  // records of [begin, end); how many

  [[nodiscard]] SiteView at(std::size_t slot) const noexcept { return view(&words_[slot * stride_]); }
  void set_target(std::size_t slot, unsigned state, std::uint32_t target) noexcept {
    words_[slot * stride_ + state] = target;
  }

 private:
  static constexpr std::uint32_t form_bit = 0x80000000;
  static constexpr std::uint32_t offset_mask = 0x7FFFFFFF;
  static constexpr std::uint32_t removed_mark = 0x7FFFFFFF;

  [[nodiscard]] static SiteView view(const std::uint32_t* record) noexcept {
    return {record[0] & offset_mask, (record[0] & form_bit) != 0 ? SiteForm::AlignedWord : SiteForm::Toggle,
            record + 1};
  }
  template <std::size_t FixedStride, class Visit, class Soon>
  void visit_records(Visit& visit, Soon& soon) const {
    const std::size_t stride = FixedStride == 0 ? stride_ : FixedStride;
    constexpr std::size_t ahead =
        128;  // measured: beyond a page at 64 bytes a site, so that address translation is ahead too
    const std::uint32_t* const end = words_.data() + words_.size();
    const std::uint32_t* const prefetched_end = slots() > ahead ? end - ahead * stride : words_.data();
    for (const std::uint32_t* record = words_.data(); record != end; record += stride) {
      if (record < prefetched_end) soon(record[ahead * stride] & offset_mask);
      if (record[1] != removed_mark && !visit(view(record))) return;
    }
  }

  bool try_sort() noexcept;  // false: no memory for it, nothing has changed
  [[nodiscard]] std::size_t slots() const noexcept { return words_.size() / stride_; }
  [[nodiscard]] bool live(std::size_t slot) const noexcept { return words_[slot * stride_ + 1] != removed_mark; }
  [[nodiscard]] std::size_t lower_bound(std::uint32_t offset) const noexcept;  // in the sorted part
  [[nodiscard]] std::uint32_t offset_of(std::size_t slot) const noexcept {
    return words_[slot * stride_] & offset_mask;
  }

  std::vector<std::uint32_t> words_;
  std::size_t stride_;
  std::size_t removed_ = 0;
  std::size_t sorted_ = 0;  // slots from the beginning that are in order
};

static_assert(SiteRecords::bytes_per_site(2) == 8 && SiteRecords::bytes_per_site(3) == 12);

}  // namespace shunt::detail
