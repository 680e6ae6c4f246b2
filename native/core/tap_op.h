// Stage "tap": the operators that a tapped graph calls, and the capture they write to.
//
// `enter(x, layer)` stands before the call of a wanted module, `tap(value, layer)` right after it. The capture is
// thread-local and owned by a scope guard, so that it can never be left dangling when the model throws.
//
// The reference records the whole forward pass, because the parameters require grad. Here nothing is recorded before
// the earliest tap: the pass begins with gradients off, the first tap turns them on and makes its tensor a non-leaf
// source. Whatever asks in between gets the reference's answer (is_grad_enabled, as_in_reference): LibTorch and models
// choose other kernels by it, with other bits.
#pragma once

#include <ATen/ATen.h>
#include <c10/util/intrusive_ptr.h>
#include <torch/csrc/autograd/grad_mode.h>
#include <torch/csrc/jit/ir/ir.h>

#include <cstdint>
#include <string>
#include <vector>

namespace nacue {

enum class Recording {
  kNothing,       // outputs only (inspect)
  kFromFirstTap,  // exact as long as the tapped tensors are new, see must_record_from_start
  kFromStart,     // as the reference does
};

class TapCapture {
 public:
  struct Slot {
    at::Tensor value;
    int64_t calls = 0;
    bool is_tensor = true;
  };

  TapCapture(size_t layers, Recording recording);
  ~TapCapture();
  TapCapture(const TapCapture&) = delete;
  TapCapture& operator=(const TapCapture&) = delete;

  static TapCapture* Current();

  // What the operators of the same names do.
  void Enter(const at::Tensor& argument, size_t layer);
  c10::IValue Tap(c10::IValue value, size_t layer);
  bool IsGradEnabled() const;
  void SetGradEnabled(bool enabled);
  void ActAsInTraining(const std::string& operator_name) { training_operator_ = operator_name; }

  const std::vector<Slot>& slots() const { return slots_; }
  const std::vector<size_t>& execution_order() const { return execution_order_; }
  // An operator that acted as in training, or empty.
  const std::string& training_operator() const { return training_operator_; }
  // A tapped module handed its argument through (Identity, Dropout in eval mode). That tensor may have been used before
  // the tap, where nothing was recorded: the run has to be repeated with Recording::kFromStart.
  bool must_record_from_start() const { return must_record_from_start_; }

 private:
  struct Argument {
    c10::weak_intrusive_ptr<c10::TensorImpl> tensor;
    uint32_t version;
  };
  enum class Origin { kNew, kModifiedInPlace, kHandedThrough };
  Origin OriginOf(const at::Tensor& value, size_t layer) const;
  at::Tensor WithHistory(const at::Tensor& value, size_t layer);
  bool IsRecording() const {
    return recording_ == Recording::kFromStart || (recording_ == Recording::kFromFirstTap && tapped_);
  }

  Recording recording_;
  bool tapped_ = false;
  bool model_grad_mode_ = true;  // what the model believes while nothing is recorded
  bool must_record_from_start_ = false;
  std::string training_operator_;
  std::vector<Slot> slots_;
  std::vector<std::vector<Argument>> arguments_;
  std::vector<size_t> execution_order_;
  at::AutoGradMode grad_mode_;  // restores the thread's mode
  TapCapture* previous_;
};

// Symbols of the operators, registered on first use under a namespace of this copy of the addon: a second registration
// of one name would abort the process when two copies are loaded.
struct TapSymbols {
  c10::Symbol enter;             // (Tensor argument, int layer) -> ()
  c10::Symbol tap;               // (t(a) value, int layer) -> t(a)
  c10::Symbol is_grad_enabled;   // () -> bool, in place of aten::is_grad_enabled
  c10::Symbol set_grad_enabled;  // (bool val) -> (), in place of aten::set_grad_enabled
  c10::Symbol as_in_reference;   // (Tensor(a) value) -> Tensor(a), requires grad if it would in the reference
  c10::Symbol training;          // (str operator) -> (), stands before an operator that acts as in training
};
const TapSymbols& RegisteredTapSymbols();

}  // namespace nacue
