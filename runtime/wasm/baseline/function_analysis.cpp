#include "runtime/wasm/baseline/function_analysis.h"

#include <algorithm>

#include "runtime/wasm/baseline/op_info.h"

namespace shunt::wasm::baseline {
namespace {

constexpr std::uint32_t weight_limit = 1U << 30;

constexpr std::uint32_t weight_at(std::uint32_t loop_depth) {
  return 1U << (3 * std::min(loop_depth, 5U));
}

}  // namespace

void FunctionAnalysis::run(const FunctionBody& body, const ModuleView& module) {
  if (match_.size() < body.ops.size()) match_.resize(body.ops.size());
  locals_.assign(body.locals.size(), {});
  calls_.clear();
  open_.clear();
  height_ = max_height_ = outgoing_words_ = 0;
  leaves_context_ = false;
  forward(body, module);
  choose_candidates();
  if (candidates_.empty()) return;
  if (candidates_.size() <= 64) {
    backward<1>(body);
  } else {
    backward<max_candidates / 64>(body);
  }
}

void FunctionAnalysis::keep_all_in_frame(const FunctionBody& body) {
  const auto last = static_cast<std::uint32_t>(body.ops.size() - 1);
  locals_.assign(body.locals.size(), {.weight = 1, .begin = 0, .end = last, .live_on_entry = true});
  candidates_.clear();
  if (calls_.empty()) calls_.push_back(0);
}

void FunctionAnalysis::forward(const FunctionBody& body, const ModuleView& module) {
  const auto size = static_cast<std::uint32_t>(body.ops.size());
  open_block(0, body.type, false);
  open_.back().height = 0;
  for (std::uint32_t position = 0; position < size; ++position) {
    const Op& op = body.ops[position];
    const OpInfo& info = info_of(op.opcode);
    height_ += static_cast<std::uint32_t>(static_cast<std::int32_t>(info.height));
    switch (info.kind) {
      case OpKind::LocalGet:
        mention(op, position, false);
        break;
      case OpKind::LocalSet:
      case OpKind::LocalTee:
        mention(op, position, true);
        break;
      case OpKind::Block:
      case OpKind::If:
        open_block(position, &body.block_types[op.a], false);
        break;
      case OpKind::Loop:
        open_block(position, &body.block_types[op.a], true);
        break;
      case OpKind::Else:
      case OpKind::End:
        close_block(body, position);
        break;
      case OpKind::Br:
      case OpKind::BrTable:
      case OpKind::Return:
      case OpKind::Unreachable:
        position = skip_dead_code(body, position);
        break;
      case OpKind::Call:
      case OpKind::CallIndirect:
        call(module, op, position);
        break;
      case OpKind::Runtime:
        calls_.push_back(position);
        break;
      default:
        break;
    }
    max_height_ = std::max(max_height_, height_);
  }
}

void FunctionAnalysis::open_block(std::uint32_t position, const FunctionType* type, bool is_loop) {
  const std::uint32_t depth = open_.empty() ? 0 : open_.back().loop_depth + (is_loop ? 1 : 0);
  match_[position] = 0;
  open_.push_back({.begin = position,
                   .height = height_ - static_cast<std::uint32_t>(type->params.size()),
                   .loop_depth = depth,
                   .type = type});
}

// `else` and `end`: the height of what follows does not depend on whether the block's end can be reached.
void FunctionAnalysis::close_block(const FunctionBody& body, std::uint32_t position) {
  OpenBlock& block = open_.back();
  if (info_of(body.ops[position].opcode).kind == OpKind::Else) {
    match_[block.begin] = position;
    height_ = block.height + static_cast<std::uint32_t>(block.type->params.size());
    return;
  }
  if (open_.size() == 1) return;  // the function's own end
  const bool has_else = info_of(body.ops[block.begin].opcode).kind == OpKind::If && match_[block.begin] != 0;
  match_[has_else ? match_[block.begin] : block.begin] = position;
  match_[position] = block.begin;
  height_ = block.height + static_cast<std::uint32_t>(block.type->results.size());
  open_.pop_back();
}

// From an operation that does not continue to the one before the `else` or `end` of its block.
std::uint32_t FunctionAnalysis::skip_dead_code(const FunctionBody& body, std::uint32_t position) {
  dead_.clear();
  for (;;) {
    const std::uint32_t next = position + 1;
    switch (info_of(body.ops[next].opcode).kind) {
      case OpKind::Block:
      case OpKind::Loop:
      case OpKind::If:
        dead_.push_back(next);
        break;
      case OpKind::Else:
        if (dead_.empty()) return position;
        break;
      case OpKind::End:
        if (dead_.empty()) return position;
        match_[next] = dead_.back();
        dead_.pop_back();
        break;
      default:
        break;
    }
    position = next;
  }
}

void FunctionAnalysis::call(const ModuleView& module, const Op& op, std::uint32_t position) {
  const bool indirect = info_of(op.opcode).kind == OpKind::CallIndirect;
  const SignatureLayout& layout = indirect ? module.types[op.a] : module.layout_of(op.a);
  height_ -= static_cast<std::uint32_t>(layout.type->params.size());
  height_ += static_cast<std::uint32_t>(layout.type->results.size());
  if (!indirect && module.is_flag(op.a)) return;
  calls_.push_back(position);
  outgoing_words_ = std::max(outgoing_words_, layout.words());
  if (indirect || module.calls_by_reference(op.a)) leaves_context_ = true;
}

void FunctionAnalysis::mention(const Op& op, std::uint32_t position, bool is_assignment) {
  LocalRange& local = locals_[op.a];
  if (local.weight == 0) local.begin = is_assignment ? position + 1 : 0;
  local.weight = std::min(local.weight + weight_at(open_.back().loop_depth), weight_limit);
  local.end = position;
}

void FunctionAnalysis::choose_candidates() {
  candidates_.clear();
  for (std::uint32_t local = 0; local < locals_.size(); ++local) {
    if (locals_[local].weight != 0) candidates_.push_back(local);
  }
  const auto heavier = [this](std::uint32_t left, std::uint32_t right) {
    const std::uint32_t difference = locals_[left].weight - locals_[right].weight;
    return difference == 0 ? left < right : locals_[left].weight > locals_[right].weight;
  };
  if (candidates_.size() > max_candidates) {
    std::nth_element(candidates_.begin(), candidates_.begin() + max_candidates, candidates_.end(), heavier);
    for (std::size_t i = max_candidates; i < candidates_.size(); ++i) {
      locals_[candidates_[i]].begin = 0;
      locals_[candidates_[i]].live_on_entry = true;
    }
    candidates_.resize(max_candidates);
  }
  std::sort(candidates_.begin(), candidates_.end(), heavier);
  candidate_of_.assign(locals_.size(), max_candidates);
  for (std::size_t i = 0; i < candidates_.size(); ++i) candidate_of_[candidates_[i]] = static_cast<std::uint16_t>(i);
}

bool FunctionAnalysis::calls_within(std::uint32_t begin, std::uint32_t end) const {
  const auto first = std::lower_bound(calls_.begin(), calls_.end(), begin);
  return first != calls_.end() && *first < end;
}

template <int Words>
struct FunctionAnalysis::LiveSets {
  struct Set {
    std::array<std::uint64_t, Words> words{};
    void add(std::uint32_t bit) { words[bit / 64] |= 1ULL << (bit % 64); }
    void remove(std::uint32_t bit) { words[bit / 64] &= ~(1ULL << (bit % 64)); }
    Set& operator|=(const Set& other) {
      for (int i = 0; i < Words; ++i) words[i] |= other.words[i];
      return *this;
    }
    template <class Visit>
    void each(Visit visit) const {
      for (int i = 0; i < Words; ++i) {
        for (std::uint64_t rest = words[i]; rest != 0; rest &= rest - 1) {
          visit(static_cast<std::uint32_t>(64 * i + std::countr_zero(rest)));
        }
      }
    }
  };
  struct Block {
    Set label;  // live where a branch to the block arrives; empty for loops: back edges are not followed
    Set other;  // of an `if`: live where its condition is false
    std::uint32_t end;
  };
};

template <int Words>
void FunctionAnalysis::backward(const FunctionBody& body) {
  using Sets = LiveSets<Words>;
  typename Sets::Set live;
  std::vector<typename Sets::Block> blocks;
  blocks.reserve(32);
  const auto last = static_cast<std::uint32_t>(body.ops.size() - 1);
  blocks.push_back({.label = {}, .other = {}, .end = last});
  for (std::uint32_t position = last; position-- > 0;) {
    const Op& op = body.ops[position];
    switch (info_of(op.opcode).kind) {
      case OpKind::LocalGet:
        if (candidate_of_[op.a] != max_candidates) live.add(candidate_of_[op.a]);
        break;
      case OpKind::LocalSet:
      case OpKind::LocalTee:
        if (candidate_of_[op.a] != max_candidates) live.remove(candidate_of_[op.a]);
        break;
      case OpKind::End: {
        const bool is_loop = info_of(body.ops[match_[position]].opcode).kind == OpKind::Loop;
        blocks.push_back({.label = is_loop ? typename Sets::Set{} : live, .other = live, .end = position});
        break;
      }
      case OpKind::Else:
        blocks.back().other = live;
        live = blocks.back().label;
        break;
      case OpKind::If:
        live |= blocks.back().other;
        blocks.pop_back();
        break;
      case OpKind::Block:
        blocks.pop_back();
        break;
      case OpKind::Loop:
        live.each([&](std::uint32_t bit) {
          LocalRange& local = locals_[candidates_[bit]];
          local.end = std::max(local.end, blocks.back().end);
        });
        blocks.pop_back();
        break;
      case OpKind::Br:
        live = blocks[blocks.size() - 1 - op.a].label;
        break;
      case OpKind::BrIf:
        live |= blocks[blocks.size() - 1 - op.a].label;
        break;
      case OpKind::BrTable: {
        live = {};
        for (const std::uint32_t depth : body.br_targets.subspan(op.a, std::size_t{op.b} + 1)) {
          live |= blocks[blocks.size() - 1 - depth].label;
        }
        break;
      }
      case OpKind::Return:
      case OpKind::Unreachable:
        live = {};
        break;
      default:
        break;
    }
  }
  live.each([&](std::uint32_t bit) {
    locals_[candidates_[bit]].begin = 0;
    locals_[candidates_[bit]].live_on_entry = true;
  });
}

}  // namespace shunt::wasm::baseline
