// The vocabulary that every instruction set describes its patch sites in.
//
// A patch site is one instruction that is rewritten while other threads may execute it. In each state it either falls
// through or branches to a target (a Call: calls it). An instruction set says how that looks in bytes (encode.h), what
// bytes mean (decode.h), which rewrites are legal while others execute the site and by which single store
// (transition.h), how it is rewritten where no single store will do (breakpoint.h), and what makes written bytes
// fetchable (cache.h). All of it is pure: no heap, no locks, no calls of
// the operating system, no globals.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace shunt::arch {

// How a site is encoded. An instruction set may lack a form (supports()).
enum class SiteForm : std::uint8_t {
  Toggle,       // one byte tells the two states apart; the target is part of the instruction in both
  AlignedWord,  // the instruction's changing bytes lie in one aligned word, written by one store
  Redirect,     // a branch in every state, to one target or to another; placed like an AlignedWord
  Call,         // a no-op, or a call of a target; placed like an AlignedWord

  // The same at any address, without prefixes: rewritten by the breakpoint protocol (breakpoint.h).
  Unaligned,          // a no-op or a branch
  UnalignedRedirect,  // a branch in every state
  UnalignedCall,      // a no-op or a call
};

[[nodiscard]] constexpr bool is_unaligned(SiteForm form) noexcept {
  return form >= SiteForm::Unaligned;
}
[[nodiscard]] constexpr bool is_redirect(SiteForm form) noexcept {
  return form == SiteForm::Redirect || form == SiteForm::UnalignedRedirect;
}
[[nodiscard]] constexpr bool is_call(SiteForm form) noexcept {
  return form == SiteForm::Call || form == SiteForm::UnalignedCall;
}

// Where a site sends execution in one state. A Toggle's target is meaningful also when it falls through.
struct Direction {
  bool branches = false;
  std::uint64_t target = 0;

  friend constexpr bool operator==(const Direction&, const Direction&) = default;
};

// The bytes of a site in one state, or of another short piece of code.
struct SiteBytes {
  std::array<std::uint8_t, 16> bytes{};
  std::uint8_t length = 0;
};

// The one store that rewrites a site: `size` (1, 4 or 8) bytes, naturally aligned, at the site's address plus `offset`
// (which may be negative: an aligned word may begin before the site).
struct SiteStore {
  std::int8_t offset = 0;
  std::uint8_t size = 0;
  std::uint64_t old_value = 0;
  std::uint64_t new_value = 0;
};

// What a core's caches demand after code was written. Line sizes in bytes, powers of two.
struct CacheTraits {
  std::uint32_t data_line = 64;
  std::uint32_t instruction_line = 64;
  bool clean_data = false;              // written lines must be cleaned to the point of unification
  bool invalidate_instruction = false;  // stale lines must be invalidated in the instruction caches

  friend constexpr bool operator==(const CacheTraits&, const CacheTraits&) = default;
};

// Code that was written: a piece of one of the regions that hold code, which the user of arch/ numbers.
struct CodeRange {
  std::uint32_t begin = 0;  // offset in the region
  std::uint32_t length = 0;
  std::uint32_t region = 0;

  [[nodiscard]] friend constexpr bool operator<(const CodeRange& a, const CodeRange& b) noexcept {
    return a.region != b.region ? a.region < b.region : a.begin < b.begin;
  }
};

enum class Operation : std::uint8_t { Unknown, Nop, Jump, Call, Test, Trap };

// Where a thread goes on that ran into the breakpoint which stands at a site while it is rewritten: it does what the
// site's new instruction would do.
struct Resumption {
  std::uint64_t address = 0;         // of the next instruction
  std::uint64_t return_address = 0;  // pushed before, if the new instruction is a call; else 0

  friend constexpr bool operator==(const Resumption&, const Resumption&) = default;
};

// A decoded instruction. `target` of Jump and Call is an address; `immediate` of Test and Trap is the operand.
struct Decoded {
  Operation operation = Operation::Unknown;
  std::uint8_t length = 0;
  std::uint64_t target = 0;
  std::uint32_t immediate = 0;

  friend constexpr bool operator==(const Decoded&, const Decoded&) = default;
};

// A short text in place, because arch/ uses no heap.
class Text {
 public:
  constexpr void append(std::string_view text) noexcept {
    for (char c : text) {
      if (size_ < chars_.size()) chars_[size_++] = c;
    }
  }
  // Hexadecimal with 0x, no leading zeros.
  constexpr void append_hex(std::uint64_t value) noexcept {
    append("0x");
    int shift = 60;
    while (shift > 0 && (value >> shift & 0xf) == 0) shift -= 4;
    for (; shift >= 0; shift -= 4) append(std::string_view("0123456789abcdef").substr(value >> shift & 0xf, 1));
  }
  // A branch's distance: "+0x20" or "-0x20", from the instruction's first byte.
  constexpr void append_distance(std::uint64_t from, std::uint64_t to) noexcept {
    append(to >= from ? "+" : "-");
    append_hex(to >= from ? to - from : from - to);
  }
  [[nodiscard]] constexpr std::string_view view() const noexcept { return {chars_.data(), size_}; }

 private:
  std::array<char, 40> chars_{};
  std::uint8_t size_ = 0;
};

}  // namespace shunt::arch
