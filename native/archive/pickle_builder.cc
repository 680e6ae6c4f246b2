// See pickle_builder.h.
#include "pickle_builder.h"

#include <c10/core/QScheme.h>

#include <algorithm>
#include <utility>

#include "source_scan.h"

namespace nacue {

namespace {

constexpr size_t kMaxTypeLength = 1 << 16;

struct NamedGlobal {
  std::string_view module, name;
  PickleGlobal global;
};

constexpr NamedGlobal kGlobals[] = {
    {"torch._utils", "_rebuild_tensor_v2", PickleGlobal::kTensor},
    {"torch._utils", "_rebuild_qtensor", PickleGlobal::kQuantizedTensor},
    {"builtins", "complex", PickleGlobal::kComplex},
    {"torch", "device", PickleGlobal::kDevice},
    {"collections", "OrderedDict", PickleGlobal::kOrderedDict},
    {"torch.jit._pickle", "restore_type_tag", PickleGlobal::kTypeTag},
    {"torch.jit._pickle", "build_intlist", PickleGlobal::kIntList},
    {"torch.jit._pickle", "build_doublelist", PickleGlobal::kFloatList},
    {"torch.jit._pickle", "build_boollist", PickleGlobal::kBoolList},
    {"torch.jit._pickle", "build_tensorlist", PickleGlobal::kTensorList},
};

bool IsQualifiedName(std::string_view text) {
  return !text.empty() && text.size() < kMaxTypeLength &&
         std::all_of(
             text.begin(), text.end(),
             [](char c) {
               return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' ||
                      c == '.';
             });
}

}  // namespace

PickleValue PickleBuilder::Global(std::string_view module, std::string_view name) const {
  const auto function = [](PickleGlobal global) { return Leaf(PickleKind::kGlobal, static_cast<uint64_t>(global)); };
  for (const NamedGlobal& known : kGlobals) {
    if (module == known.module && name == known.name) return function(known.global);
  }
  if (module == "torch") {
    if (const auto type = FindStorageType(name)) return Leaf(PickleKind::kStorageType, static_cast<uint64_t>(*type));
    for (int i = 0; i < c10::COMPILE_TIME_NUM_QSCHEMES; ++i) {
      if (name == c10::toString(static_cast<c10::QScheme>(i)))
        return Leaf(PickleKind::kQuantizer, static_cast<uint64_t>(i));
    }
  }
  if (name == "_rebuild_sparse_tensor") RefuseModel("holds a sparse tensor: make it dense before the export");
  // LibTorch parses the name as a type.
  const bool is_class =
      (module == "__torch__" || module.starts_with("__torch__.")) && IsQualifiedName(module) && IsQualifiedName(name);
  if (!is_class || record_.sizes == nullptr) {
    Refuse("names " + Quoted(std::string(module) + "." + std::string(name)) +
           ", which TorchScript does not write there");
  }
  return function(PickleGlobal::kClass);
}

PickleValue PickleBuilder::Reduce(const PickleValue& global, const PickleValue& argument) {
  switch (static_cast<PickleGlobal>(Expect(global, PickleKind::kGlobal).data)) {
    case PickleGlobal::kClass:
      return objects.NewObject(argument);
    case PickleGlobal::kTensor:
      return Tensor(argument, false);
    case PickleGlobal::kQuantizedTensor:
      return Tensor(argument, true);
    case PickleGlobal::kComplex:
      for (const PickleValue& part : Arguments(argument, 2)) Expect(part, PickleKind::kFloat);
      return Leaf(PickleKind::kOther);
    case PickleGlobal::kDevice:
      Text(Arguments(argument, 1)[0]);
      return Leaf(PickleKind::kOther);
    case PickleGlobal::kOrderedDict:  // the hooks of a tensor, which LibTorch drops
      return Leaf(PickleKind::kNone);
    case PickleGlobal::kTypeTag:
      return TypeTag(argument);
    case PickleGlobal::kIntList:
      return TypedList(argument, PickleKind::kInt);
    case PickleGlobal::kFloatList:
      return TypedList(argument, PickleKind::kFloat);
    case PickleGlobal::kBoolList:
      return TypedList(argument, PickleKind::kBool);
    case PickleGlobal::kTensorList:
      return TypedList(argument, PickleKind::kTensor);
  }
  Refuse("calls something unknown");
}

// ("storage", type, key, location, number of items)
PickleValue PickleBuilder::Storage(const PickleValue& id) {
  const auto arguments = Arguments(id, 5);
  const auto type = static_cast<c10::ScalarType>(Expect(arguments[1], PickleKind::kStorageType).data);
  const auto items = static_cast<int64_t>(Expect(arguments[4], PickleKind::kInt).data);
  if (Text(arguments[0]) != "storage") Refuse("has a persistent id that is no storage");
  if (Text(arguments[3]).starts_with("meta")) RefuseModel("has parameters on the meta device, which hold no data");
  if (record_.sizes == nullptr) Refuse("holds a tensor, which TorchScript does not write there");
  const std::string name = record_.storage_folder + std::string(Text(arguments[2]));
  storages_.push_back(CheckStorage(*record_.sizes, name, type, items));
  cost_.storage_bytes += items * c10::elementSize(type);  // below the record's size, so that the sum cannot wrap
  if (cost_.storage_bytes > max_storage_bytes_) Refuse("reads its storages again and again");
  Charge(512);
  return Leaf(PickleKind::kStorage, storages_.size() - 1);
}

// (storage, offset, sizes, strides, [quantizer], requires_grad, hooks, [math bits])
PickleValue PickleBuilder::Tensor(const PickleValue& argument, bool quantized) {
  const auto arguments = Arguments(argument, quantized ? 7 : 6);
  const PickledStorage& storage = storages_[Expect(arguments[0], PickleKind::kStorage).data];
  const auto offset = static_cast<int64_t>(Expect(arguments[1], PickleKind::kInt).data);
  const std::vector<int64_t> sizes = Integers(arguments[2]);
  const std::vector<int64_t> strides = Integers(arguments[3]);
  if (c10::isQIntType(storage.type) != quantized) Refuse("has a tensor whose storage is of the wrong type");
  if (quantized) CheckQuantizer(arguments[4], sizes);
  Expect(arguments[quantized ? 5 : 4], PickleKind::kBool);
  if (!quantized && arguments.size() == 7) Expect(arguments[6], PickleKind::kDict);
  Charge(512);
  return Leaf(PickleKind::kTensor, static_cast<uint64_t>(CheckTensor(storage, offset, sizes, strides)));
}

// (scheme, scale, zero point), or one of each per channel: (scheme, scales, zero points, axis)
void PickleBuilder::CheckQuantizer(const PickleValue& quantizer, const std::vector<int64_t>& sizes) const {
  const auto arguments = Arguments(quantizer, 3);
  const auto scheme = static_cast<c10::QScheme>(Expect(arguments[0], PickleKind::kQuantizer).data);
  if (scheme == c10::kPerTensorAffine) {
    Expect(arguments[1], PickleKind::kFloat);
    Expect(arguments[2], PickleKind::kInt);
    return;
  }
  const uint64_t axis = Expect(Arguments(quantizer, 4)[3], PickleKind::kInt).data;
  for (size_t i = 1; i <= 2; ++i) {
    const uint64_t channels = Expect(arguments[i], PickleKind::kTensor).data;
    const bool fits = axis < sizes.size() && channels == static_cast<uint64_t>(sizes[axis]);
    if (!fits) Refuse("has a tensor quantized along no axis");
  }
}

// (list or dict, type): LibTorch parses the text as source.
PickleValue PickleBuilder::TypeTag(const PickleValue& argument) const {
  const auto arguments = Arguments(argument, 2);
  const std::string_view type = Text(arguments[1]);
  size_t definitions = 0;
  if (type.size() > kMaxTypeLength) Refuse("has a type name of " + std::to_string(type.size()) + " bytes");
  ScanSource(type, record_.name, definitions);
  return Expect(arguments[0], type.starts_with("Dict[") ? PickleKind::kDict : PickleKind::kList);
}

PickleValue PickleBuilder::TypedList(const PickleValue& argument, PickleKind kind) const {
  const PickleValue list = Expect(Arguments(argument, 1)[0], PickleKind::kList);
  if (!objects.HasOnly(list, kind)) Refuse("has a list whose elements are not of its type");
  return list;
}

std::vector<int64_t> PickleBuilder::Integers(const PickleValue& tuple) const {
  std::vector<int64_t> numbers;
  for (const PickleValue& element : Arguments(tuple, 0)) {
    numbers.push_back(static_cast<int64_t>(Expect(element, PickleKind::kInt).data));
  }
  return numbers;
}

std::string_view PickleBuilder::Text(const PickleValue& value) const {
  const uint64_t place = Expect(value, PickleKind::kText).data;
  const auto text = record_.bytes.subspan(place >> 32, place & 0xffffffff);
  return {reinterpret_cast<const char*>(text.data()), text.size()};
}

std::span<const PickleValue> PickleBuilder::Arguments(const PickleValue& tuple, size_t count) const {
  const auto arguments = objects.Elements(Expect(tuple, PickleKind::kTuple));
  if (arguments.size() < count) Refuse("calls a function with too few arguments");
  return arguments;
}

const PickleValue& PickleBuilder::Expect(const PickleValue& value, PickleKind kind) const {
  if (value.kind != kind) Refuse("has a value of the wrong type");
  return value;
}

void PickleBuilder::Charge(uint64_t bytes) {
  cost_.object_bytes += bytes;
  if (cost_.object_bytes > UnpicklingCost::kMaxObjectBytes) {
    RefuseModel("has pickles that would take more than " + std::to_string(UnpicklingCost::kMaxObjectBytes >> 20) +
                " MiB of objects");
  }
}

void PickleBuilder::Refuse(const std::string& what) const {
  RefuseDamaged(Quoted(record_.name) + " " + what);
}

}  // namespace nacue
