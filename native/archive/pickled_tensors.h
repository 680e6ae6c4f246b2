// Step 3 of the archive check: the storages and tensors that a pickle declares, against the records that hold the
// bytes.
//
// LibTorch takes a storage's size from the pickle and its bytes from the record and never compares the two
// (2.11, 2.15), and lets a tensor reach past its storage. Here a record has exactly the bytes of its storage, and every
// element of every tensor lies in it.
#pragma once

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

namespace nacue {

// Size in bytes of every record, by its name without the archive's folder.
using RecordSizes = std::unordered_map<std::string, uint64_t>;

struct PickledStorage {
  c10::ScalarType type;
  uint64_t elements;  // that fit: of the sub-byte types more than one per item
};

// The element type of a storage class such as "FloatStorage"; none when LibTorch does not know the class.
std::optional<c10::ScalarType> FindStorageType(std::string_view class_name);

// A storage of `items` items in record `record`. Throws ERR_NACUE_MODEL_FORMAT unless the record has exactly that size.
PickledStorage CheckStorage(const RecordSizes& sizes, const std::string& record, c10::ScalarType type, int64_t items);

// The number of elements of a tensor in `storage`. Throws ERR_NACUE_MODEL_FORMAT unless all of them lie there.
int64_t CheckTensor(const PickledStorage& storage, int64_t offset, std::span<const int64_t> sizes,
                    std::span<const int64_t> strides);

}  // namespace nacue
