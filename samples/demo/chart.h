// The demo's picture: throughput over time as an SVG, with the flags' states and each flip's latency below.
#pragma once

#include <string>

#include "recording.h"

namespace demo {

// A complete SVG document.
std::string draw_chart(const Recording& recording);

}  // namespace demo
