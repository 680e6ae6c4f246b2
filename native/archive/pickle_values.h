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
  uint16_t depth = 0;  // how deep a tuple or object nests
  uint32_t paths =
      0;  // how many tuples, lists, dicts and objects it reaches, itself included, once for each way to them
  uint64_t data = 0;  // a number's bits; text, tuple: begin << 32 | size; list, dict: index among the containers
};

// A value that holds no others.
inline PickleValue Leaf(PickleKind kind, uint64_t data = 0) {
  return {kind, 0, 0, data};
}

// The elements of tuples, and what must be known of lists and dicts, which other values refer to by index.
class PickleObjects {
 public:
  // LibTorch frees nested values recursively: 1 M nested lists overflow 8 MB of stack.
  static constexpr uint16_t kMaxDepth = 1'000;
  // LibTorch walks a module by all paths: 26 modules, each with the next one as two of its attributes, take minutes.
  static constexpr uint64_t kMaxSharedPaths = 200'000;

  PickleValue NewTuple(std::span<const PickleValue> elements) {
    PickleValue tuple = New(PickleKind::kTuple, static_cast<uint64_t>(elements_.size()) << 32 | elements.size());
    for (const PickleValue& element : elements) {
      Hold(element, tuple);
      elements_.push_back(element);
    }
    return tuple;
  }

  PickleValue NewContainer(PickleKind kind) {
    containers_.push_back({});
    return New(kind, containers_.size() - 1);
  }

  PickleValue NewObject(const PickleValue& state) {
    PickleValue object = New(PickleKind::kObject, 0);
    Hold(state, object);
    return object;
  }

  // Only a list or dict that nothing else holds yet may grow: what holds it has already counted its depth, and a cycle
  // cannot be closed. torch.jit.save fills each container at once.
  void Append(const PickleValue& container, std::span<const PickleValue> elements) {
    if (containers_[container.data].held) RefuseDamaged("a pickle changes a list that is already in use");
    for (const PickleValue& element : elements) {
      Hold(element, containers_[container.data]);
      containers_[container.data].kinds |= Bit(element.kind);
    }
    if (containers_[container.data].held) RefuseDamaged("a pickle puts a list into itself");
  }

  // Whether sharing makes many more paths from `root` than there are objects.
  bool IsTangled(const PickleValue& root) const {
    const uint64_t paths = IsContainer(root) ? containers_[root.data].paths : root.paths;
    return paths > created_ + kMaxSharedPaths;
  }

  std::span<const PickleValue> Elements(const PickleValue& tuple) const {
    return std::span(elements_).subspan(tuple.data >> 32, tuple.data & 0xffffffff);
  }

  bool HasOnly(const PickleValue& list, PickleKind kind) const {
    return (containers_[list.data].kinds & ~Bit(kind)) == 0;
  }

 private:
  struct Container {
    uint16_t depth = 0;
    uint32_t paths = 1;
    uint32_t kinds = 0;  // bits of the elements' kinds
    bool held = false;   // by another value
  };

  PickleValue New(PickleKind kind, uint64_t data) {
    ++created_;
    return {kind, 0, 1, data};
  }

  template <typename Holder>
  void Hold(const PickleValue& value, Holder& holder) {
    uint16_t depth = value.depth;
    uint64_t paths = value.paths;
    if (IsContainer(value)) {
      Container& container = containers_[value.data];
      container.held = true;
      depth = container.depth;
      paths = container.paths;
    }
    if (depth >= kMaxDepth) RefuseModel("has more than " + std::to_string(kMaxDepth) + " nested objects in a pickle");
    holder.depth = std::max<uint16_t>(holder.depth, depth + 1);
    holder.paths = static_cast<uint32_t>(std::min<uint64_t>(holder.paths + paths, UINT32_MAX));
  }

  static uint32_t Bit(PickleKind kind) { return uint32_t{1} << static_cast<uint8_t>(kind); }
  static bool IsContainer(const PickleValue& value) {
    return value.kind == PickleKind::kList || value.kind == PickleKind::kDict;
  }

  uint64_t created_ = 0;
  std::vector<PickleValue> elements_;
  std::vector<Container> containers_;
};

}  // namespace nacue
