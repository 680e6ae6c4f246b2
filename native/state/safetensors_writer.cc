// The writing half of safetensors.h.
#include "json.h"
#include "refuse_state.h"
#include "safetensors.h"

namespace nacue {

namespace {

constexpr size_t kAlignment = 8;

std::string HeaderOf(const SafetensorsMetadata& metadata, const std::vector<NamedTensor>& tensors) {
  std::string header = "{\"__metadata__\":{";
  const char* separator = "";
  for (const auto& [key, value] : metadata) {
    header += separator + JsonText(key) + ":" + JsonText(value);
    separator = ",";
  }
  header += "}";
  size_t begin = 0;
  for (const auto& [name, tensor] : tensors) {
    const size_t end = begin + tensor.bytes.size();
    header += "," + JsonText(name) + ":{\"dtype\":" + JsonText(tensor.dtype) + ",\"shape\":[";
    separator = "";
    for (const int64_t size : tensor.shape) {
      header += separator + std::to_string(size);
      separator = ",";
    }
    header += "],\"data_offsets\":[" + std::to_string(begin) + "," + std::to_string(end) + "]}";
    begin = end;
  }
  header += "}";
  return header.append((kAlignment - header.size() % kAlignment) % kAlignment, ' ');
}

}  // namespace

std::vector<uint8_t> WriteSafetensors(const SafetensorsMetadata& metadata, const std::vector<NamedTensor>& tensors) {
  const std::string header = HeaderOf(metadata, tensors);
  if (header.size() > kMaxSafetensorsHeader) {
    RefuseInvalid("its header would take more than 1 MiB; give it fewer layers");
  }
  size_t size = sizeof(uint64_t) + header.size();
  for (const auto& [name, tensor] : tensors) size += tensor.bytes.size();
  std::vector<uint8_t> file;
  file.reserve(size);
  for (size_t i = 0; i < sizeof(uint64_t); ++i) file.push_back(static_cast<uint8_t>(uint64_t{header.size()} >> 8 * i));
  file.insert(file.end(), header.begin(), header.end());
  for (const auto& [name, tensor] : tensors) file.insert(file.end(), tensor.bytes.begin(), tensor.bytes.end());
  return file;
}

}  // namespace nacue
