// What pickle_scan.h keeps of the objects in a pickle: 16 bytes for each value on the unpickler's stack.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "refuse_model.h"

namespace nacue {

enum class PickleKind : uint8_t {
  kNone,
  kBool,
  kInt,
  kFloat,
  kText,
  kTuple,
  kList,
  kDict,
  kGlobal,       // data: a PickleGlobal
  kStorageType,  // data: a c10::ScalarType
  kQuantizer,    // data: a c10::QScheme
  kStorage,      // data: index among the pickle's storages
  kTensor,       // data: its number of elements
  kObject,       // of a class in the archive's code
  kOther,        // complex numbers, devices
};

struct PickleValue {
  PickleKind kind = PickleKind::kNone;
  uint32_t depth = 0;  // of a tuple or object: how deep it nests
  uint64_t data =
      0;  // a number's bits; text and tuples: begin << 32 | size; lists and dicts: index among the containers
};

// The elements of tuples, and what must be known of lists and dicts, which other values refer to by index.
class PickleObjects {
 public:
  // LibTorch frees nested values recursively: 1 M nested lists overflow 8 MB of stack.
  static constexpr uint32_t kMaxDepth = 1'000;

  PickleValue NewTuple(std::span<const PickleValue> elements) {
    PickleValue tuple{PickleKind::kTuple, 0, static_cast<uint64_t>(elements_.size()) << 32 | elements.size()};
    for (const PickleValue& element : elements) {
      tuple.depth = std::max(tuple.depth, Contain(element));
      elements_.push_back(element);
    }
    return tuple;
  }

  PickleValue NewContainer(PickleKind kind) {
    containers_.push_back({});
    return {kind, 0, containers_.size() - 1};
  }

  // Only a list or dict that nothing else contains yet may grow: what it was put into has already counted its depth,
  // and a cycle cannot be closed. torch.jit.save fills each container at once.
  void Append(const PickleValue& container, std::span<const PickleValue> elements) {
    if (containers_[container.data].contained) RefuseDamaged("a pickle changes a list that is already in use");
    for (const PickleValue& element : elements) {
      const uint32_t depth = Contain(element);
      Container& target = containers_[container.data];
      target.depth = std::max(target.depth, depth);
      target.kinds |= Bit(element.kind);
    }
    if (containers_[container.data].contained) RefuseDamaged("a pickle puts a list into itself");
  }

  // The depth of whatever holds `value`, which from now on is held by something.
  uint32_t Contain(const PickleValue& value) {
    uint32_t depth = value.depth;
    if (IsContainer(value)) {
      containers_[value.data].contained = true;
      depth = containers_[value.data].depth;
    }
    if (depth >= kMaxDepth) RefuseModel("has more than " + std::to_string(kMaxDepth) + " nested objects in a pickle");
    return depth + 1;
  }

  std::span<const PickleValue> Elements(const PickleValue& tuple) const {
    return std::span(elements_).subspan(tuple.data >> 32, tuple.data & 0xffffffff);
  }

  bool HasOnly(const PickleValue& list, PickleKind kind) const {
    return (containers_[list.data].kinds & ~Bit(kind)) == 0;
  }

 private:
  struct Container {
    uint32_t depth = 0;
    uint32_t kinds = 0;  // bits of the elements' kinds
    bool contained = false;
  };

  static uint32_t Bit(PickleKind kind) { return uint32_t{1} << static_cast<uint8_t>(kind); }
  static bool IsContainer(const PickleValue& value) {
    return value.kind == PickleKind::kList || value.kind == PickleKind::kDict;
  }

  std::vector<PickleValue> elements_;
  std::vector<Container> containers_;
};

}  // namespace nacue
