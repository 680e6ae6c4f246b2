// Stage "tap": see tap_op.h. Runs on the detector's thread, called by the interpreter in the middle of a forward pass.
#include "tap_op.h"

#include <torch/csrc/autograd/custom_function.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/runtime/custom_operator.h>

#include <algorithm>
#include <utility>

#include "batch_norm.h"
#include "convolution.h"
#include "max_pool.h"
#include "row_places.h"

namespace nacue {

namespace {

thread_local TapCapture* current_capture = nullptr;

// A function node without a backward of its own: gradients that reach it are captured and go no further. The anchor is
// a leaf that requires grad; without one LibTorch would not record the node.
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
  const auto site = static_cast<size_t>(torch::jit::pop(stack).toInt());
  if (auto* capture = TapCapture::Current()) capture->Enter(stack.back().toTensor(), site);
}

void TapOperator(torch::jit::Stack& stack) {
  const auto site = static_cast<size_t>(torch::jit::pop(stack).toInt());
  c10::IValue value = torch::jit::pop(stack);
  auto* capture = TapCapture::Current();
  stack.push_back(capture != nullptr ? capture->Tap(std::move(value), site) : std::move(value));
}

void IsGradEnabledOperator(torch::jit::Stack& stack) {
  const auto* capture = TapCapture::Current();
  stack.emplace_back(capture != nullptr ? capture->IsGradEnabled() : at::GradMode::is_enabled());
}

void SetGradEnabledOperator(torch::jit::Stack& stack) {
  const bool enabled = torch::jit::pop(stack).toBool();
  auto* capture = TapCapture::Current();
  capture != nullptr ? capture->SetGradEnabled(enabled) : at::GradMode::set_enabled(enabled);
}

// matmul folds a batch into one product when its smaller operand requires grad, whether or not anything is recorded.
void AsInReferenceOperator(torch::jit::Stack& stack) {
  const at::Tensor value = torch::jit::pop(stack).toTensor();
  const bool is_recorded = !value.defined() || value.requires_grad() || !value.is_floating_point();
  stack.emplace_back(is_recorded ? value : value.detach().requires_grad_(true));
}

// The element of a tuple or list that `path` leads to, nothing when there is none.
std::optional<c10::IValue> ElementOf(c10::IValue value, const std::vector<int64_t>& path) {
  for (const int64_t index : path) {
    std::vector<c10::IValue> elements;
    if (value.isTuple()) elements = value.toTuple()->elements().vec();
    if (value.isList()) elements = value.toListRef().vec();
    if (index >= static_cast<int64_t>(elements.size())) return std::nullopt;
    value = elements[static_cast<size_t>(index)];
  }
  return value;
}

// A tuple or list like `value`, but with `element` where `path`, from its step `depth` on, leads to.
c10::IValue WithElement(const c10::IValue& value, const std::vector<int64_t>& path, const at::Tensor& element,
                        size_t depth = 0) {
  if (depth == path.size()) return element;
  const auto index = static_cast<size_t>(path[depth]);
  if (value.isList()) {
    const auto list = value.toList().copy();
    list.set(index, WithElement(list.get(index), path, element, depth + 1));
    return list;
  }
  const auto tuple = value.toTuple();
  std::vector<c10::IValue> elements = tuple->elements().vec();
  elements[index] = WithElement(elements[index], path, element, depth + 1);
  return c10::ivalue::Tuple::createNamed(std::move(elements), tuple->type());
}

size_t CountSites(const std::vector<TapTarget>& targets) {
  size_t sites = 0;
  for (const TapTarget& target : targets) sites = std::max(sites, target.site + 1);
  return sites;
}

void PlaceRowsOperator(torch::jit::Stack& stack) {
  stack.emplace_back(PlaceRows(torch::jit::pop(stack).toTensor()));
}

void TakeRowsOperator(torch::jit::Stack& stack) {
  const at::Tensor rows = torch::jit::pop(stack).toTensor();
  stack.emplace_back(TakeRows(torch::jit::pop(stack).toTensor(), rows));
}

void RecurrentTrainOperator(torch::jit::Stack& stack) {
  const at::Tensor input = torch::jit::pop(stack).toTensor();
  stack.emplace_back(torch::jit::pop(stack).toBool() || input.is_cuda());
}

void RecurrentDropoutOperator(torch::jit::Stack& stack) {
  const at::Tensor input = torch::jit::pop(stack).toTensor();
  const double dropout = torch::jit::pop(stack).toDouble();
  stack.emplace_back(input.is_cuda() ? 0.0 : dropout);
}

void MaxPool2dOperator(torch::jit::Stack& stack) {
  const auto arguments = torch::jit::pop(stack, 6);
  const auto list = [&](size_t i) { return arguments[i].toIntVector(); };
  stack.emplace_back(
      MaxPool2d(arguments[0].toTensor(), list(1), list(2), list(3), list(4), /*ceil_mode=*/arguments[5].toBool()));
}

void BatchNormOperator(torch::jit::Stack& stack) {
  const auto arguments = torch::jit::pop(stack, 12);
  const auto tensor = [&](size_t i) { return arguments[i].toOptional<at::Tensor>(); };
  stack.emplace_back(
      RunBatchNorm({arguments[0].toTensor(), tensor(1), tensor(2), tensor(3), tensor(4), arguments[5].toBool(),
                    arguments[6].toDouble(), arguments[7].toDouble(), arguments[8].toBool(), tensor(9),
                    arguments[10].toBool(), static_cast<Activation>(arguments[11].toInt())}));
}

// Each node has one of its own, with the weights that it keeps.
torch::jit::Operation ConvolutionOperation(const torch::jit::Node* node) {
  const auto constant = [&](size_t i) { return torch::jit::toIValue(node->input(i)).value(); };
  const auto list = [&](size_t i) { return constant(i).toIntVector(); };
  const auto convolution = c10::make_intrusive<Convolution>(ConvolutionOptions{
      constant(1).toTensor(), constant(2).toOptional<at::Tensor>(), list(3), list(4), list(5), constant(6).toInt()});
  return [convolution, count = node->inputs().size()](torch::jit::Stack& stack) {
    const auto arguments = torch::jit::pop(stack, count);
    stack.emplace_back(convolution->Run(arguments.front().toTensor(), arguments.back().toOptional<at::Tensor>()));
  };
}

void TrainingOperator(torch::jit::Stack& stack) {
  const std::string name = torch::jit::pop(stack).toStringRef();
  if (auto* capture = TapCapture::Current()) capture->ActAsInTraining(name);
}

}  // namespace

const TapSymbols& RegisteredTapSymbols() {
  static const TapSymbols symbols = [] {
    static const char copy_marker = 0;
    const std::string space = "nacue_" + std::to_string(reinterpret_cast<uintptr_t>(&copy_marker)) + "::";
    std::vector<std::optional<torch::jit::Operator>> operators;
    const auto define = [&](const std::string& name, const std::string& signature,
                            void (*function)(torch::jit::Stack&)) {
      operators.emplace_back(
          torch::jit::Operator(space + name + signature, function, c10::AliasAnalysisKind::FROM_SCHEMA));
      return c10::Symbol::fromQualString(space + name);
    };
    const TapSymbols defined = {
        define("enter", "(Tensor(a) argument, int site) -> Tensor(a)", EnterOperator),
        define("tap", "(t(a) value, int site) -> t(a)", TapOperator),
        define("is_grad_enabled", "() -> bool", IsGradEnabledOperator),
        define("set_grad_enabled", "(bool val) -> ()", SetGradEnabledOperator),
        define("as_in_reference", "(Tensor(a) value) -> Tensor(a)", AsInReferenceOperator),
        define("place_rows", "(Tensor(a) rows) -> Tensor(a)", PlaceRowsOperator),
        define("take_rows", "(Tensor(a) product, Tensor rows) -> Tensor(a)", TakeRowsOperator),
        define("training", "(str operator) -> ()", TrainingOperator),
        define("recurrent_train", "(bool train, Tensor input) -> bool", RecurrentTrainOperator),
        define("recurrent_dropout", "(float dropout, Tensor input) -> float", RecurrentDropoutOperator),
        define(
            "max_pool2d",
            "(Tensor self, int[] kernel_size, int[] stride, int[] padding, int[] dilation, bool ceil_mode) -> Tensor",
            MaxPool2dOperator),
        define("batch_norm",
               "(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool training, "
               "float momentum, float eps, bool cudnn_enabled, Tensor? added, bool adds_in_place, int activation) "
               "-> Tensor",
               BatchNormOperator),
        c10::Symbol::fromQualString(space + "convolution"),
    };
    // With any number of arguments, because the interpreter keeps one operation for all nodes of another operator.
    operators.emplace_back(
        torch::jit::Operator(defined.convolution, ConvolutionOperation, c10::AliasAnalysisKind::PURE_FUNCTION));
    // Has no effect when it is destroyed: the operators stay, as threads may still run them at process exit.
    static const torch::jit::RegisterOperators registration(std::move(operators));
    return defined;
  }();
  return symbols;
}

TapCapture::TapCapture(const std::vector<TapTarget>& targets, Recording recording)
    : recording_(recording),
      targets_(targets),
      slots_(targets.size()),
      arguments_(CountSites(targets)),
      grad_mode_(recording >= Recording::kFromStart),
      previous_(current_capture) {
  current_capture = this;
}

TapCapture::~TapCapture() {
  current_capture = previous_;
}

TapCapture* TapCapture::Current() {
  return current_capture;
}

void TapCapture::Enter(const at::Tensor& argument, size_t site) {
  if (recording_ == Recording::kNothing || !argument.defined() || argument.requires_grad()) return;
  // The weak pointer keeps the address from being used again by another tensor before the tap compares it.
  arguments_[site].push_back({c10::weak_intrusive_ptr<c10::TensorImpl>(argument.getIntrusivePtr()),
                              static_cast<uint32_t>(argument._version())});
}

c10::IValue TapCapture::Tap(c10::IValue value, size_t site) {
  for (size_t layer = 0; layer < targets_.size(); ++layer) {
    const TapTarget& target = targets_[layer];
    if (target.site != site) continue;
    const int64_t call = ++slots_[layer].calls;
    if (target.call == 0 || target.call == call) value = Capture(std::move(value), layer);
  }
  arguments_[site].clear();
  return value;
}

c10::IValue TapCapture::Capture(c10::IValue value, size_t layer) {
  Slot& slot = slots_[layer];
  const TapTarget& target = targets_[layer];
  execution_order_.push_back(layer);
  const std::optional<c10::IValue> element = ElementOf(value, target.element);
  slot.is_tensor = element && element->isTensor() && element->toTensor().defined();
  if (!slot.is_tensor) return value;
  if (recording_ == Recording::kFromFirstTap && !tapped_) {
    tapped_ = true;
    at::GradMode::set_enabled(model_grad_mode_);
  }
  slot.value = WithHistory(element->toTensor(), target);
  if (slot.value.is_same(element->toTensor())) return value;
  return WithElement(value, target.element, slot.value);
}

at::Tensor TapCapture::WithHistory(const at::Tensor& value, const TapTarget& target) {
  const bool has_history = recording_ == Recording::kNothing || !value.is_floating_point() || value.requires_grad();
  if (has_history) return value;
  const Origin origin = OriginOf(value, target.site);
  must_record_from_start_ |= origin == Origin::kHandedThrough;
  // Other elements may come from this one.
  const bool was_used_before = origin == Origin::kHandedThrough || !target.element.empty();
  must_record_from_input_ |= recording_ == Recording::kFromStart && was_used_before;
  const at::Tensor anchor = at::zeros({}, value.options()).requires_grad_(true);
  // After an in-place module (ReLU(inplace=True)) other names of the same tensor are in use: all of them must see the
  // history.
  return GradientSource::apply(value, anchor, /*in_place=*/origin == Origin::kModifiedInPlace);
}

TapCapture::Origin TapCapture::OriginOf(const at::Tensor& value, size_t site) const {
  for (const Argument& argument : arguments_[site]) {
    if (argument.tensor._unsafe_get_target() == value.unsafeGetTensorImpl())
      return argument.version == value._version() ? Origin::kHandedThrough : Origin::kModifiedInPlace;
    // A view: what is changed in place in one of the two is changed in both, and autograd has to know.
    const auto alive = argument.tensor.lock();
    if (!alive.defined()) continue;
    const at::Tensor tensor(alive);
    if (tensor.has_storage() && value.has_storage() && tensor.is_alias_of(value)) return Origin::kHandedThrough;
  }
  return Origin::kNew;
}

bool TapCapture::IsGradEnabled() const {
  return IsRecording() ? at::GradMode::is_enabled() : model_grad_mode_;
}

void TapCapture::SetGradEnabled(bool enabled) {
  model_grad_mode_ = enabled;
  if (IsRecording()) at::GradMode::set_enabled(enabled);
}

}  // namespace nacue
