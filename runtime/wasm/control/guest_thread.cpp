#include "runtime/wasm/control/guest_thread.h"

#include <algorithm>
#include <list>
#include <utility>

namespace shunt::wasm {
namespace {

struct Attachment {
  Engine* engine;
  Thread thread;
};

// Of one thread, to all engines whose guests it called. Their addresses stay: calls in progress use them.
class Attachments {
 public:
  // Null if there is none.
  Thread* find(Engine& engine) {
    if (last_ != nullptr && is_of(*last_, engine)) return &last_->thread;
    for (Attachment& attachment : all_) {
      if (!is_of(attachment, engine)) continue;
      last_ = &attachment;
      return &attachment.thread;
    }
    return nullptr;
  }

  Thread* add(Engine& engine, Thread thread) {
    // Of an engine that has ended: no call of it is in progress.
    const auto ended = std::find_if(all_.begin(), all_.end(), [](const Attachment& a) { return !a.thread.attached(); });
    if (ended == all_.end()) {
      last_ = &all_.emplace_back(Attachment{&engine, std::move(thread)});
    } else {
      *ended = {&engine, std::move(thread)};
      last_ = &*ended;
    }
    return &last_->thread;
  }

 private:
  // An engine may have been made where another was.
  static bool is_of(const Attachment& attachment, const Engine& engine) {
    return attachment.engine == &engine && attachment.thread.attached();
  }

  std::list<Attachment> all_;
  Attachment* last_ = nullptr;
};

// The words may lie in frames of compiled code, which sanitizers know nothing of.
__attribute__((no_sanitize("address", "thread"))) void scan(const CodeExtent& code, const GuestFrame& innermost,
                                                            const void* entry_mark, AddressVisitor& visit) {
  if (innermost.resume_point != nullptr) visit(innermost.resume_point);
  const auto begin = reinterpret_cast<std::uintptr_t>(code.begin);
  const void* const* word = static_cast<const void* const*>(innermost.stack_pointer);
  for (; static_cast<const void*>(word) < entry_mark; ++word) {
    if (reinterpret_cast<std::uintptr_t>(*word) - begin < code.size) visit(*word);
  }
}

}  // namespace

Result<Thread*> guest_thread(Engine& engine) {
  thread_local Attachments attachments;
  if (Thread* const known = attachments.find(engine)) return known;
  Result<Thread> current = Thread::current(engine);
  if (!current) return std::move(current).error();
  return attachments.add(engine, std::move(*current));
}

FrameWalker stack_scanner(const Engine& engine) {
  return [code = engine.code_memory()](const GuestFrame& innermost, const void* entry_mark, AddressVisitor& visit) {
    scan(code, innermost, entry_mark, visit);
  };
}

}  // namespace shunt::wasm
