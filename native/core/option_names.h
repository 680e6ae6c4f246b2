// The names of enumerated options, as lib/options.ts and the state file spell them. One table each, for both
// directions.
#pragma once

#include <string>

#include "options.h"

namespace nacue {

const char* NameOf(Preset preset);
const char* NameOf(Binning binning);
const char* NameOf(Aggregation aggregation);
const char* NameOf(Mode mode);
const char* NameOf(Precision precision);
const char* NameOf(Reduce reduce);

// Throw ERR_NACUE_INTERNAL on a name that the facade should have refused.
Preset ToPreset(const std::string& name);
Binning ToBinning(const std::string& name);
Aggregation ToAggregation(const std::string& name);
Mode ToMode(const std::string& name);
Precision ToPrecision(const std::string& name);
Reduce ToReduce(const std::string& name);

}  // namespace nacue
