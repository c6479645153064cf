// The records of one key's sites, packed: 4 bytes for the site and 4 for each target.
//
//   word 0       bit 31: form, low bit; bits 30:0: the site's offset in code memory
//   word 1       bit 31: form, high bit; bits 30:0: offset of the first target; all ones: the record is removed
//   word k       bits 30:0: offset of target k
//
//   form         0 Toggle, 1 AlignedWord, 2 Call, 3 unused
//
// A site that falls through in state 0 has a target for each state above it: 8 bytes with two states. Redirects have a
// target in state 0 as well, so they have records of their own (Shape::Redirect), in which the form is implied. So do
// unaligned forms, because batches write them in another way; their form is that of their aligned likeness.
//
// The records of host sites are not copied: they stay where the linker put them, 16 bytes apart, in the same form
// (words 2 and 3 name the key; engine/sites/host_modules.h).
//
// Records are put in order of offset when a batch wants them so (sort()), not at each append: publishing one function
// after another stays cheap, and a batch writes in address order. Removed records are squeezed out once they are the
// majority.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/sites/site_form.h"
#include "shunt/engine.h"

namespace shunt::detail {

// What the sites of one SiteRecords have in common: how many targets they have, one for each state above the first or
// one for each state; and whether they are of an unaligned form.
enum class Shape : std::uint8_t { FallsThrough, Redirect, UnalignedFallsThrough, UnalignedRedirect };

[[nodiscard]] constexpr Shape shape_of(SiteForm form) noexcept {
  if (is_unaligned(form)) return is_redirect(form) ? Shape::UnalignedRedirect : Shape::UnalignedFallsThrough;
  return is_redirect(form) ? Shape::Redirect : Shape::FallsThrough;
}
[[nodiscard]] constexpr bool is_redirect(Shape shape) noexcept {
  return shape == Shape::Redirect || shape == Shape::UnalignedRedirect;
}
[[nodiscard]] constexpr bool is_unaligned(Shape shape) noexcept {
  return shape == Shape::UnalignedFallsThrough || shape == Shape::UnalignedRedirect;
}

// The lowest state that has a target.
[[nodiscard]] constexpr unsigned first_branching_state(SiteForm form) noexcept {
  return is_redirect(form) ? 0 : 1;
}

// A site as its record says it. Points into SiteRecords: ends with the next change to them.
struct SiteView {
  std::uint32_t offset;
  SiteForm form;
  const std::uint32_t* targets;  // one for each state from first_branching_state() on; bit 31 is the record's
  bool inverted = false;         // of two states, 0 branches and 1 falls through

  [[nodiscard]] bool branches(unsigned state) const noexcept { return is_redirect(form) || (state != 0) != inverted; }

  // Where the site's branch in `state` leads. Of a site that falls through in state 0 it is then what a Toggle's
  // displacement keeps: its only target.
  [[nodiscard]] std::uint32_t target(unsigned state) const noexcept {
    const unsigned first = first_branching_state(form);
    return targets[state < first ? 0 : state - first] & offset_mask;
  }
  static constexpr std::uint32_t offset_mask = 0x7FFFFFFF;
};

// Not thread-safe.
class SiteRecords {
 public:
  static constexpr std::uint32_t max_offset = 0x7FFFFFFE;

  explicit SiteRecords(unsigned states, Shape shape = Shape::FallsThrough)
      : stride_(states + (is_redirect(shape) ? 1 : 0)), shape_(shape) {}

  // `count` records of two states, each `stride` words after the one before, in order of offset, no two at the same.
  // They belong to somebody else, and stay while this is used. Nothing can be appended or removed.
  SiteRecords(std::uint32_t* records, std::size_t count, std::size_t stride, bool inverted) noexcept
      : foreign_(records), foreign_slots_(count), stride_(stride), inverted_(inverted), sorted_(count) {
    for (std::size_t slot = 0; slot < count; ++slot) forms_ |= 1U << code(records + slot * stride);
  }

  // Fills the two words of a record of two states.
  static void pack(std::uint32_t* record, std::uint32_t offset, SiteForm form, std::uint32_t target) noexcept {
    const std::uint32_t code = code_of(form);
    record[0] = offset | code << 31;
    record[1] = target | code >> 1 << 31;
  }

  // The records that belong to somebody else; null if they are this object's own.
  [[nodiscard]] std::uint32_t* foreign() const noexcept { return foreign_; }

  [[nodiscard]] static constexpr std::size_t bytes_per_site(unsigned states) noexcept {  // that fall through in state 0
    return states * sizeof(std::uint32_t);
  }

  // Which of a record's targets `state` has, the same for all of them; of a site that falls through then, the target
  // that a Toggle's displacement keeps. And whether the sites branch.
  [[nodiscard]] std::size_t target_of(unsigned state) const noexcept {
    return is_redirect(shape_) || state == 0 ? state : state - 1;
  }
  [[nodiscard]] bool branches(unsigned state) const noexcept {
    return is_redirect(shape_) || (state != 0) != inverted_;
  }

  [[nodiscard]] Shape shape() const noexcept { return shape_; }
  [[nodiscard]] std::size_t size() const noexcept { return slots() - removed_; }
  [[nodiscard]] std::size_t bytes() const noexcept { return words_.capacity() * sizeof(std::uint32_t); }

  // Room for `more` records, so that append() cannot fail. May sort. May throw std::bad_alloc; nothing has changed
  // then.
  void reserve(std::size_t more);

  // Precondition: reserved; offsets at most max_offset; a form of this shape, and as many targets as it has.
  void append(std::uint32_t offset, SiteForm form, std::span<const std::uint32_t> targets) noexcept;

  // Sorts by offset and squeezes out removed records if there are many. May throw std::bad_alloc; nothing has changed
  // then.
  void sort();

  // Calls visit(SiteView) for each record until it returns false; in order of offset after sort(). soon(offset) is
  // called for each record some time before its visit, so that the site's memory can be fetched meanwhile.
  template <class Visit, class Soon>
  void for_each(Visit visit, Soon soon) const {
    // The usual cases, two states and one form, are worth a loop each: it knows the form without looking.
    const bool usual = shape_ == Shape::FallsThrough;
    const bool only_words = usual && forms_ == 1U << code_of(SiteForm::AlignedWord);
    const bool only_toggles = usual && forms_ == 1U << code_of(SiteForm::Toggle);
    if (stride_ == 2 && only_words) {
      visit_records<2, SiteForm::AlignedWord>(visit, soon);
    } else if (stride_ == 2 && only_toggles) {
      visit_records<2, SiteForm::Toggle>(visit, soon);
    } else if (stride_ == 4 && only_toggles) {  // host sites
      visit_records<4, SiteForm::Toggle>(visit, soon);
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

  [[nodiscard]] SiteView at(std::size_t slot) const noexcept { return view(begin() + slot * stride_); }
  // The first target of every record becomes target_of(SiteView). Precondition: not foreign.
  template <class TargetOf>
  void set_targets(TargetOf&& target_of) noexcept {
    for (std::size_t slot = 0; slot < slots(); ++slot) {
      if (live(slot)) words_[slot * stride_ + 1] = (words_[slot * stride_ + 1] & form_bit) | target_of(at(slot));
    }
  }
  void set_target(std::size_t slot, unsigned state, std::uint32_t target) noexcept {
    std::uint32_t* const words = foreign_ != nullptr ? foreign_ : words_.data();
    std::uint32_t& word = words[slot * stride_ + state + (is_redirect(shape_) ? 1 : 0)];
    word = (word & form_bit) | target;
  }

 private:
  static constexpr std::uint32_t form_bit = 0x80000000;
  static constexpr std::uint32_t offset_mask = SiteView::offset_mask;
  static constexpr std::uint32_t removed_mark = 0xFFFFFFFF;

  // The form's two bits, and back. A Redirect's are those of an AlignedWord: the shape tells them apart. It also tells
  // an unaligned form from its likeness.
  [[nodiscard]] static constexpr std::uint32_t code_of(SiteForm form) noexcept {
    return form == SiteForm::Toggle ? 0 : is_call(form) ? 2 : 1;
  }
  [[nodiscard]] static constexpr SiteForm form_of(std::uint32_t code) noexcept {
    static_assert(static_cast<int>(SiteForm::Toggle) == 0 && static_cast<int>(SiteForm::AlignedWord) == 1 &&
                  static_cast<int>(SiteForm::Call) == 3);
    return static_cast<SiteForm>(code + (code >> 1));
  }
  [[nodiscard]] static std::uint32_t code(const std::uint32_t* record) noexcept {
    return record[0] >> 31 | record[1] >> 31 << 1;
  }
  [[nodiscard]] SiteView view(const std::uint32_t* record) const noexcept {
    return {record[0] & offset_mask, form(code(record)), record + 1, inverted_};
  }
  [[nodiscard]] SiteForm form(std::uint32_t code) const noexcept {
    switch (shape_) {
      case Shape::FallsThrough:
        break;
      case Shape::Redirect:
        return SiteForm::Redirect;
      case Shape::UnalignedFallsThrough:
        return code == 2 ? SiteForm::UnalignedCall : SiteForm::Unaligned;
      case Shape::UnalignedRedirect:
        return SiteForm::UnalignedRedirect;
    }
    return form_of(code);
  }
  [[nodiscard]] static bool live(const std::uint32_t* record) noexcept { return record[1] != removed_mark; }
  // FixedStride 0, no OnlyForm: as the records say. The functions are taken by value: what is copied here no store of
  // theirs can change, so it stays in registers.
  template <std::size_t FixedStride, SiteForm... OnlyForm, class Visit, class Soon>
  void visit_records(Visit visit, Soon soon) const {
    const std::size_t stride = FixedStride == 0 ? stride_ : FixedStride;
    constexpr std::size_t ahead =
        128;  // measured: beyond a page at 64 bytes a site, so that address translation is ahead too
    const std::uint32_t* const first = begin();
    const std::uint32_t* const end = first + slots() * stride;
    const std::uint32_t* const prefetched_end = slots() > ahead ? end - ahead * stride : first;
    for (const std::uint32_t* record = first; record != end; record += stride) {
      if (record < prefetched_end) soon(record[ahead * stride] & offset_mask);
      if (!live(record)) continue;
      SiteView site = view(record);
      ((site.form = OnlyForm), ...);
      if (!visit(site)) return;
    }
  }

  bool try_sort() noexcept;  // false: no memory for it, nothing has changed
  [[nodiscard]] const std::uint32_t* begin() const noexcept { return foreign_ != nullptr ? foreign_ : words_.data(); }
  [[nodiscard]] std::size_t slots() const noexcept {
    return foreign_ != nullptr ? foreign_slots_ : words_.size() / stride_;
  }
  [[nodiscard]] bool live(std::size_t slot) const noexcept { return live(begin() + slot * stride_); }
  [[nodiscard]] std::size_t lower_bound(std::uint32_t offset) const noexcept;  // in the sorted part
  [[nodiscard]] std::uint32_t offset_of(std::size_t slot) const noexcept {
    return begin()[slot * stride_] & offset_mask;
  }

  std::vector<std::uint32_t> words_;
  std::uint32_t* foreign_ = nullptr;  // or the records of somebody else
  std::size_t foreign_slots_ = 0;
  std::size_t stride_;  // words of a record
  Shape shape_ = Shape::FallsThrough;
  bool inverted_ = false;
  std::uint32_t forms_ = 0;  // bit code_of(f): there are or were sites of form f
  std::size_t removed_ = 0;
  std::size_t sorted_ = 0;  // slots from the beginning that are in order
};

static_assert(SiteRecords::bytes_per_site(2) == 8 && SiteRecords::bytes_per_site(3) == 12);

}  // namespace shunt::detail
