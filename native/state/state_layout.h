// Which tensors a state file has and in which order.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "fitted_state.h"

namespace nacue {

std::string CountsName(const StateLayer& layer);
std::string EdgesName(const StateLayer& layer);

// WriteState without its checks: the counts need not add up to `samples`.
std::vector<uint8_t> EncodeState(const FittedState& state);

}  // namespace nacue
