// Step 2 of the archive check: a dry run of LibTorch's unpickler (torch/csrc/jit/serialization/unpickler.cpp of 2.11).
//
// Walks the opcodes with a stack of small values that say only what each object is: numbers, text and tuples, because
// tensors are declared in them, and of everything else its kind and how deep it nests. What torch.jit.save writes
// passes. Refused are other opcodes and globals, lengths past the end, memo gaps, objects nested so deep that freeing
// them overflows the stack, objects that contain themselves, lists whose elements are not of the type they are tagged
// with, and whatever pickled_tensors.h refuses.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "pickled_tensors.h"

namespace nacue {

struct PickleRecord {
  std::span<const uint8_t> bytes;
  std::string_view name;       // for messages
  std::string storage_folder;  // "data/": where the records of its storages lie
  const RecordSizes* sizes;    // null: the pickle may hold neither tensors nor modules
};

// What LibTorch would allocate for all pickles so far, as an estimate.
struct UnpicklingCost {
  static constexpr uint64_t kMaxObjectBytes = 256 << 20;

  uint64_t object_bytes = 0;
  uint64_t storage_bytes = 0;  // each mention of a storage reads its record again
};

// Throws ERR_NACUE_MODEL_FORMAT; `max_storage_bytes` bounds `cost.storage_bytes`.
void ScanPickle(const PickleRecord& pickle, uint64_t max_storage_bytes, UnpicklingCost& cost);

}  // namespace nacue
