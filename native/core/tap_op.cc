// Stage "tap": see tap_op.h. Runs on the detector's thread, called by the interpreter in the middle of a forward pass.
#include "tap_op.h"

#include <torch/csrc/autograd/custom_function.h>
#include <torch/csrc/jit/runtime/custom_operator.h>

#include <algorithm>
#include <utility>

namespace nacue {

namespace {

thread_local TapCapture* current_capture = nullptr;

// A function node without a backward of its own: gradients that reach it are captured and go no further. The anchor is a leaf that
// requires grad; without one LibTorch would not record the node.
struct GradientSource : public torch::autograd::Function<GradientSource> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& tensor,
                            const at::Tensor& /*anchor*/, bool in_place) {
    if (!in_place) return tensor.detach();
    context->mark_dirty({tensor});
    return tensor;
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* /*context*/,
                                                 const torch::autograd::variable_list& /*gradients*/) {
    return {at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

void EnterOperator(torch::jit::Stack& stack) {
  const auto layer = static_cast<size_t>(torch::jit::pop(stack).toInt());
  const at::Tensor argument = torch::jit::pop(stack).toTensor();
  if (auto* capture = TapCapture::Current()) capture->Enter(argument, layer);
}

void TapOperator(torch::jit::Stack& stack) {
  const auto layer = static_cast<size_t>(torch::jit::pop(stack).toInt());
  auto* capture = TapCapture::Current();
  if (capture == nullptr) return;
  if (!stack.back().isTensor()) {
    capture->TapOther(layer);
    return;
  }
  at::Tensor value = torch::jit::pop(stack).toTensor();
  stack.emplace_back(capture->Tap(std::move(value), layer));
}

struct Symbols {
  c10::Symbol enter;
  c10::Symbol tap;
};

const Symbols& RegisteredSymbols() {
  static const Symbols symbols = [] {
    static const char copy_marker = 0;
    const std::string space = "nacue_" + std::to_string(reinterpret_cast<uintptr_t>(&copy_marker));
    const auto from_schema = c10::AliasAnalysisKind::FROM_SCHEMA;
    // Leaked on purpose: a registration must not be undone while another thread is still running at process exit.
    new torch::jit::RegisterOperators(
        {torch::jit::Operator(space + "::enter(Tensor argument, int layer) -> ()", EnterOperator, from_schema),
         torch::jit::Operator(space + "::tap(t(a) value, int layer) -> t(a)", TapOperator, from_schema)});
    return Symbols{c10::Symbol::fromQualString(space + "::enter"), c10::Symbol::fromQualString(space + "::tap")};
  }();
  return symbols;
}

}  // namespace

c10::Symbol EnterSymbol() { return RegisteredSymbols().enter; }
c10::Symbol TapSymbol() { return RegisteredSymbols().tap; }

at::Tensor MakeGradientSource(const at::Tensor& tensor, bool in_place) {
  const at::Tensor anchor = at::zeros({}, tensor.options()).requires_grad_(true);
  return GradientSource::apply(tensor, anchor, in_place);
}

TapCapture::TapCapture(size_t layers, const std::unordered_set<const c10::TensorImpl*>& owned, bool record)
    : owned_(owned), record_(record), slots_(layers), arguments_(layers), previous_(current_capture) {
  current_capture = this;
}

TapCapture::~TapCapture() { current_capture = previous_; }

TapCapture* TapCapture::Current() { return current_capture; }

void TapCapture::Enter(const at::Tensor& argument, size_t layer) {
  if (!record_ || !argument.defined() || argument.requires_grad()) return;
  // The weak pointer keeps the address from being used again by another tensor before the tap compares it.
  arguments_[layer].push_back({c10::weak_intrusive_ptr<c10::TensorImpl>(argument.getIntrusivePtr()), static_cast<uint32_t>(argument._version())});
}

TapCapture::Origin TapCapture::OriginOf(const at::Tensor& value, size_t layer) const {
  for (const Argument& argument : arguments_[layer]) {
    if (argument.tensor._unsafe_get_target() != value.unsafeGetTensorImpl()) continue;
    return argument.version == value._version() ? Origin::kHandedThrough : Origin::kModifiedInPlace;
  }
  return owned_.count(value.unsafeGetTensorImpl()) != 0 ? Origin::kHandedThrough : Origin::kNew;
}

at::Tensor TapCapture::Tap(at::Tensor value, size_t layer) {
  Slot& slot = slots_[layer];
  ++slot.calls;
  execution_order_.push_back(layer);
  const bool make_source = record_ && value.is_floating_point() && !value.requires_grad();
  if (make_source) {
    const Origin origin = OriginOf(value, layer);
    must_record_from_input_ |= origin == Origin::kHandedThrough;
    // After an in-place module (ReLU(inplace=True)) other names of the same tensor are in use: all of them must see the history.
    value = MakeGradientSource(value, origin == Origin::kModifiedInPlace);
  }
  arguments_[layer].clear();
  slot.value = value;
  return value;
}

void TapCapture::TapOther(size_t layer) {
  ++slots_[layer].calls;
  slots_[layer].is_tensor = false;
  execution_order_.push_back(layer);
}

}  // namespace nacue
