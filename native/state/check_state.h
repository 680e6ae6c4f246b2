// Which values make a FittedState a fit: the ranges of docs/state-format.md. The same for what was read and for what is
// to be written, so that every file written can be read. Throw ERR_NACUE_STATE_INVALID.
#pragma once

#include <cstdint>

#include "fitted_state.h"

namespace nacue {

constexpr int64_t kMaxSafeInteger = (int64_t{1} << 53) - 1;  // the largest whole number of JavaScript

// The metadata.
void CheckStateOptions(const FittedState& state);

// Sizes and values of counts and edges, of a state whose options are checked.
void CheckStateTensors(const FittedState& state);

}  // namespace nacue
