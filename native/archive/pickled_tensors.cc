// See pickled_tensors.h. All arithmetic is checked for overflow: every number comes from the file.
#include "pickled_tensors.h"

#include <limits>

#include "refuse_model.h"

namespace nacue {

namespace {

constexpr size_t kMaxRank = 64;  // TensorIterator's
// How much larger than its storage an expanded tensor (stride 0) may be once something makes it contiguous.
constexpr uint64_t kMaxExpansionBytes = 256 << 20;

uint64_t ElementsPerItem(c10::ScalarType type) {
  if (type == c10::kQUInt4x2) return 2;
  return type == c10::kQUInt2x4 ? 4 : 1;
}

// a * b and a + b, or the largest number, which no bound below allows.
uint64_t CheckedProduct(uint64_t a, uint64_t b) {
  uint64_t product = 0;
  return __builtin_mul_overflow(a, b, &product) ? std::numeric_limits<uint64_t>::max() : product;
}

uint64_t CheckedSum(uint64_t a, uint64_t b) {
  uint64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? std::numeric_limits<uint64_t>::max() : sum;
}

}  // namespace

std::optional<c10::ScalarType> FindStorageType(std::string_view class_name) {
#define NACUE_STORAGE_TYPE(_, name) \
  if (class_name == #name "Storage") return c10::ScalarType::name;
  AT_FORALL_SCALAR_TYPES_WITH_COMPLEX_AND_QINTS(NACUE_STORAGE_TYPE)
#undef NACUE_STORAGE_TYPE
  return std::nullopt;
}

PickledStorage CheckStorage(const RecordSizes& sizes, const std::string& record, c10::ScalarType type, int64_t items) {
  if (items < 0) RefuseDamaged("a storage has a negative size");
  const uint64_t needed = CheckedProduct(items, c10::elementSize(type));
  const auto found = sizes.find(record);
  // LibTorch does not read the record of an empty storage.
  if (found == sizes.end() && needed > 0) RefuseDamaged("record " + Quoted(record) + " is missing");
  if (found != sizes.end() && found->second != needed) {
    RefuseDamaged("record " + Quoted(record) + " has " + std::to_string(found->second) + " bytes, its storage needs " +
                  std::to_string(needed));
  }
  return {type, CheckedProduct(items, ElementsPerItem(type))};
}

int64_t CheckTensor(const PickledStorage& storage, int64_t offset, std::span<const int64_t> sizes,
                    std::span<const int64_t> strides) {
  if (sizes.size() != strides.size() || sizes.size() > kMaxRank || offset < 0) {
    RefuseDamaged("a tensor has an impossible shape");
  }
  uint64_t elements = 1;
  uint64_t product_without_zeros = 1;  // LibTorch multiplies in any order
  uint64_t last = offset;
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] < 0 || strides[i] < 0) RefuseDamaged("a tensor has a negative size or stride");
    elements = CheckedProduct(elements, sizes[i]);
    if (sizes[i] == 0) continue;
    product_without_zeros = CheckedProduct(product_without_zeros, sizes[i]);
    last = CheckedSum(last, CheckedProduct(sizes[i] - 1, strides[i]));
  }
  const bool lies_inside = elements == 0 ? static_cast<uint64_t>(offset) <= storage.elements : last < storage.elements;
  if (!lies_inside || product_without_zeros > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    RefuseDamaged("a tensor reaches past its storage of " + std::to_string(storage.elements) + " elements");
  }
  const uint64_t item_size = c10::elementSize(storage.type);
  if (CheckedProduct(elements, item_size) >
      CheckedSum(CheckedProduct(storage.elements, item_size), kMaxExpansionBytes)) {
    RefuseModel("expands a small tensor to " + std::to_string(elements) + " elements");
  }
  return static_cast<int64_t>(elements);
}

}  // namespace nacue
