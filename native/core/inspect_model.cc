// Inspect: model -> one report per submodule. Taps every module, records no gradients.
#include <unordered_map>

#include "allocate.h"
#include "detector.h"
#include "module_tree.h"
#include "pipeline.h"
#include "tap_op.h"
#include "tapped_model.h"

namespace nacue {

namespace {

void AddStatic(const TapSites& sites, ModuleReport& report) {
  if (sites.certain == sites.reachable) report.calls = sites.certain;
  if (sites.reachable > 0) report.output_type = sites.other_output_type.empty() ? "Tensor" : sites.other_output_type;
}

void AddRun(const TapCapture::Slot& slot, ModuleReport& report) {
  report.calls = slot.calls;
  const bool is_batch = slot.value.defined() && slot.value.dim() > 0 && slot.value.size(0) == 1;
  if (is_batch) report.output_shape = slot.value.sizes().slice(1).vec();
}

}  // namespace

std::vector<ModuleReport> InspectModel(const ModelSource& source,
                                       const std::optional<std::vector<int64_t>>& input_shape) {
  const torch::jit::Module module = LoadModel(source).module;
  const std::vector<ModulePath> modules = ListModules(module);
  // A shared module is tapped once, under its first name.
  std::unordered_map<const void*, size_t> tap_of_module;
  std::vector<LayerAddress> layers;
  for (const ModulePath& path : modules) {
    if (tap_of_module.emplace(path.module._ivalue().get(), layers.size()).second)
      layers.push_back({path.path, path.path, /*call=*/0, /*element=*/{}});
  }
  const TappedModel tapped(module, layers);
  TapCapture capture(tapped.tapped().targets, Recording::kNothing);
  if (input_shape) {
    std::vector<int64_t> shape = {1};
    shape.insert(shape.end(), input_shape->begin(), input_shape->end());
    tapped.Run(Zeros(shape, at::kFloat, "the values of a sample of inputShape"));
  }
  std::vector<ModuleReport> reports;
  for (const ModulePath& path : modules) {
    const size_t tap = tap_of_module.at(path.module._ivalue().get());
    ModuleReport& report = reports.emplace_back(ModuleReport{path.path, path.type, {}, {}, {}});
    AddStatic(tapped.tapped().sites[tapped.tapped().targets[tap].site], report);
    if (input_shape) AddRun(capture.slots()[tap], report);
  }
  return reports;
}

}  // namespace nacue
