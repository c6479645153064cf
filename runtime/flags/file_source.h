// The interface is public: see there.
#pragma once
#include "shunt/runtime/flag_file.h"
