// See convolution.h. Runs on the detector's thread, called by the interpreter and by autograd.
//
// The operators are those that LibTorch's compiler calls for weights in oneDNN's order. They have no gradients; that of
// the input is the transposed convolution with the same weights.
#include "convolution.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/native/ConvUtils.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <iterator>
#include <string>

namespace nacue {

namespace {

using c10::IValue;

constexpr size_t kMostShapesKept = 8;

class OneDnnOperator {
 public:
  explicit OneDnnOperator(const std::string& name, const char* overload = "")
      : found_(c10::Dispatcher::singleton().findSchema({"mkldnn::" + name, overload})) {}

  // False where LibTorch was built without oneDNN.
  bool exists() const { return found_.has_value(); }

  template <typename... Arguments>
  at::Tensor operator()(Arguments&&... arguments) const {
    torch::jit::Stack stack;
    torch::jit::push(stack, std::forward<Arguments>(arguments)...);
    found_->callBoxed(stack);
    return stack.back().toTensor();
  }

 private:
  std::optional<c10::OperatorHandle> found_;
};

struct OneDnnOperators {
  OneDnnOperator convolve{"_convolution_pointwise"};
  OneDnnOperator convolve_and_add{"_convolution_pointwise", "binary"};
  OneDnnOperator convolve_transposed{"_convolution_transpose_pointwise"};
  OneDnnOperator order{"_reorder_convolution_weight"};
  OneDnnOperator order_transposed{"_reorder_convolution_transpose_weight"};
  OneDnnOperator description{"_get_mkldnn_serialized_md"};

  bool exist() const {
    return convolve.exists() && convolve_and_add.exists() && convolve_transposed.exists() && order.exists() &&
           order_transposed.exists() && description.exists();
  }
};

const OneDnnOperators& OneDnn() {
  static const OneDnnOperators operators;
  return operators;
}

const IValue kNothing;

IValue NoScalars() {
  return c10::List<std::optional<at::Scalar>>();
}

// Along one side of an image: how many pixels the kernel spans.
int64_t Span(const ConvolutionOptions& options, size_t side) {
  return options.dilation[side] * (options.weight.size(static_cast<int64_t>(side) + 2) - 1) + 1;
}

// Pixels at the ends of both sides that no step of the kernel reaches.
std::vector<int64_t> OutputPadding(const ConvolutionOptions& options, at::IntArrayRef x_shape) {
  std::vector<int64_t> rest;
  for (size_t side = 0; side < 2; ++side)
    rest.push_back((x_shape[side + 2] + 2 * options.padding[side] - Span(options, side)) % options.stride[side]);
  return rest;
}

bool IsPlain(const at::Tensor& tensor) {
  return tensor.is_cpu() && tensor.layout() == at::kStrided && tensor.dim() == 4;
}

}  // namespace

// What autograd keeps of a pass: no tensor.
struct RecordedConvolution : torch::autograd::Function<RecordedConvolution> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const std::optional<at::Tensor>& added,
                            const c10::intrusive_ptr<Convolution>& convolution) {
    context->saved_data["convolution"] = IValue::make_capsule(convolution);
    context->saved_data["x_shape"] = x.sizes();
    context->saved_data["asks_for_x"] = x.requires_grad();
    context->saved_data["asks_for_added"] = added && added->requires_grad();
    return convolution->Forward(x, added);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const auto convolution =
        c10::static_intrusive_pointer_cast<Convolution>(context->saved_data["convolution"].toCapsule());
    const at::Tensor& dy = gradients[0];
    const bool asks_for_x = context->saved_data["asks_for_x"].toBool();
    const bool asks_for_added = context->saved_data["asks_for_added"].toBool();
    return {asks_for_x ? convolution->Backward(dy, context->saved_data["x_shape"].toIntVector()) : at::Tensor(),
            asks_for_added ? dy : at::Tensor(), at::Tensor()};
  }
};

at::Tensor Convolution::Run(const at::Tensor& x, const std::optional<at::Tensor>& added) {
  // As autocast would.
  const bool is_cast = options_.weight.scalar_type() == at::kBFloat16 && x.scalar_type() == at::kFloat;
  const at::Tensor input = is_cast ? x.to(at::kBFloat16) : x;
  if (!IsForOneDnn(input)) {
    const at::Tensor y = at::conv2d(input, options_.weight, options_.bias, options_.stride, options_.padding,
                                    options_.dilation, options_.groups);
    return added ? y.add(*added) : y;
  }
  const bool is_added =
      added && added->scalar_type() == input.scalar_type() && IsPlain(*added) &&
      added->sizes() == at::native::conv_output_size(input.sizes(), options_.weight.sizes(), options_.padding,
                                                     options_.stride, options_.dilation);
  const std::optional<at::Tensor> together = is_added ? added : std::nullopt;
  const bool is_recorded =
      at::GradMode::is_enabled() && (input.requires_grad() || (is_added && added->requires_grad()));
  const auto self = c10::intrusive_ptr<Convolution>::reclaim_copy(this);
  const at::Tensor y = is_recorded ? RecordedConvolution::apply(input, together, self) : Forward(input, together);
  return added && !is_added ? y.add(*added) : y;
}

Convolution::ForShape& Convolution::Find(at::IntArrayRef x_shape) {
  const auto found = std::find_if(shapes_.begin(), shapes_.end(),
                                  [&](const ForShape& shape) { return at::IntArrayRef(shape.x_shape) == x_shape; });
  if (found != shapes_.end()) {
    shapes_.splice(shapes_.begin(), shapes_, found);
  } else {
    if (shapes_.size() == kMostShapesKept) shapes_.pop_back();
    shapes_.push_front({x_shape.vec()});
  }
  return shapes_.front();
}

bool Convolution::IsForOneDnn(const at::Tensor& x) {
  const at::Tensor& weight = options_.weight;
  if (!OneDnn().exist() || !IsPlain(x) || !IsPlain(weight) || x.scalar_type() != weight.scalar_type()) return false;
  ForShape& shape = Find(x.sizes());
  if (!shape.is_for_onednn) {
    const auto of = [](at::IntArrayRef list) { return c10::fromIntArrayRefSlow(list); };
    const at::native::ConvBackend backend = at::native::select_conv_backend(
        x, weight, options_.bias, of(options_.stride), of(options_.padding), of(options_.dilation),
        /*transposed=*/false, of({0, 0}), options_.groups, /*bias_sizes_opt=*/std::nullopt);
    const bool has_transposed = options_.padding[0] < Span(options_, 0) && options_.padding[1] < Span(options_, 1);
    shape.is_for_onednn = backend == at::native::ConvBackend::Mkldnn && has_transposed;
  }
  return *shape.is_for_onednn;
}

at::Tensor Convolution::Forward(const at::Tensor& x, const std::optional<at::Tensor>& added) {
  const auto& [weight, bias, stride, padding, dilation, groups] = options_;
  const at::Tensor input = x.contiguous(at::MemoryFormat::ChannelsLast);
  ForShape& shape = Find(x.sizes());
  if (!shape.weight.defined()) {
    shape.weight = OneDnn().order(weight, padding, stride, dilation, groups, shape.x_shape);
    KeepOneOfEachOrder(&ForShape::weight);
  }
  if (!added) {
    return OneDnn().convolve(input, shape.weight, bias, padding, stride, dilation, groups, "none", NoScalars(),
                             kNothing);
  }
  return OneDnn().convolve_and_add(input, added->contiguous(at::MemoryFormat::ChannelsLast), shape.weight, bias,
                                   padding, stride, dilation, groups, "add", /*alpha=*/1.0, kNothing, NoScalars(),
                                   kNothing);
}

at::Tensor Convolution::Backward(const at::Tensor& dy, at::IntArrayRef x_shape) {
  const auto& [weight, bias, stride, padding, dilation, groups] = options_;
  const at::Tensor input = dy.contiguous(at::MemoryFormat::ChannelsLast);
  const std::vector<int64_t> output_padding = OutputPadding(options_, x_shape);
  ForShape& shape = Find(x_shape);
  if (!shape.transposed.defined()) {
    shape.transposed =
        OneDnn().order_transposed(weight, padding, output_padding, stride, dilation, groups, input.sizes());
    KeepOneOfEachOrder(&ForShape::transposed);
  }
  return OneDnn().convolve_transposed(input, shape.transposed, /*bias=*/kNothing, padding, output_padding, stride,
                                      dilation, groups, "none", NoScalars(), kNothing);
}

void Convolution::KeepOneOfEachOrder(at::Tensor ForShape::* weight) {
  at::Tensor& newest = shapes_.front().*weight;
  const at::Tensor order = OneDnn().description(newest);
  for (auto other = std::next(shapes_.begin()); other != shapes_.end(); ++other) {
    const at::Tensor& known = (*other).*weight;
    if (known.defined() && at::equal(OneDnn().description(known), order)) {
      newest = known;
      return;
    }
  }
}

}  // namespace nacue
