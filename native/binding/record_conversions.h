// JavaScript values -> the plain types of core/record_text.h. JavaScript thread only.
#pragma once

#include <napi.h>

#include <vector>

#include "core/record_text.h"

namespace nacue {

// Views of typed arrays, valid while JavaScript holds them; texts are copied.
std::vector<TextColumn> ToTextColumns(const Napi::Value& value);

}  // namespace nacue
