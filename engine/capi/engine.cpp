// The C interface: engines and code.
#include <algorithm>
#include <chrono>
#include <vector>

#include "engine/capi/handles.h"
#include "engine/capi/status.h"

using shunt::ErrorCode;
using shunt::capi::fail;
using shunt::capi::guarded;

namespace {

bool is_form(std::uint32_t form) noexcept {
  return form == SHUNT_TOGGLE || form == SHUNT_ALIGNED_WORD || form == SHUNT_UNALIGNED;
}

shunt::SiteForm to_form(std::uint32_t form) noexcept {
  switch (form) {
    case SHUNT_TOGGLE:
      return shunt::SiteForm::Toggle;
    case SHUNT_UNALIGNED:
      return shunt::SiteForm::Unaligned;
    default:
      return shunt::SiteForm::AlignedWord;
  }
}

shunt::Engine::Allocation to_allocation(const shunt_allocation& allocation) noexcept {
  return {allocation.rx, allocation.staging, allocation.size};
}

}  // namespace

extern "C" {

shunt_status shunt_engine_process(shunt_engine** engine) {
  if (engine == nullptr) return fail(ErrorCode::InvalidArgument, "shunt_engine_process: no place for the engine");
  return guarded([&] {
    const shunt::Result<shunt::Engine*> made = shunt::Engine::process();
    if (!made) return fail(made.error());
    static shunt_engine handle{nullptr, *made};
    *engine = &handle;
    return SHUNT_OK;
  });
}

shunt_status shunt_engine_create(const shunt_engine_options* options, shunt_engine** engine) {
  if (engine == nullptr) return fail(ErrorCode::InvalidArgument, "shunt_engine_create: no place for the engine");
  return guarded([&] {
    const shunt_engine_options given = shunt::capi::known_part(options);
    if (given.serialisation > SHUNT_SERIALISE_SIGNALS)
      return fail(ErrorCode::InvalidArgument, "shunt_engine_create: serialisation is none of shunt_serialisation");
    shunt::EngineOptions wanted;
    if (given.code_reservation != 0) wanted.code_reservation = given.code_reservation;
    wanted.anonymous_code = given.anonymous_code != 0;
    if (given.strict != 0) wanted.cross_modification = shunt::CrossModification::Strict;
    wanted.allow_writable_code = given.allow_writable_code != 0;
    wanted.breakpoints_in_host_text = given.breakpoints_in_host_text != 0;
    wanted.serialisation = static_cast<shunt::Serialisation>(given.serialisation);
    wanted.serialisation_signal = given.serialisation_signal;
    if (given.serialisation_timeout_ms != 0)
      wanted.serialisation_timeout = std::chrono::milliseconds(given.serialisation_timeout_ms);
    wanted.flip_limit = given.flip_limit;
    shunt::Result<std::unique_ptr<shunt::Engine>> made = shunt::Engine::create(wanted);
    if (!made) return fail(made.error());
    shunt::Engine* const address = made->get();
    *engine = new shunt_engine{std::move(*made), address};
    return SHUNT_OK;
  });
}

void shunt_engine_destroy(shunt_engine* engine) {
  if (engine != nullptr && engine->owned != nullptr) delete engine;  // the process's engine is never destroyed
}

shunt_instruction_set shunt_engine_instruction_set(const shunt_engine* engine) {
  const bool arm64 = engine != nullptr && engine->engine->instruction_set() == shunt::InstructionSet::Arm64;
  return arm64 ? SHUNT_ARM64 : SHUNT_X86_64;
}

shunt_status shunt_engine_resynchronise(shunt_engine* engine) {
  if (engine == nullptr) return fail(ErrorCode::InvalidArgument, "shunt_engine_resynchronise: no engine");
  return guarded([&] { return shunt::capi::status_of(engine->engine->resynchronise()); });
}

shunt_status shunt_allocate(shunt_engine* engine, size_t size, shunt_allocation* allocation) {
  if (engine == nullptr || allocation == nullptr)
    return fail(ErrorCode::InvalidArgument, "shunt_allocate: no engine, or no place for the allocation");
  return guarded([&] {
    const shunt::Result<shunt::Engine::Allocation> made = engine->engine->allocate(size);
    if (!made) return fail(made.error());
    *allocation = {made->rx, made->staging, made->size};
    return SHUNT_OK;
  });
}

void shunt_release_allocation(shunt_engine* engine, const shunt_allocation* allocation) {
  if (engine != nullptr && allocation != nullptr) engine->engine->release(to_allocation(*allocation));
}

shunt_site_bytes shunt_idle_site(const shunt_engine* engine, shunt_site_form form, uint32_t offset) {
  shunt_site_bytes bytes{};
  if (engine == nullptr || !is_form(form)) return bytes;
  const shunt::SiteBytes site = shunt::idle_site(engine->engine->instruction_set(), to_form(form), offset);
  std::copy(site.bytes.begin(), site.bytes.end(), bytes.bytes);
  bytes.length = site.length;
  return bytes;
}

shunt_status shunt_publish(shunt_engine* engine, const shunt_allocation* allocation, const shunt_new_site* sites,
                           size_t site_count, shunt_code** code) {
  if (engine == nullptr || allocation == nullptr || code == nullptr || (sites == nullptr && site_count != 0))
    return fail(ErrorCode::InvalidArgument, "shunt_publish: no engine, allocation, sites or place for the code");
  return guarded([&] {
    // Both in advance: once the code is published nothing may fail.
    auto handle = std::make_unique<shunt_code>();
    std::vector<shunt::NewSite> wanted;
    wanted.reserve(site_count);
    for (const shunt_new_site& site : std::span(sites, site_count)) {
      if (!is_form(site.form)) {
        engine->engine->release(to_allocation(*allocation));
        return fail(ErrorCode::InvalidArgument, "shunt_publish: a site's form is none of shunt_site_form");
      }
      wanted.push_back({site.key == nullptr ? nullptr : &site.key->base(),
                        to_form(site.form),
                        site.offset,
                        {site.targets, site.target_count}});
    }
    shunt::Result<shunt::Code> made = engine->engine->publish(to_allocation(*allocation), wanted);
    if (!made) return fail(made.error());
    handle->code = std::move(*made);
    *code = handle.release();
    return SHUNT_OK;
  });
}

void shunt_code_destroy(shunt_code* code) {
  delete code;
}

const void* shunt_code_address(const shunt_code* code, size_t offset) {
  return code == nullptr || offset >= code->code.size() ? nullptr : code->code.data() + offset;
}

size_t shunt_code_size(const shunt_code* code) {
  return code == nullptr ? 0 : code->code.size();
}

}  // extern "C"
