// The C interface: counters, the flip log, names of code.
#include <algorithm>
#include <array>
#include <cstring>

#include "engine/capi/handles.h"
#include "engine/capi/status.h"

using shunt::ErrorCode;
using shunt::capi::fail;
using shunt::capi::guarded;
using shunt::capi::known_part;

namespace {

shunt_flip_record to_record(const shunt::FlipRecord& from) noexcept {
  shunt_flip_record record{from.number, from.time_ns, from.generation, from.site, from.length, {}, {}, {}};
  static_assert(sizeof record.before == sizeof from.before && sizeof record.key == sizeof from.key);
  std::memcpy(record.before, from.before.data(), sizeof record.before);
  std::memcpy(record.after, from.after.data(), sizeof record.after);
  std::memcpy(record.key, from.key.data(), sizeof record.key);
  return record;
}

}  // namespace

extern "C" {

shunt_status shunt_engine_stats(const shunt_engine* engine, shunt_stats* stats) {
  if (engine == nullptr || stats == nullptr)
    return fail(ErrorCode::InvalidArgument, "shunt_engine_stats: no engine, or no place for the counters");
  return guarded([&] {
    const shunt::EngineStats now = engine->engine->stats();
    shunt::capi::fill_known_part(
        stats, shunt_stats{0, now.commits, now.no_op_commits, now.sites_written, now.publications, now.check_ns,
                           now.write_ns, now.maintenance_ns, now.serialise_ns, now.code_bytes_used, now.code_bytes_free,
                           now.keys, now.sites, now.times_thrashing, now.demotions, now.promotions, now.data_flips});
    return SHUNT_OK;
  });
}

shunt_status shunt_flip_log_start(shunt_engine* engine, size_t capacity) {
  if (engine == nullptr) return fail(ErrorCode::InvalidArgument, "shunt_flip_log_start: no engine");
  return guarded([&] { return shunt::capi::status_of(engine->engine->start_flip_log(capacity)); });
}

shunt_status shunt_flip_log_stop(shunt_engine* engine) {
  if (engine == nullptr) return fail(ErrorCode::InvalidArgument, "shunt_flip_log_stop: no engine");
  return guarded([&] { return shunt::capi::status_of(engine->engine->stop_flip_log()); });
}

shunt_status shunt_flip_log_read(const shunt_engine* engine, shunt_flip_record* records, size_t capacity, size_t* count,
                                 uint64_t* dropped) {
  if (engine == nullptr || count == nullptr || (records == nullptr && capacity != 0))
    return fail(ErrorCode::InvalidArgument, "shunt_flip_log_read: no engine, or no place for the records");
  return guarded([&] {
    const shunt::FlipLog log = engine->engine->flip_log();
    const std::size_t copied = std::min(capacity, log.records.size());
    std::transform(log.records.end() - static_cast<std::ptrdiff_t>(copied), log.records.end(), records, &to_record);
    *count = copied;
    if (dropped != nullptr) *dropped = log.dropped + (log.records.size() - copied);
    return SHUNT_OK;
  });
}

shunt_status shunt_observe(shunt_engine* engine, const shunt_observe_options* options) {
  if (engine == nullptr || options == nullptr)
    return fail(ErrorCode::InvalidArgument, "shunt_observe: no engine or no options");
  return guarded([&] {
    const shunt_observe_options given = known_part(options);
    shunt::ObserveOptions wanted;
    wanted.perf_map = given.perf_map != 0;
    wanted.jitdump = given.jitdump != 0;
    wanted.gdb = given.gdb != 0;
    if (given.perf_map_directory != nullptr) wanted.perf_map_directory = given.perf_map_directory;
    if (given.jitdump_directory != nullptr) wanted.jitdump_directory = given.jitdump_directory;
    return shunt::capi::status_of(engine->engine->observe(wanted));
  });
}

shunt_status shunt_code_set_name(shunt_engine* engine, const shunt_code* code, uint32_t offset, uint32_t size,
                                 const char* name) {
  if (engine == nullptr || code == nullptr || name == nullptr)
    return fail(ErrorCode::InvalidArgument, "shunt_code_set_name: no engine, code or name");
  return guarded([&] {
    const std::array symbols{shunt::CodeSymbol{offset, size, name}};
    return shunt::capi::status_of(engine->engine->name(code->code, symbols));
  });
}

}  // extern "C"
