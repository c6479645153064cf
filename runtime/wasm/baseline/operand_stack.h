// The operand stack at compile time, and the registers that it shares with the pinned locals.
//
// Entries stay where they were made: constants and locals cost nothing until used, results stay in registers. When
// registers run out, the deepest entry moves to the frame slot of its position. A register is free, or active (a pinned
// local lives in it now), or owned by one entry, or held by the operation in progress.
#pragma once

#include <algorithm>
#include <array>
#include <cassert>
#include <cstdint>
#include <vector>

#include "runtime/wasm/baseline/frame_layout.h"
#include "runtime/wasm/baseline/operand.h"
#include "runtime/wasm/baseline/pinning.h"

namespace shunt::wasm::baseline {

template <class S>
class OperandStack final : public Scratch {
 public:
  OperandStack(S& selection, const FrameLayout& frame, const Pinning& pinning)
      : selection_(selection), frame_(frame), pinning_(pinning) {}

  // For a new function, whose operands may use `registers`.
  void reset(std::size_t locals, RegSet registers) {
    entries_.clear();
    pending_.assign(locals, 0);
    usable_ = registers;
    active_ = owned_ = held_ = {};
    flushed_ = 0;
    exhausted_ = false;
  }
  // Whether some operation needed more registers than there are; what was emitted is wrong then.
  [[nodiscard]] bool exhausted() const { return exhausted_; }
  // The registers of popped entries and of scratch that became nobody's entry are free again.
  void end_operation() { held_ = {}; }

  // --- entries ---
  [[nodiscard]] std::uint32_t height() const { return static_cast<std::uint32_t>(entries_.size()); }
  [[nodiscard]] const Entry& top(std::uint32_t below = 0) const { return entries_[entries_.size() - 1 - below]; }
  [[nodiscard]] const Entry& at(std::uint32_t position) const { return entries_[position]; }

  void push_constant(ValueType type, std::uint64_t bits) {
    entries_.push_back({.kind = Entry::Kind::Constant, .type = type, .bits = bits});
  }
  void push_local(ValueType type, std::uint32_t local) {
    if (height() - flushed_ >= max_lazy) flush();
    ++pending_[local];
    entries_.push_back({.kind = Entry::Kind::Local, .type = type, .index = local});
  }
  void push_register(ValueType type, Reg reg) {
    own(reg);
    entries_.push_back({.kind = Entry::Kind::Register, .type = type, .reg = reg});
  }
  void push_slot(ValueType type) { entries_.push_back({.kind = Entry::Kind::Slot, .type = type, .index = height()}); }
  // A load that the next operation (or the one after a constant or local) folds. `index` may be invalid.
  void push_memory(ValueType type, Reg index, bool owned, std::uint64_t offset) {
    if (height() - flushed_ + 2 >= max_lazy) flush();  // so that no flush comes before its use
    if (owned) own(index);
    entries_.push_back(
        {.kind = Entry::Kind::Memory, .type = type, .reg = index, .index = owned ? 1U : 0U, .bits = offset});
  }
  // The entry's register, if it owns one, is held until the operation's end.
  Entry pop() {
    const Entry entry = entries_.back();
    entries_.pop_back();
    if (entry.kind == Entry::Kind::Local) --pending_[entry.index];
    if (owns(entry)) {
      owned_.remove(entry.reg);
      held_.insert(entry.reg);
    }
    flushed_ = std::min(flushed_, height());
    return entry;
  }
  // Down to `height`, forgetting entries; their registers are free.
  void drop_to(std::uint32_t height) {
    while (this->height() > height) pop();
  }

  [[nodiscard]] Operand operand(const Entry& entry) const {
    switch (entry.kind) {
      case Entry::Kind::Constant:
        return Operand::constant(entry.bits);
      case Entry::Kind::Local: {
        const Reg pin = pinning_.of(entry.index);
        return pin.valid() ? Operand::in(pin) : Operand::at(frame_.home(entry.index));
      }
      case Entry::Kind::Register:
        return Operand::in(entry.reg);
      case Entry::Kind::Slot:
        return Operand::at(frame_.slot(entry.index));
      case Entry::Kind::Memory:
        return Operand::memory(entry.reg, entry.bits);
    }
    return {};
  }
  // Whether the popped entry's register may be overwritten.
  [[nodiscard]] static bool is_temporary(const Entry& entry) { return entry.kind == Entry::Kind::Register; }

  // The popped entry in a register: its own, the local's, or a new one that is held.
  Reg in_register(const Entry& entry) {
    const Operand value = operand(entry);
    if (value.is_register()) return value.reg;
    const Reg reg = take(class_of(entry.type));
    selection_.move(entry.type, reg, value);
    return reg;
  }

  // --- registers ---
  // A free register, now held. The deepest operand makes room if there is none.
  Reg take(RegClass cls) {
    RegSet free = available(cls);
    if (free.empty()) {
      evict(cls);
      free = available(cls);
    }
    if (free.empty()) {
      exhausted_ = true;
      return usable_.of(cls).first();
    }
    const Reg reg = free.first();
    held_.insert(reg);
    return reg;
  }
  Reg general() override { return take(RegClass::General); }
  Reg floating() override { return take(RegClass::Float); }
  void claim(Reg reg) override {
    if (owned_.contains(reg)) relocate(reg);
    held_.insert(reg);
  }
  void hold(Reg reg) { held_.insert(reg); }
  void release(Reg reg) { held_.remove(reg); }
  // All registers held so far are free, but for those of two popped entries.
  void hold_only(const Entry& first, const Entry& second) {
    held_ = {};
    for (const Entry* entry : {&first, &second}) {
      if (owns(*entry)) held_.insert(entry->reg);
    }
  }
  [[nodiscard]] bool is_owned(Reg reg) const { return owned_.contains(reg); }
  [[nodiscard]] bool is_active(Reg reg) const { return active_.contains(reg); }

  // A pinned local starts to live in its register.
  void activate(Reg reg) {
    if (owned_.contains(reg)) relocate(reg);
    active_.insert(reg);
  }
  // The local ends. Operands that still mean it take the register over.
  void deactivate(std::uint32_t local, Reg reg) {
    active_.remove(reg);
    if (pending_[local] == 0) return;
    bool taken = false;
    for_each_reference(local, [&](Entry& entry, std::uint32_t position) {
      if (!taken) {
        replace_by_register(entry, position, reg);
        taken = true;
      } else {
        copy_to_register(entry, position);
      }
    });
  }
  void set_active(RegSet active) { active_ = active; }

  // Operands that mean `local` get copies of their own, because it is about to be assigned.
  void detach(std::uint32_t local) {
    if (pending_[local] == 0) return;
    for_each_reference(local, [&](Entry& entry, std::uint32_t position) { copy_to_register(entry, position); });
  }

  // All entries below `height` that are not constants move to their slots, as control-flow merges want them.
  void flush(std::uint32_t height) {
    for (std::uint32_t position = flushed_; position < height; ++position) spill(position);
    flushed_ = std::max(flushed_, height);
  }
  void flush() { flush(height()); }
  // After flush(): also constants from `first` on are in their slots.
  void fill_slots(std::uint32_t first) {
    for (std::uint32_t position = first; position < height(); ++position) {
      Entry& entry = entries_[position];
      if (entry.kind == Entry::Kind::Slot) continue;
      selection_.store_frame(entry.type, frame_.slot(position), Operand::constant(entry.bits));
      entry = {.kind = Entry::Kind::Slot, .type = entry.type, .index = position};
    }
  }
  // Entries in these registers move to their slots.
  void spill_registers(RegSet registers) {
    for (RegSet rest = owned_ & registers; !rest.empty();) spill(owners_[rest.take_first().code]);
  }
  void spill(std::uint32_t position) {
    Entry& entry = entries_[position];
    if (entry.kind == Entry::Kind::Constant || entry.kind == Entry::Kind::Slot) return;
    assert(entry.kind != Entry::Kind::Memory);
    Operand value = operand(entry);
    Reg scratch;
    if (value.is_frame()) {
      scratch = take(class_of(entry.type));
      selection_.move(entry.type, scratch, value);
      value = Operand::in(scratch);
    }
    selection_.store_frame(entry.type, frame_.slot(position), value);
    if (scratch.valid()) held_.remove(scratch);
    if (owns(entry)) owned_.remove(entry.reg);
    if (entry.kind == Entry::Kind::Local) --pending_[entry.index];
    entry = {.kind = Entry::Kind::Slot, .type = entry.type, .index = position};
  }

  // --- the whole state, for code that is compiled out of line ---
  struct Snapshot {
    std::vector<Entry> entries;
  };
  [[nodiscard]] Snapshot snapshot() const { return {entries_}; }
  void restore(const Snapshot& snapshot) {
    drop_to(0);
    owned_ = held_ = {};
    for (const Entry& entry : snapshot.entries) {
      if (entry.kind == Entry::Kind::Local) ++pending_[entry.index];
      entries_.push_back(entry);
      if (owns(entry)) own(entry.reg);
    }
    for (std::uint32_t position = 0; position < height(); ++position) {
      if (owns(entries_[position])) owners_[entries_[position].reg.code] = position;
    }
    flushed_ = 0;
  }

 private:
  // Bounds what one assignment or merge can cost; far above what compilers' code needs.
  static constexpr std::uint32_t max_lazy = 128;

  [[nodiscard]] static bool owns(const Entry& entry) {
    return entry.kind == Entry::Kind::Register || (entry.kind == Entry::Kind::Memory && entry.index != 0);
  }
  [[nodiscard]] RegSet available(RegClass cls) const { return usable_.of(cls) - active_ - owned_ - held_; }
  void own(Reg reg) {
    owned_.insert(reg);
    held_.remove(reg);
    owners_[reg.code] = height();
  }

  void evict(RegClass cls) {
    std::uint32_t deepest = height();
    for (RegSet rest = owned_.of(cls); !rest.empty();) {
      deepest = std::min(deepest, owners_[rest.take_first().code]);
    }
    if (deepest < height()) spill(deepest);
  }
  // The entry in `reg` moves to another register if one is free, else to its slot.
  void relocate(Reg reg) {
    const std::uint32_t position = owners_[reg.code];
    Entry& entry = entries_[position];
    RegSet free = available(reg.cls());
    if (free.empty()) {
      spill(position);
      return;
    }
    selection_.move(entry.type, free.first(), Operand::in(reg));
    owned_.remove(reg);
    replace_by_register(entry, position, free.first());
  }
  void replace_by_register(Entry& entry, std::uint32_t position, Reg reg) {
    if (entry.kind == Entry::Kind::Local) --pending_[entry.index];
    entry = {.kind = Entry::Kind::Register, .type = entry.type, .reg = reg};
    owned_.insert(reg);
    held_.remove(reg);
    owners_[reg.code] = position;
  }
  void copy_to_register(Entry& entry, std::uint32_t position) {
    if (available(class_of(entry.type)).empty()) {
      spill(position);
      return;
    }
    const Reg copy = take(class_of(entry.type));
    selection_.move(entry.type, copy, operand(entry));
    replace_by_register(entry, position, copy);
  }
  template <class Visit>
  void for_each_reference(std::uint32_t local, Visit visit) {
    for (std::uint32_t position = height(); pending_[local] != 0;) {
      Entry& entry = entries_[--position];
      if (entry.kind == Entry::Kind::Local && entry.index == local) visit(entry, position);
    }
  }

  S& selection_;
  const FrameLayout& frame_;
  const Pinning& pinning_;
  std::vector<Entry> entries_;
  std::vector<std::uint32_t> pending_;      // entries that mean a local, by local
  std::array<std::uint32_t, 64> owners_{};  // position of the entry that owns a register
  RegSet usable_, active_, owned_, held_;
  bool exhausted_ = false;
  std::uint32_t flushed_ = 0;  // entries below are constants or in their slots
};

}  // namespace shunt::wasm::baseline
