// What the shared libraries export: declarations that are marked SHUNT_API, and nothing else.
#pragma once

#define SHUNT_API [[gnu::visibility("default")]]
