#include "engine/serialise/mechanism.h"

#include <string>

#include "engine/serialise/membarrier.h"
#include "engine/serialise/signal_broadcast.h"

namespace shunt::detail {

Result<std::unique_ptr<CoreSerialiser>> make_core_serialiser(const EngineOptions& options) {
  if (options.serialisation_timeout < std::chrono::milliseconds(1)) {
    return make_error(ErrorCode::InvalidArgument, "EngineOptions::serialisation_timeout is " +
                                                      std::to_string(options.serialisation_timeout.count()) +
                                                      " ms; it must be 1 ms or more");
  }
  std::string causes;
  if (options.serialisation != Serialisation::Signals) {
    auto serialiser = make_membarrier_serialiser();
    if (serialiser) return serialiser;
    causes += serialiser.error().message();
  }
  if (options.serialisation != Serialisation::Membarrier) {
    auto serialiser = make_signal_serialiser(options.serialisation_signal, options.serialisation_timeout);
    if (serialiser) return serialiser;
    causes += (causes.empty() ? "" : "; ") + serialiser.error().message();
  }
  return make_error(ErrorCode::SerialisationUnavailable, "no way to make other cores serialise: " + causes);
}

}  // namespace shunt::detail
