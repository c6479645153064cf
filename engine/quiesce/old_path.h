// The old path of a commit: the code that no thread may be in any more when the commit is Drained.
//
// The embedder names it (PatchBatch::old_path()), or the engine derives it: of each key of the batch, for each site,
// where it leads in the states that the key does not get; of each retarget, where the site led before. An address
// stands for the whole piece of published code that holds it, because the engine does not know how far a path goes; a
// site that falls through stands for its own piece. That is more than the old path, never less.
#pragma once

#include <string>
#include <vector>

#include "shunt/error.h"
#include "shunt/quiescence.h"

namespace shunt::detail {

// An address, for errors.
std::string hex(const void* address);

// A thread that is going to block: what it would wait for in vain.
struct BlockingThread {
  bool attached = false;
  std::string who;                     // for errors
  std::vector<const void*> addresses;  // where it goes on afterwards, sorted

  // InsideOldPath if one of them lies in `old_path`; nothing was written yet.
  [[nodiscard]] Status check(const std::vector<CodeExtent>& old_path) const;
};

// Of a batch that is to be Drained and whose old path nobody named.
struct OldPath {
  std::vector<CodeExtent> extents;
  const BlockingThread* blocks = nullptr;  // who waits for it; null: nobody does
};

}  // namespace shunt::detail
