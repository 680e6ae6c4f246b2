// Stage "select logits": what forward() returned -> the tensor (B, C) that holds the logits.
#pragma once

#include <ATen/core/ivalue.h>

#include <optional>

#include "options.h"

namespace nacue {

// Without a key: the output itself when it is a tensor, else its first element (GoogLeNet scripted returns a named
// tuple). Throws ERR_NACUE_LOGITS when there is no such element or it is not floating point (batch_size, C) with C
// >= 2.
at::Tensor SelectLogits(const c10::IValue& output, const std::optional<OutputKey>& key, int64_t batch_size);

}  // namespace nacue
