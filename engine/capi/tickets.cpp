// The C interface: commits that are carried out later, and wishes from where nobody may block.
#include <memory>
#include <utility>

#include "engine/capi/handles.h"
#include "engine/capi/report.h"
#include "engine/capi/status.h"

using shunt::ErrorCode;
using shunt::capi::fail;
using shunt::capi::guarded;

extern "C" {

shunt_status shunt_batch_commit_async(shunt_batch* batch, shunt_visibility wanted, shunt_ticket** ticket) {
  if (batch == nullptr) return fail(ErrorCode::InvalidArgument, "shunt_batch_commit_async: no batch");
  if (wanted < SHUNT_WRITTEN || wanted > SHUNT_DRAINED)
    return fail(ErrorCode::InvalidArgument, "shunt_batch_commit_async: wanted is none of shunt_visibility");
  return guarded([&] {
    auto handle = std::make_unique<shunt_ticket>();  // in advance: once the batch is queued nothing may fail
    handle->ticket = batch->batch.commit_async(static_cast<shunt::Visibility>(wanted));
    if (ticket != nullptr) *ticket = handle.release();
    return SHUNT_OK;
  });
}

int shunt_ticket_is_complete(const shunt_ticket* ticket) {
  return ticket != nullptr && ticket->ticket->poll() ? 1 : 0;
}

shunt_status shunt_ticket_wait(const shunt_ticket* ticket, shunt_commit_report* report) {
  if (ticket == nullptr) return fail(ErrorCode::InvalidArgument, "shunt_ticket_wait: no ticket");
  return guarded([&] { return shunt::capi::report_to(report, ticket->ticket->wait()); });
}

shunt_status shunt_ticket_then(const shunt_ticket* ticket,
                               void (*callback)(void*, shunt_status, const shunt_commit_report*), void* argument) {
  if (ticket == nullptr || callback == nullptr)
    return fail(ErrorCode::InvalidArgument, "shunt_ticket_then: no ticket or no callback");
  return guarded([&] {
    ticket->ticket->then([callback, argument](const shunt::Result<shunt::CommitReport>& committed) {
      if (!committed) {
        callback(argument, fail(committed.error()), nullptr);
        return;
      }
      const shunt_commit_report report = shunt::capi::to_report(*committed);
      callback(argument, SHUNT_OK, &report);
    });
    return SHUNT_OK;
  });
}

void shunt_ticket_destroy(shunt_ticket* ticket) {
  delete ticket;
}

int shunt_request(shunt_engine* engine, shunt_key* key, unsigned state) {
  if (engine == nullptr || key == nullptr) return 0;
  if (auto* boolean = std::get_if<shunt::StaticKey>(&key->key))
    return state < 2 && engine->engine->request(*boolean, state != 0) ? 1 : 0;
  if (auto* choice = std::get_if<shunt::StaticSwitch>(&key->key))
    return engine->engine->request(*choice, state) ? 1 : 0;
  return 0;
}

shunt_status shunt_carry_out_requests(shunt_engine* engine) {
  if (engine == nullptr) return fail(ErrorCode::InvalidArgument, "shunt_carry_out_requests: no engine");
  return guarded([&] { return shunt::capi::status_of(engine->engine->carry_out_requests()); });
}

shunt_status shunt_start_service_thread(shunt_engine* engine) {
  if (engine == nullptr) return fail(ErrorCode::InvalidArgument, "shunt_start_service_thread: no engine");
  return guarded([&] { return shunt::capi::status_of(engine->engine->start_service_thread()); });
}

}  // extern "C"
