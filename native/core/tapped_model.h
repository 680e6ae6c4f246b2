// A loaded model with taps in its graph, ready to run. One thread at a time.
#pragma once

#include <torch/csrc/jit/runtime/interpreter.h>

#include <string>
#include <vector>

#include "detector.h"
#include "pipeline.h"

namespace nacue {

class TappedModel {
 public:
  // Throws when forward() does not take exactly one required input.
  TappedModel(torch::jit::Module module, const std::vector<LayerAddress>& layers, const ExecutionPlan& plan = {});

  // What forward() returns. Taps write to TapCapture::Current().
  c10::IValue Run(const at::Tensor& batch) const;

  // Moves the module and the constants of the graph, which the module does not know of.
  void MoveTo(c10::Device device);

  const TappedGraph& tapped() const { return tapped_; }
  // With what the graph allowed.
  const ExecutionPlan& plan() const { return plan_; }
  // See recordable_graph.h.
  bool is_recordable() const { return is_recordable_; }

 private:
  torch::jit::Module module_;
  ExecutionPlan plan_;
  TappedGraph tapped_;
  bool is_recordable_ = false;
  torch::jit::Code code_;
};

// "[8, 3, 32, 32]"
std::string ShapeText(at::IntArrayRef shape);

// "Float [8, 3, 32, 32]"
std::string TensorText(const at::Tensor& tensor);

}  // namespace nacue
