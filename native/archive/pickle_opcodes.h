// The pickle opcodes that torch.jit.save writes: torch/csrc/jit/serialization/pickler.cpp of 2.11. Part of
// pickle_scan.h.
#pragma once

#include <cstdint>

namespace nacue {

enum class PickleOpcode : uint8_t {
  kStop = '.',
  kMark = '(',
  kEmptyTuple = ')',
  kEmptyList = ']',
  kEmptyDict = '}',
  kTuple = 't',
  kTuple1 = 0x85,
  kTuple2 = 0x86,
  kTuple3 = 0x87,
  kAppends = 'e',
  kSetItems = 'u',
  kNone = 'N',
  kNewTrue = 0x88,
  kNewFalse = 0x89,
  kBinInt = 'J',
  kBinInt1 = 'K',
  kBinInt2 = 'M',
  kLong1 = 0x8a,
  kBinFloat = 'G',
  kBinUnicode = 'X',
  kBinPut = 'q',
  kLongBinPut = 'r',
  kBinGet = 'h',
  kLongBinGet = 'j',
  kGlobal = 'c',
  kNewObject = 0x81,
  kBuild = 'b',
  kReduce = 'R',
  kPersistentId = 'Q',
};

}  // namespace nacue
