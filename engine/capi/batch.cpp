// The C interface: keys and batches.
#include <string>

#include "engine/capi/handles.h"
#include "engine/capi/report.h"
#include "engine/capi/status.h"

using shunt::ErrorCode;
using shunt::capi::fail;
using shunt::capi::guarded;

namespace {

constexpr unsigned min_states = 2;
constexpr unsigned max_states = 256;

}  // namespace

extern "C" {

shunt_status shunt_key_create(const char* name, unsigned states, shunt_key** key) {
  if (name == nullptr || key == nullptr)
    return fail(ErrorCode::InvalidArgument, "shunt_key_create: no name, or no place for the key");
  return guarded([&] {
    if (states < min_states || states > max_states) {
      return fail(make_error(ErrorCode::InvalidArgument, std::string("shunt_key_create: key \"") + name + "\" of " +
                                                             std::to_string(states) +
                                                             " states; 2 to 256 are possible"));
    }
    *key = new shunt_key(name, states);
    return SHUNT_OK;
  });
}

void shunt_key_destroy(shunt_key* key) {
  delete key;
}

unsigned shunt_key_state(const shunt_key* key) {
  return key == nullptr ? 0 : key->key.state();
}

const char* shunt_key_name(const shunt_key* key) {
  return key == nullptr ? "" : key->name.c_str();
}

shunt_status shunt_batch_create(shunt_engine* engine, shunt_batch** batch) {
  if (engine == nullptr || batch == nullptr)
    return fail(ErrorCode::InvalidArgument, "shunt_batch_create: no engine, or no place for the batch");
  return guarded([&] {
    *batch = new shunt_batch{shunt::PatchBatch(*engine->engine)};
    return SHUNT_OK;
  });
}

void shunt_batch_destroy(shunt_batch* batch) {
  delete batch;
}

shunt_status shunt_batch_set(shunt_batch* batch, shunt_key* key, unsigned state) {
  if (batch == nullptr || key == nullptr)
    return fail(ErrorCode::InvalidArgument, "shunt_batch_set: no batch or no key");
  return guarded([&] {
    batch->batch.set(key->key, state);
    return SHUNT_OK;
  });
}

shunt_status shunt_batch_retarget(shunt_batch* batch, shunt_key* key, const void* site, unsigned state,
                                  const void* target) {
  if (batch == nullptr || key == nullptr)
    return fail(ErrorCode::InvalidArgument, "shunt_batch_retarget: no batch or no key");
  return guarded([&] {
    batch->batch.retarget(key->key, site, state, target);
    return SHUNT_OK;
  });
}

shunt_status shunt_batch_commit(shunt_batch* batch, shunt_commit_report* report) {
  if (batch == nullptr) return fail(ErrorCode::InvalidArgument, "shunt_batch_commit: no batch");
  return guarded([&] { return shunt::capi::report_to(report, batch->batch.commit()); });
}

shunt_status shunt_batch_commit_until(shunt_batch* batch, shunt_visibility wanted, uint64_t limit_ns,
                                      shunt_commit_report* report) {
  if (batch == nullptr) return fail(ErrorCode::InvalidArgument, "shunt_batch_commit_until: no batch");
  return guarded([&] {
    switch (wanted) {
      case SHUNT_SYNCED:
        return shunt::capi::report_to(report, batch->batch.commit());
      case SHUNT_SETTLED:
        return shunt::capi::report_to(report, batch->batch.commit_and_settle(shunt::capi::to_limit(limit_ns)));
      case SHUNT_DRAINED:
        return shunt::capi::report_to(report, batch->batch.commit_and_drain(shunt::capi::to_limit(limit_ns)));
      default:
        return fail(ErrorCode::InvalidArgument,
                    "shunt_batch_commit_until: wanted is none of SHUNT_SYNCED, SHUNT_SETTLED, SHUNT_DRAINED");
    }
  });
}

shunt_status shunt_batch_old_path(shunt_batch* batch, const void* begin, size_t size) {
  if (batch == nullptr) return fail(ErrorCode::InvalidArgument, "shunt_batch_old_path: no batch");
  return guarded([&] {
    batch->batch.old_path({begin, size});
    return SHUNT_OK;
  });
}

shunt_status shunt_set(shunt_engine* engine, shunt_key* key, unsigned state, shunt_commit_report* report) {
  if (engine == nullptr || key == nullptr) return fail(ErrorCode::InvalidArgument, "shunt_set: no engine or no key");
  return guarded([&] {
    shunt::PatchBatch batch(*engine->engine);
    batch.set(key->key, state);
    return shunt::capi::report_to(report, batch.commit());
  });
}

}  // extern "C"
