// See select_logits.h.
#include "select_logits.h"

#include <ATen/ATen.h>

#include "error.h"
#include "tapped_model.h"

namespace nacue {

namespace {

[[noreturn]] void Throw(const std::string& message) {
  throw Error("ERR_NACUE_LOGITS", message);
}

std::string KeyText(const OutputKey& key) {
  const auto* name = std::get_if<std::string>(&key);
  return name != nullptr ? "'" + *name + "'" : std::to_string(std::get<int64_t>(key));
}

c10::IValue ByName(const c10::IValue& output, const std::string& name) {
  std::string known;
  const auto remember = [&](const std::string& other) { known += (known.empty() ? "'" : ", '") + other + "'"; };
  if (output.isGenericDict()) {
    for (const auto& entry : output.toGenericDict()) {
      if (!entry.key().isString()) continue;
      if (entry.key().toStringRef() == name) return entry.value();
      remember(entry.key().toStringRef());
    }
  } else if (output.isTuple() && output.toTuple()->type()->schema()) {
    const auto& fields = output.toTuple()->type()->schema()->arguments();
    for (size_t i = 0; i < fields.size(); ++i) {
      if (fields[i].name() == name) return output.toTuple()->elements()[i];
      remember(fields[i].name());
    }
  }
  Throw("the model's output has no element '" + name + "'" + (known.empty() ? "" : "; it has " + known));
}

c10::IValue ByIndex(const c10::IValue& output, int64_t index) {
  std::vector<c10::IValue> elements;
  if (output.isTuple()) elements = output.toTuple()->elements();
  if (output.isList()) elements = output.toListRef().vec();
  if (output.isGenericDict()) {
    for (const auto& entry : output.toGenericDict()) elements.push_back(entry.value());
  }
  if (index < 0 || index >= static_cast<int64_t>(elements.size())) {
    Throw("the model's output has " + std::to_string(elements.size()) + " elements, output " + std::to_string(index) +
          " is not one of them");
  }
  return elements[static_cast<size_t>(index)];
}

c10::IValue Select(const c10::IValue& output, const std::optional<OutputKey>& key) {
  if (output.isTensor()) {
    if (key)
      Throw("the model returns one tensor, so the option output (" + KeyText(*key) + ") has nothing to choose from");
    return output;
  }
  if (!output.isTuple() && !output.isTensorList() && !output.isList() && !output.isGenericDict()) {
    Throw("the model returns a " + output.tagKind() + ", not logits");
  }
  if (!key) return ByIndex(output, 0);
  const auto* name = std::get_if<std::string>(&*key);
  return name != nullptr ? ByName(output, *name) : ByIndex(output, std::get<int64_t>(*key));
}

}  // namespace

at::Tensor SelectLogits(const c10::IValue& output, const std::optional<OutputKey>& key, int64_t batch_size) {
  const c10::IValue selected = Select(output, key);
  if (!selected.isTensor() || !selected.toTensor().defined()) {
    Throw("the element of the output that should hold the logits is a " + selected.tagKind() +
          "; choose another with the option output");
  }
  at::Tensor logits = selected.toTensor();
  if (!logits.is_floating_point() || logits.dim() != 2 || logits.size(0) != batch_size || logits.size(1) < 2) {
    Throw("the model's output must be logits of shape (" + std::to_string(batch_size) + ", C) with C >= 2, it is " +
          TensorText(logits));
  }
  return logits;
}

}  // namespace nacue
