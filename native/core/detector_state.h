// Between a detector and its state file: what a fit was made with, in the words of docs/state-format.md, and back.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "detector.h"
#include "fit.h"
#include "pipeline.h"
#include "state/fitted_state.h"

namespace nacue {

// What a state says besides its counts, from the detector's side.
struct FitContext {
  const DetectorOptions& options;
  const std::vector<std::string>& reduce_ids;  // per layer, Reducer::id()
  const std::string& model_sha256;
  const ExecutionPlan& plan;
};

std::vector<uint8_t> StateOf(const Fit& fit, const FitContext& context, const std::optional<StateThreshold>& threshold,
                             const std::string& nacue_version);

// Throws ERR_NACUE_STATE_MISMATCH when the model is not the one that was fitted.
void CheckModelHash(const std::string& stored, const std::string& actual);

// The counts, on the CPU. Throws ERR_NACUE_STATE_MISMATCH naming the first thing in which state and detector differ;
// the model was compared when it was loaded.
Fit FitFromState(const FittedState& state, const FitContext& context);

}  // namespace nacue
