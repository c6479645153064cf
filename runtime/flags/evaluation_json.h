// An evaluation as OpenFeature's remote evaluation protocol writes it.
#pragma once

#include <string>
#include <string_view>

#include "shunt/runtime/flags.h"

namespace shunt::flags {

// {"key": ..., "value": ..., "variant": ..., "reason": ..., "errorCode": ..., "errorDetails": ..., "metadata": {...}},
// each where there is one, on one line. `metadata`: objects' JSON text or empty; the second's members are put over the
// first's.
[[nodiscard]] std::string json_of(std::string_view key, const Evaluation& evaluation,
                                  std::string_view set_metadata = {}, std::string_view flag_metadata = {});

}  // namespace shunt::flags
