// "did you mean" for a layer name that is not in the model.
#pragma once

#include <string>
#include <vector>

namespace nacue {

// "; did you mean 'layer4', 'layer3'?", or how many names there are when none is near.
std::string SuggestNames(const std::string& wanted, const std::vector<std::string>& known);

}  // namespace nacue
