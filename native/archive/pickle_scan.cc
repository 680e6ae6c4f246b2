// See pickle_scan.h.
#include "pickle_scan.h"

#include <vector>

#include "byte_reader.h"
#include "pickle_builder.h"
#include "pickle_opcodes.h"

namespace nacue {

namespace {

// What LibTorch allocates for one object, roughly: a slot on the stack and one in its container are 16 bytes each.
// Every byte of a pickle that is read costs at least one, so that a pickle that passes is smaller than the limit.
constexpr uint64_t kSlotCost = 32;
constexpr uint64_t kTextCost = 96;
constexpr uint64_t kTupleCost = 128;
constexpr uint64_t kListCost = 128;
constexpr uint64_t kDictCost = 512;
constexpr uint64_t kGlobalCost = 128;
constexpr uint64_t kObjectCost = 256;

class PickleScanner {
 public:
  PickleScanner(const PickleRecord& record, uint64_t max_storage_bytes, UnpicklingCost& cost)
      : bytes_(record.bytes, record.name), builder_(record, max_storage_bytes, cost) {}

  void Run() {
    if (bytes_.Read<uint16_t>() != (0x80 | 2 << 8)) builder_.Refuse("is not a pickle of protocol 2");
    while (true) {
      const auto opcode = bytes_.Read<PickleOpcode>();
      if (opcode == PickleOpcode::kStop) break;
      if (!RunScalar(opcode) && !RunContainer(opcode) && !RunReference(opcode)) {
        builder_.Refuse("has an opcode that TorchScript does not write: " + std::to_string(static_cast<int>(opcode)));
      }
    }
    const bool one_value_left = stack_.size() == 1 && marks_.empty();
    if (bytes_.remaining() > 0 || !one_value_left) builder_.Refuse("does not end where its pickle ends");
    if (builder_.objects.IsTangled(stack_.back())) builder_.Refuse("shares its objects in too many ways");
  }

 private:
  bool RunScalar(PickleOpcode opcode) {
    using enum PickleOpcode;
    switch (opcode) {
      case kNone:
        return Push(Leaf(PickleKind::kNone));
      case kNewTrue:
        return Push(Leaf(PickleKind::kBool, 1));
      case kNewFalse:
        return Push(Leaf(PickleKind::kBool, 0));
      case kBinInt:
        return PushInteger(bytes_.Read<int32_t>());
      case kBinInt1:
        return PushInteger(bytes_.Read<uint8_t>());
      case kBinInt2:
        return PushInteger(bytes_.Read<uint16_t>());
      case kLong1:
        if (bytes_.Read<uint8_t>() != 8) builder_.Refuse("has an integer that is not of 8 bytes");
        return PushInteger(bytes_.Read<int64_t>());
      case kBinFloat:
        bytes_.Take(8);
        return Push(Leaf(PickleKind::kFloat));
      case kBinUnicode:
        return PushText(bytes_.Read<uint32_t>());
      default:
        return false;
    }
  }

  bool RunContainer(PickleOpcode opcode) {
    using enum PickleOpcode;
    switch (opcode) {
      case kMark:
        builder_.Charge(kSlotCost);
        marks_.push_back(stack_.size());
        return true;
      case kEmptyTuple:
        return PushTuple(0);
      case kTuple1:
        return PushTuple(1);
      case kTuple2:
        return PushTuple(2);
      case kTuple3:
        return PushTuple(3);
      case kTuple:
        return PushTuple(PopMark());
      case kEmptyList:
        builder_.Charge(kListCost);
        return Push(builder_.objects.NewContainer(PickleKind::kList));
      case kEmptyDict:
        builder_.Charge(kDictCost);
        return Push(builder_.objects.NewContainer(PickleKind::kDict));
      case kAppends:
        return Fill(PickleKind::kList);
      case kSetItems:
        return Fill(PickleKind::kDict);
      default:
        return false;
    }
  }

  bool RunReference(PickleOpcode opcode) {
    using enum PickleOpcode;
    switch (opcode) {
      case kBinPut:
        return Remember(bytes_.Read<uint8_t>());
      case kLongBinPut:
        return Remember(bytes_.Read<uint32_t>());
      case kBinGet:
        return Recall(bytes_.Read<uint8_t>());
      case kLongBinGet:
        return Recall(bytes_.Read<uint32_t>());
      case kGlobal:
        return PushGlobal();
      case kNewObject:
        return DropArguments();
      case kBuild:
      case kReduce:
        return Call();
      case kPersistentId:
        return Push(builder_.Storage(Pop()));
      default:
        return false;
    }
  }

  bool Push(const PickleValue& value) {
    builder_.Charge(kSlotCost);
    stack_.push_back(value);
    return true;
  }

  bool PushInteger(int64_t number) { return Push(Leaf(PickleKind::kInt, static_cast<uint64_t>(number))); }

  bool PushText(uint32_t size) {
    const uint64_t begin = bytes_.position();
    bytes_.Take(size);
    builder_.Charge(kTextCost + size);
    return Push(Leaf(PickleKind::kText, begin << 32 | size));
  }

  bool PushTuple(size_t size) {
    Require(size);
    builder_.Charge(kTupleCost);
    const PickleValue tuple = builder_.objects.NewTuple(std::span(stack_).last(size));
    stack_.resize(stack_.size() - size);
    return Push(tuple);
  }

  bool PushGlobal() {
    const auto module = bytes_.TakeLine();
    const auto name = bytes_.TakeLine();
    builder_.Charge(kGlobalCost + module.size() + name.size());
    return Push(builder_.Global(module, name));
  }

  // LibTorch leaves the class on the stack, as a function of the state that BUILD gives it.
  bool DropArguments() {
    if (Pop().kind != PickleKind::kTuple) builder_.Refuse("makes an object without arguments");
    return true;
  }

  bool Call() {
    const PickleValue argument = Pop();
    const PickleValue global = Pop();
    builder_.Charge(kObjectCost);
    return Push(builder_.Reduce(global, argument));
  }

  // The values since the last mark go into the container below it.
  bool Fill(PickleKind kind) {
    const size_t size = PopMark();
    Require(size + 1);
    const auto elements = std::span(stack_).last(size);
    const PickleValue container = stack_[stack_.size() - size - 1];
    const bool fits = container.kind == kind && (kind == PickleKind::kList || size % 2 == 0);
    if (!fits) builder_.Refuse("fills what is no container");
    builder_.Charge(size * kSlotCost);
    builder_.objects.Append(container, elements);
    stack_.resize(stack_.size() - size);
    return true;
  }

  // LibTorch makes the memo as long as the largest index; torch.jit.save counts up from 0.
  bool Remember(uint32_t index) {
    Require(1);
    if (index > memo_.size()) builder_.Refuse("leaves gaps in its memo");
    if (index == memo_.size()) memo_.emplace_back();
    memo_[index] = stack_.back();
    builder_.Charge(kSlotCost);
    return true;
  }

  bool Recall(uint32_t index) {
    if (index >= memo_.size()) builder_.Refuse("recalls what it did not remember");
    return Push(memo_[index]);
  }

  size_t PopMark() {
    if (marks_.empty()) builder_.Refuse("closes what it did not open");
    const size_t mark = marks_.back();
    marks_.pop_back();
    return stack_.size() - mark;  // Require() kept the stack at least as high as its marks
  }

  PickleValue Pop() {
    Require(1);
    const PickleValue value = stack_.back();
    stack_.pop_back();
    return value;
  }

  // `count` values above the last mark.
  void Require(size_t count) const {
    if (stack_.size() - (marks_.empty() ? 0 : marks_.back()) < count) builder_.Refuse("takes more values than it has");
  }

  ByteReader bytes_;
  PickleBuilder builder_;
  std::vector<PickleValue> stack_;
  std::vector<PickleValue> memo_;
  std::vector<size_t> marks_;
};

}  // namespace

void ScanPickle(const PickleRecord& pickle, uint64_t max_storage_bytes, UnpicklingCost& cost) {
  PickleScanner(pickle, max_storage_bytes, cost).Run();
}

}  // namespace nacue
