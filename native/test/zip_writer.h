// Small TorchScript archives made in memory, with every lie a test needs.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace nacue {

// What the directory entry and the local header say about one member; a test changes them to lie.
struct ZipHeader {
  uint16_t flags = 0;
  uint16_t method = 0;
  uint32_t crc32 = 0;
  uint32_t stored_size = 0;
  uint32_t size = 0;
  std::string name;
  uint32_t offset = 0;  // of the local header; in the directory only
};

struct ZipRecord {
  std::string name;
  std::string bytes;                                          // as they lie in the file
  std::function<void(ZipHeader&)> entry = [](ZipHeader&) {};  // after all is set
  std::function<void(ZipHeader&)> local = [](ZipHeader&) {};
  std::string descriptor = {};  // behind the data
};

// The number's bytes, least significant first.
template <typename Number>
std::string Bytes(Number number) {
  return std::string(reinterpret_cast<const char*>(&number), sizeof(number));
}

// The pickle opcode that pushes a text.
std::string PickledText(const std::string& text);

// A zip file; `end` changes (count, size and offset of the directory) in the end record.
std::string WriteZip(const std::vector<ZipRecord>& records,
                     const std::function<void(uint16_t&, uint32_t&, uint32_t&)>& end = nullptr);

// data.pkl of the tiny model: an object of class Net whose attribute `weight` is `value`, a run of pickle opcodes.
std::string TinyPickle(const std::string& value);

// The opcodes of a 2x3 float tensor in record data/0, which has 24 bytes.
std::string TinyTensor();

// The records of a small valid TorchScript archive around that object.
std::vector<ZipRecord> TinyModel();

// The record named `name`, to be changed.
ZipRecord& RecordNamed(std::vector<ZipRecord>& records, const std::string& name);

}  // namespace nacue
