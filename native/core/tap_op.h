// Stage "tap": the two operators that a tapped graph calls, and the capture they write to.
//
// `enter(x, layer)` stands before the call of a wanted module, `tap(value, layer)` right after it. The capture is thread-local and
// owned by a scope guard, so that it can never be left dangling when the model throws.
//
// Autograd starts at the earliest tap: a tapped tensor without a history becomes a non-leaf source, nothing before it is recorded.
// That equals the reference as long as the tapped tensor is new. A module that hands its input through (Identity, Dropout in eval
// mode) returns a tensor that may have been used before the tap; such a run must be repeated with the history recorded from the
// model's input (`must_record_from_input`).
#pragma once

#include <ATen/ATen.h>
#include <c10/util/intrusive_ptr.h>
#include <torch/csrc/jit/ir/ir.h>

#include <cstdint>
#include <string>
#include <unordered_set>
#include <vector>

namespace nacue {

class TapCapture {
 public:
  struct Slot {
    at::Tensor value;
    int64_t calls = 0;
    bool is_tensor = true;
  };

  // `record` off: shapes only, no gradient sources (inspect).
  TapCapture(size_t layers, const std::unordered_set<const c10::TensorImpl*>& owned, bool record);
  ~TapCapture();
  TapCapture(const TapCapture&) = delete;
  TapCapture& operator=(const TapCapture&) = delete;

  static TapCapture* Current();

  void Enter(const at::Tensor& argument, size_t layer);
  at::Tensor Tap(at::Tensor value, size_t layer);
  void TapOther(size_t layer);

  const std::vector<Slot>& slots() const { return slots_; }
  const std::vector<size_t>& execution_order() const { return execution_order_; }
  bool must_record_from_input() const { return must_record_from_input_; }

 private:
  struct Argument {
    c10::weak_intrusive_ptr<c10::TensorImpl> tensor;
    uint32_t version;
  };
  enum class Origin { kNew, kModifiedInPlace, kHandedThrough };
  Origin OriginOf(const at::Tensor& value, size_t layer) const;

  const std::unordered_set<const c10::TensorImpl*>& owned_;
  bool record_;
  bool must_record_from_input_ = false;
  std::vector<Slot> slots_;
  std::vector<std::vector<Argument>> arguments_;
  std::vector<size_t> execution_order_;
  TapCapture* previous_;
};

// Gives `tensor` a gradient history without inputs. `in_place`: on the tensor itself, else on an alias of it.
at::Tensor MakeGradientSource(const at::Tensor& tensor, bool in_place);

// Symbols of the operators, registered on first use under a namespace of this copy of the addon: a second registration of one name
// would abort the process when two copies are loaded.
c10::Symbol EnterSymbol();
c10::Symbol TapSymbol();

}  // namespace nacue
