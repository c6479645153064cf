// Several moves into registers that happen as if at once: no source is overwritten before it is read.
#pragma once

#include <cstddef>
#include <vector>

#include "runtime/wasm/baseline/operand.h"

namespace shunt::wasm::baseline {

struct RegisterMove {
  ValueType type;
  Reg dst;
  Operand src;  // not Memory
};

// Emits `moves` and empties them. Cycles are broken by exchanges, so no scratch register is needed.
template <class S>
void move_in_parallel(S& selection, std::vector<RegisterMove>& moves) {
  const auto is_source_of_another = [&](std::size_t index) {
    for (std::size_t other = 0; other < moves.size(); ++other) {
      if (other != index && moves[other].src.is(moves[index].dst)) return true;
    }
    return false;
  };
  // 1. Between registers: whatever overwrites no source, until only cycles are left.
  for (bool found = true; found;) {
    found = false;
    bool blocked = false;
    for (std::size_t i = 0; i < moves.size();) {
      const RegisterMove move = moves[i];
      if (!move.src.is_register()) {
        ++i;
      } else if (move.src.is(move.dst) || !is_source_of_another(i)) {
        selection.move(move.type, move.dst, move.src);
        moves[i] = moves.back();
        moves.pop_back();
        found = true;
      } else {
        blocked = true;
        ++i;
      }
    }
    if (found || !blocked) continue;
    // 2. An exchange puts one value of a cycle in place; the others find theirs on its other side.
    for (RegisterMove& move : moves) {
      if (!move.src.is_register()) continue;
      const Reg placed = move.dst;
      const Reg freed = move.src.reg;
      selection.exchange(placed, freed);
      for (RegisterMove& other : moves) {
        if (other.src.is(placed)) {
          other.src.reg = freed;
        } else if (other.src.is(freed)) {
          other.src.reg = placed;
        }
      }
      found = true;
      break;
    }
  }
  // 3. From memory and constants: no register is a source any more.
  for (const RegisterMove& move : moves) selection.move(move.type, move.dst, move.src);
  moves.clear();
}

}  // namespace shunt::wasm::baseline
