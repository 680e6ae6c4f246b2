// Pre-flight check of a TorchScript archive, before LibTorch's loader sees a byte of it.
//
// LibTorch trusts what the file says about itself: it verifies no checksum, believes the pickle's storage sizes even
// where the record is shorter (and then reads past it), and recurses as deep as the source code and the pickle nest.
// This stage refuses such files with a code, in this order: zip_directory.h, pickle_scan.h and pickled_tensors.h,
// source_scan.h, and a checksum over each record. It is no sandbox: a well-formed TorchScript file is a program and
// runs with the rights of the process. What a pre-flight cannot see, the types of the attributes, check_attributes.h
// checks after the load.
#pragma once

#include <cstddef>
#include <cstdint>

namespace nacue {

// Throws Error ERR_NACUE_MODEL_FORMAT with one readable line when the archive in [data, data + size) is not a
// TorchScript file whose records, checksums, storages and nesting are consistent. Any thread; allocates at most the
// largest compressed record, the zip directory and a constant (UnpicklingCost), never in proportion to a number in the
// file.
void CheckArchive(const uint8_t* data, size_t size);

}  // namespace nacue
