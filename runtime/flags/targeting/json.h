// The name of JSON values, without the library's code.
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace shunt::flags::targeting {

using Json = nlohmann::json;

}  // namespace shunt::flags::targeting
