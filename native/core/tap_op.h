// Stage "tap": the operators that a tapped graph calls, and the capture they write to.
//
// `enter(x, site)` stands before the call of a wanted module, `tap(value, site)` right after it; the capture knows
// which layers want what of that module: a call, an element of its output. The capture is thread-local and owned by a
// scope guard, so that it can never be left dangling when the model throws.
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
  kFromInput,     // the input requires grad, too: where nothing trainable has recorded what came before a tap
};

// What a layer wants: an output, or an element of it, of one call of the module at a site.
struct TapTarget {
  size_t site = 0;
  int64_t call = 0;  // counts from 1; 0: every call, the last one stays
  std::vector<int64_t> element;
};

class TapCapture {
 public:
  // Of one layer.
  struct Slot {
    at::Tensor value;
    int64_t calls = 0;  // of the module
    bool is_tensor = true;
  };

  // `targets`, one per layer, must outlive the capture.
  TapCapture(const std::vector<TapTarget>& targets, Recording recording);
  ~TapCapture();
  TapCapture(const TapCapture&) = delete;
  TapCapture& operator=(const TapCapture&) = delete;

  static TapCapture* Current();

  // What the operators of the same names do.
  void Enter(const at::Tensor& argument, size_t site);
  c10::IValue Tap(c10::IValue value, size_t site);
  bool IsGradEnabled() const;
  void SetGradEnabled(bool enabled);
  void ActAsInTraining(const std::string& operator_name) { training_operator_ = operator_name; }

  const std::vector<Slot>& slots() const { return slots_; }
  // Layers in the order in which they were captured.
  const std::vector<size_t>& execution_order() const { return execution_order_; }
  // An operator that acted as in training, or empty.
  const std::string& training_operator() const { return training_operator_; }
  // A tapped module handed its argument through (Identity, Dropout in eval mode), or a view of it (Flatten). That
  // tensor may have been used before the tap, where nothing was recorded: the run has to be repeated with
  // Recording::kFromStart.
  bool must_record_from_start() const { return must_record_from_start_; }
  // The same although everything that is trainable was recorded: with Recording::kFromInput.
  bool must_record_from_input() const { return must_record_from_input_; }

 private:
  struct Argument {
    c10::weak_intrusive_ptr<c10::TensorImpl> tensor;
    uint32_t version;
  };
  enum class Origin { kNew, kModifiedInPlace, kHandedThrough };
  Origin OriginOf(const at::Tensor& value, size_t site) const;
  at::Tensor WithHistory(const at::Tensor& value, const TapTarget& target);
  c10::IValue Capture(c10::IValue value, size_t layer);
  bool IsRecording() const {
    return recording_ >= Recording::kFromStart || (recording_ == Recording::kFromFirstTap && tapped_);
  }

  Recording recording_;
  bool tapped_ = false;
  bool model_grad_mode_ = true;  // what the model believes while nothing is recorded
  bool must_record_from_start_ = false;
  bool must_record_from_input_ = false;
  std::string training_operator_;
  const std::vector<TapTarget>& targets_;
  std::vector<Slot> slots_;                       // per layer
  std::vector<std::vector<Argument>> arguments_;  // per site
  std::vector<size_t> execution_order_;
  at::AutoGradMode grad_mode_;  // restores the thread's mode
  TapCapture* previous_;
};

// Symbols of the operators, registered on first use under a namespace of this copy of the addon: a second registration
// of one name would abort the process when two copies are loaded.
struct TapSymbols {
  c10::Symbol enter;              // (Tensor(a) argument, int site) -> Tensor(a), the same tensor
  c10::Symbol tap;                // (t(a) value, int site) -> t(a)
  c10::Symbol is_grad_enabled;    // () -> bool, in place of aten::is_grad_enabled
  c10::Symbol set_grad_enabled;   // (bool val) -> (), in place of aten::set_grad_enabled
  c10::Symbol as_in_reference;    // (Tensor(a) value) -> Tensor(a), requires grad if it would in the reference
  c10::Symbol place_rows;         // (Tensor(a) rows) -> Tensor(a), see row_places.h
  c10::Symbol take_rows;          // (Tensor(a) product, Tensor rows) -> Tensor(a)
  c10::Symbol training;           // (str operator) -> (), stands before an operator that acts as in training
  c10::Symbol recurrent_train;    // (bool train, Tensor input) -> bool, see recurrent_layers.h
  c10::Symbol recurrent_dropout;  // (float dropout, Tensor input) -> float
  c10::Symbol max_pool2d;         // as aten::max_pool2d, see max_pool.h
  c10::Symbol batch_norm;         // aten::batch_norm and what follows it, see batch_norm.h
  c10::Symbol convolution;        // aten::conv2d of constants and what is added to it, see convolution.h
};
const TapSymbols& RegisteredTapSymbols();

}  // namespace nacue
