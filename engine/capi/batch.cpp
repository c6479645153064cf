// The C interface: batches.
#include <string>

#include "engine/capi/handles.h"
#include "engine/capi/report.h"
#include "engine/capi/status.h"

using shunt::ErrorCode;
using shunt::capi::fail;
using shunt::capi::guarded;

namespace {

// Queues the state of a key or a switch.
shunt_status queue(shunt::PatchBatch& batch, shunt_key& key, unsigned state) {
  const unsigned states = std::holds_alternative<shunt::DemotableKey>(key.key) ? 2 : key.base().states();
  if (state >= states) {
    return fail(make_error(ErrorCode::InvalidArgument, "key \"" + key.name + "\" has " + std::to_string(states) +
                                                           " states; " + std::to_string(state) + " is none of them"));
  }
  if (auto* choice = std::get_if<shunt::StaticSwitch>(&key.key)) {
    batch.set(*choice, state);
  } else if (auto* boolean = std::get_if<shunt::StaticKey>(&key.key)) {
    batch.set(*boolean, state != 0);
  } else if (auto* demotable = std::get_if<shunt::DemotableKey>(&key.key)) {
    batch.set(*demotable, state != 0);
  } else {
    return fail(ErrorCode::InvalidArgument, "an assumption or a call has no state that can be set");
  }
  return SHUNT_OK;
}

}  // namespace

extern "C" {

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
  return guarded([&] { return queue(batch->batch, *key, state); });
}

shunt_status shunt_batch_retarget(shunt_batch* batch, shunt_key* key, const void* site, unsigned state,
                                  const void* target) {
  if (batch == nullptr || key == nullptr)
    return fail(ErrorCode::InvalidArgument, "shunt_batch_retarget: no batch or no key");
  return guarded([&] {
    if (auto* choice = std::get_if<shunt::StaticSwitch>(&key->key)) {
      batch->batch.retarget(*choice, site, state, target);
    } else if (auto* boolean = std::get_if<shunt::StaticKey>(&key->key)) {
      batch->batch.retarget(*boolean, site, state, target);
    } else {
      return fail(ErrorCode::InvalidArgument, "shunt_batch_retarget: an assumption or a call cannot be retargeted so");
    }
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

shunt_status shunt_batch_invalidate(shunt_batch* batch, shunt_key* assumption) {
  if (batch == nullptr || assumption == nullptr || !std::holds_alternative<shunt::Assumption>(assumption->key))
    return fail(ErrorCode::InvalidArgument, "shunt_batch_invalidate: no batch or no assumption");
  return guarded([&] {
    batch->batch.invalidate(std::get<shunt::Assumption>(assumption->key));
    return SHUNT_OK;
  });
}

shunt_status shunt_batch_set_call(shunt_batch* batch, shunt_key* call, shunt_function function) {
  if (batch == nullptr || call == nullptr || !std::holds_alternative<shunt_key::Call>(call->key))
    return fail(ErrorCode::InvalidArgument, "shunt_batch_set_call: no batch or no static call");
  return guarded([&] {
    auto& target = std::get<shunt_key::Call>(call->key);
    if (function == nullptr) {
      batch->batch.clear(target);
    } else {
      batch->batch.set(target, function);
    }
    return SHUNT_OK;
  });
}

shunt_status shunt_set(shunt_engine* engine, shunt_key* key, unsigned state, shunt_commit_report* report) {
  if (engine == nullptr || key == nullptr) return fail(ErrorCode::InvalidArgument, "shunt_set: no engine or no key");
  return guarded([&] {
    shunt::PatchBatch batch(*engine->engine);
    if (const shunt_status queued = queue(batch, *key, state); queued != SHUNT_OK) return queued;
    return shunt::capi::report_to(report, batch.commit());
  });
}

}  // extern "C"
