// A log in Chrome's trace event format ("Trace Event Format", Google, 2016), as chrome://tracing and Perfetto read it.
#pragma once

#include <iosfwd>

#include "runtime/wasm/tracing/trace_log.h"
#include "shunt/error.h"

namespace shunt::wasm {

// Errors: SystemCall (`out` fails). May throw std::bad_alloc.
Status write_chrome_trace(const TraceLog::Contents& contents, std::ostream& out);

}  // namespace shunt::wasm
