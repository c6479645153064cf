// Commit reports, as C has them.
#pragma once

#include "engine/capi/status.h"
#include "shunt/patch_batch.h"
#include "shunt/shunt.h"

namespace shunt::capi {

inline shunt_commit_report to_report(const CommitReport& from) noexcept {
  return {sizeof(shunt_commit_report), from.sites_written,    from.sites_unchanged, from.generation,
          from.serialisations,         from.mechanism.data(), from.check_ns,        from.write_ns,
          from.maintenance_ns,         from.serialise_ns,     from.batches};
}

// The verdict of a commit. `report` may be null.
inline shunt_status report_to(shunt_commit_report* report, const Result<CommitReport>& committed) noexcept {
  if (!committed) return fail(committed.error());
  fill_known_part(report, to_report(*committed));
  return SHUNT_OK;
}

}  // namespace shunt::capi
