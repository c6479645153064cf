#include "runtime/wasm/control/guest_thread.h"

#include <optional>
#include <utility>

namespace shunt::wasm {
namespace {

struct Attachment {
  Engine* engine = nullptr;
  std::optional<Thread> thread;
};

// The words may lie in frames of compiled code, which sanitizers know nothing of.
__attribute__((no_sanitize("address", "thread"))) void scan(const CodeExtent& code, const GuestFrame& innermost,
                                                            const void* entry_mark, AddressVisitor& visit) {
  if (innermost.resume_point != nullptr) visit(innermost.resume_point);
  const auto begin = reinterpret_cast<std::uintptr_t>(code.begin);
  const void* const* word = static_cast<const void* const*>(innermost.stack_pointer);
  for (; word < entry_mark; ++word) {
    if (reinterpret_cast<std::uintptr_t>(*word) - begin < code.size) visit(*word);
  }
}

}  // namespace

Result<Thread*> guest_thread(Engine& engine) {
  thread_local Attachment attachment;
  // An engine may have been made where another was.
  if (attachment.engine == &engine && attachment.thread->attached()) return &*attachment.thread;
  Result<Thread> current = Thread::current(engine);
  if (!current) return std::move(current).error();
  attachment.engine = &engine;
  attachment.thread.emplace(std::move(*current));
  return &*attachment.thread;
}

FrameWalker stack_scanner(const Engine& engine) {
  return [code = engine.code_memory()](const GuestFrame& innermost, const void* entry_mark, AddressVisitor& visit) {
    scan(code, innermost, entry_mark, visit);
  };
}

}  // namespace shunt::wasm
