// The metadata of a state file: strings, most of which hold JSON, from and to the fields of FittedState. Says that each
// key is there and has the right type; which values make sense, check_state.h says.
#pragma once

#include "fitted_state.h"
#include "safetensors.h"

namespace nacue {

constexpr const char* kStateFormat = "nacue";
constexpr const char* kStateFormatVersion = "1";

// Everything but the neurons and the tensors of the layers. Throws ERR_NACUE_STATE_VERSION and _INVALID.
FittedState ReadStateMetadata(const SafetensorsMetadata& metadata);

SafetensorsMetadata WriteStateMetadata(const FittedState& state);

}  // namespace nacue
