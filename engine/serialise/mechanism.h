// The choice of a mechanism for core serialisation: the best one that this process is allowed to use.
#pragma once

#include <memory>

#include "engine/serialise/core_serialiser.h"
#include "shunt/engine.h"
#include "shunt/error.h"

namespace shunt::detail {

// In the order of `enum class Serialisation`. What a seccomp filter may answer by killing is tried in a child process
// first. Errors: SerialisationUnavailable, which names each mechanism that was tried and why it cannot be used;
// InvalidArgument. Thread-safe; blocks.
Result<std::unique_ptr<CoreSerialiser>> make_core_serialiser(const EngineOptions& options);

}  // namespace shunt::detail
