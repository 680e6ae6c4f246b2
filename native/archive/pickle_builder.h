// What the names in a pickle build: storages from persistent ids, tensors, typed lists and module objects from globals.
// Part of pickle_scan.h, with the checks that need more than an opcode.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "pickle_scan.h"
#include "pickle_values.h"
#include "pickled_tensors.h"

namespace nacue {

// The functions that torch.jit.save calls from a pickle.
enum class PickleGlobal : uint64_t {
  kClass,
  kTensor,
  kQuantizedTensor,
  kComplex,
  kDevice,
  kOrderedDict,
  kTypeTag,
  kIntList,
  kFloatList,
  kBoolList,
  kTensorList,
};

class PickleBuilder {
 public:
  PickleBuilder(const PickleRecord& record, uint64_t max_storage_bytes, UnpicklingCost& cost)
      : record_(record), max_storage_bytes_(max_storage_bytes), cost_(cost) {}

  // GLOBAL: a function, or an enumerator that LibTorch resolves at once.
  PickleValue Global(std::string_view module, std::string_view name) const;
  // REDUCE and BUILD.
  PickleValue Reduce(const PickleValue& global, const PickleValue& argument);
  // BINPERSID.
  PickleValue Storage(const PickleValue& id);

  // Adds to what LibTorch would allocate.
  void Charge(uint64_t bytes);
  [[noreturn]] void Refuse(const std::string& what) const;

  PickleObjects objects;

 private:
  PickleValue Tensor(const PickleValue& argument, bool quantized);
  void CheckQuantizer(const PickleValue& quantizer, const std::vector<int64_t>& sizes) const;
  PickleValue TypeTag(const PickleValue& argument) const;
  PickleValue TypedList(const PickleValue& argument, PickleKind kind) const;
  std::vector<int64_t> Integers(const PickleValue& tuple) const;
  std::string_view Text(const PickleValue& value) const;
  // The elements of a tuple that has at least `count`.
  std::span<const PickleValue> Arguments(const PickleValue& tuple, size_t count) const;
  const PickleValue& Expect(const PickleValue& value, PickleKind kind) const;

  const PickleRecord& record_;
  uint64_t max_storage_bytes_;
  UnpicklingCost& cost_;
  std::vector<PickledStorage> storages_;
};

}  // namespace nacue
