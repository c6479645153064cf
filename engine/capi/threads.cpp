// The C interface: attached threads, and waiting for them.
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "engine/capi/handles.h"
#include "engine/capi/status.h"
#include "shunt/thread.h"

using shunt::ErrorCode;
using shunt::capi::fail;
using shunt::capi::guarded;
using shunt::capi::to_limit;

struct shunt_thread {
  shunt::Thread thread;
};

namespace {

// Scopes are made in place, in the caller's frame.
static_assert(sizeof(shunt::GuestScope) <= sizeof(shunt_scope) && alignof(shunt::GuestScope) <= alignof(shunt_scope));
static_assert(sizeof(shunt::HostScope) <= sizeof(shunt_scope) && alignof(shunt::HostScope) <= alignof(shunt_scope));

shunt::GuestFrame to_frame(const shunt_guest_frame* frame) noexcept {
  if (frame == nullptr) return {};
  return {frame->resume_point, frame->stack_pointer, frame->frame_pointer};
}

}  // namespace

extern "C" {

shunt_status shunt_thread_attach(shunt_engine* engine, const char* name, shunt_thread** thread) {
  if (engine == nullptr || thread == nullptr)
    return fail(ErrorCode::InvalidArgument, "shunt_thread_attach: no engine, or no place for the thread");
  return guarded([&] {
    shunt::Result<shunt::Thread> attached =
        shunt::Thread::attach(*engine->engine, {name == nullptr ? std::string() : name, {}});
    if (!attached) return fail(attached.error());
    *thread = new shunt_thread{std::move(*attached)};
    return SHUNT_OK;
  });
}

void shunt_thread_detach(shunt_thread* thread) {
  delete thread;
}

void shunt_guest_begin(shunt_thread* thread, shunt_scope* scope, const void* entry_mark) {
  new (scope) shunt::GuestScope(thread->thread, entry_mark);
}

void shunt_guest_end(shunt_scope* scope) {
  std::launder(reinterpret_cast<shunt::GuestScope*>(scope))->~GuestScope();
}

void shunt_host_begin(shunt_thread* thread, shunt_scope* scope, const shunt_guest_frame* frame) {
  new (scope) shunt::HostScope(thread->thread, to_frame(frame));
}

void shunt_host_end(shunt_scope* scope) {
  std::launder(reinterpret_cast<shunt::HostScope*>(scope))->~HostScope();
}

void shunt_safepoint(shunt_thread* thread, const shunt_guest_frame* frame) {
  if (thread != nullptr) thread->thread.safepoint_at(to_frame(frame));
}

shunt_status shunt_settle(shunt_engine* engine, uint64_t limit_ns) {
  if (engine == nullptr) return fail(ErrorCode::InvalidArgument, "shunt_settle: no engine");
  return guarded([&] {
    const auto settled = engine->engine->settle(to_limit(limit_ns));
    return settled ? SHUNT_OK : fail(settled.error());
  });
}

shunt_status shunt_drain(shunt_engine* engine, const shunt_code_extent* old_path, size_t count, uint64_t limit_ns) {
  if (engine == nullptr || (old_path == nullptr && count != 0))
    return fail(ErrorCode::InvalidArgument, "shunt_drain: no engine or no old path");
  return guarded([&] {
    std::vector<shunt::CodeExtent> extents;
    extents.reserve(count);
    for (const shunt_code_extent& extent : std::span(old_path, count)) extents.push_back({extent.begin, extent.size});
    const auto drained = engine->engine->drain(extents, to_limit(limit_ns));
    return drained ? SHUNT_OK : fail(drained.error());
  });
}

shunt_status shunt_code_retire(shunt_engine* engine, shunt_code* code, void (*then)(void*), void* argument) {
  if (engine == nullptr || code == nullptr)
    return fail(ErrorCode::InvalidArgument, "shunt_code_retire: no engine or no code");
  return guarded([&] {
    std::function<void()> after;
    if (then != nullptr) after = [then, argument] { then(argument); };
    const shunt::Status retired = engine->engine->retire(std::move(code->code), std::move(after));
    if (!retired) return fail(retired.error());
    delete code;
    return SHUNT_OK;
  });
}

shunt_status shunt_await_retired(shunt_engine* engine, uint64_t limit_ns) {
  if (engine == nullptr) return fail(ErrorCode::InvalidArgument, "shunt_await_retired: no engine");
  return guarded([&] { return shunt::capi::status_of(engine->engine->await_retired(to_limit(limit_ns))); });
}

}  // extern "C"
