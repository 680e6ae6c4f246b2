// See safetensors.h. The format: https://github.com/huggingface/safetensors#format.
#include "safetensors.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <string_view>
#include <tuple>
#include <utility>

#include "json.h"
#include "refuse_state.h"

namespace nacue {

namespace {

constexpr std::string_view kMetadataKey = "__metadata__";

// A tensor of the header and where it says that the bytes are.
struct Place {
  std::string_view name;
  uint64_t begin, end;
};

std::optional<uint64_t> BitsPerElement(std::string_view dtype) {
  static constexpr std::pair<std::string_view, uint64_t> kBits[] = {
      {"BOOL", 8},        {"U8", 8},          {"I8", 8},      {"U16", 16},    {"I16", 16},    {"F16", 16},
      {"BF16", 16},       {"U32", 32},        {"I32", 32},    {"F32", 32},    {"U64", 64},    {"I64", 64},
      {"F64", 64},        {"C64", 64},        {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"F8_E4M3", 8},
      {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"F8_E5M2", 8}, {"F8_E8M0", 8},
  };
  const auto* const found =
      std::find_if(std::begin(kBits), std::end(kBits), [&](const auto& known) { return known.first == dtype; });
  return found == std::end(kBits) ? std::nullopt : std::optional(found->second);
}

std::string Tensor(std::string_view name) {
  return "tensor '" + Printable(name) + "'";
}

std::string_view HeaderOf(std::span<const uint8_t> file) {
  uint64_t size = 0;
  if (file.size() < sizeof(size)) RefuseFormat("it has " + std::to_string(file.size()) + " bytes");
  std::memcpy(&size, file.data(), sizeof(size));  // x86-64 only: the machine's order is the file's
  if (size > file.size() - sizeof(size)) RefuseFormat("it ends before its header does");
  if (size > kMaxSafetensorsHeader) RefuseFormat("its header is longer than 1 MiB");
  return {reinterpret_cast<const char*>(file.data()) + sizeof(size), size};
}

void CheckHeader(std::string_view header) {
  if (!header.starts_with('{')) RefuseFormat("its header does not begin with '{'");
  try {
    CheckJson(header);
  } catch (const JsonError& error) {
    RefuseFormat(std::string("its header is no JSON, ") + error.what());
  }
}

[[noreturn]] void RefuseKeyTwice(std::string_view key) {
  RefuseFormat("a key is there twice in its header, '" + Printable(key) + "'");
}

SafetensorsMetadata ReadMetadataMap(JsonReader& json) {
  if (json.Type() != JsonType::kObject) RefuseFormat("its __metadata__ is no object");
  SafetensorsMetadata metadata;
  json.Object([&](std::string key) {
    if (metadata.size() == kMaxSafetensorsMetadata) {
      RefuseFormat("its __metadata__ has more than " + std::to_string(kMaxSafetensorsMetadata) + " keys");
    }
    if (json.Type() != JsonType::kString) RefuseFormat("its __metadata__ has no string for '" + Printable(key) + "'");
    const auto [entry, is_new] = metadata.try_emplace(std::move(key));
    if (!is_new) RefuseKeyTwice(entry->first);
    entry->second = json.String();
  });
  return metadata;
}

// What the header says of a tensor.
struct Fields {
  std::optional<std::string> dtype;
  std::optional<std::vector<int64_t>> shape, data_offsets;
};

[[noreturn]] void RefuseDescription(std::string_view name) {
  RefuseFormat(Tensor(name) + " is not described by dtype, shape and data_offsets");
}

// An array of whole numbers >= 0.
std::vector<int64_t> ReadSizes(JsonReader& json, std::string_view name, const std::string& key) {
  const auto refuse = [&] { RefuseFormat(Tensor(name) + " has a " + key + " that is no array of whole numbers"); };
  std::vector<int64_t> sizes;
  if (json.Type() != JsonType::kArray) refuse();
  json.Array([&] {
    if (sizes.size() == kMaxSafetensorsDimensions) {
      RefuseFormat(Tensor(name) + " has a " + key + " of more than " + std::to_string(kMaxSafetensorsDimensions) +
                   " numbers");
    }
    const auto size = json.Type() == JsonType::kNumber ? json.Number().integer : std::nullopt;
    if (!size || *size < 0) refuse();
    sizes.push_back(*size);
  });
  return sizes;
}

void ReadField(JsonReader& json, std::string_view name, const std::string& key, Fields& fields) {
  if (key == "dtype") {
    if (fields.dtype) RefuseKeyTwice(key);
    if (json.Type() != JsonType::kString) RefuseFormat(Tensor(name) + " has a dtype that is no string");
    fields.dtype = json.String();
  } else if (key == "shape" || key == "data_offsets") {
    auto& sizes = key == "shape" ? fields.shape : fields.data_offsets;
    if (sizes) RefuseKeyTwice(key);
    sizes = ReadSizes(json, name, key);
  } else {
    RefuseDescription(name);
  }
}

Fields ReadFields(JsonReader& json, std::string_view name) {
  Fields fields;
  if (json.Type() != JsonType::kObject) RefuseDescription(name);
  json.Object([&](const std::string& key) { ReadField(json, name, key, fields); });
  if (!fields.dtype || !fields.shape || !fields.data_offsets) RefuseDescription(name);
  return fields;
}

uint64_t ByteCount(const SafetensorsTensor& tensor, std::string_view name) {
  const auto bits = BitsPerElement(tensor.dtype);
  if (!bits) RefuseFormat(Tensor(name) + " has the unknown dtype '" + Printable(tensor.dtype) + "'");
  uint64_t count = *bits;
  for (const int64_t size : tensor.shape) {
    if (__builtin_mul_overflow(count, static_cast<uint64_t>(size), &count)) {
      RefuseFormat(Tensor(name) + " has a shape whose size overflows");
    }
  }
  if (count % 8 != 0) RefuseFormat(Tensor(name) + " does not fill whole bytes");
  return count / 8;
}

Place ReadTensor(JsonReader& json, std::string_view name, std::span<const uint8_t> data, SafetensorsTensor& tensor) {
  Fields fields = ReadFields(json, name);
  tensor.dtype = std::move(*fields.dtype);
  tensor.shape = std::move(*fields.shape);
  const auto& offsets = *fields.data_offsets;
  if (offsets.size() != 2 || offsets[0] > offsets[1]) {
    RefuseFormat(Tensor(name) + " has data_offsets that are no begin and end");
  }
  const Place place = {name, static_cast<uint64_t>(offsets[0]), static_cast<uint64_t>(offsets[1])};
  if (place.end > data.size()) RefuseFormat(Tensor(name) + " ends behind the end of the file");
  if (place.end - place.begin != ByteCount(tensor, name)) {
    RefuseFormat(Tensor(name) + " has data_offsets that do not fit its dtype and shape");
  }
  tensor.bytes = data.subspan(place.begin, place.end - place.begin);
  return place;
}

// Each byte of the data belongs to one tensor.
void RefuseGaps(std::vector<Place> places, uint64_t size) {
  const auto order = [](const Place& place) { return std::tie(place.begin, place.end); };
  std::sort(places.begin(), places.end(), [&](const Place& a, const Place& b) { return order(a) < order(b); });
  uint64_t position = 0;
  for (const Place& place : places) {
    if (place.begin < position) RefuseFormat(Tensor(place.name) + " overlaps the one before it");
    if (place.begin > position) RefuseFormat("there is a hole in front of " + Tensor(place.name));
    position = place.end;
  }
  if (position != size) RefuseFormat("bytes follow its last tensor");
}

}  // namespace

Safetensors ReadSafetensors(std::span<const uint8_t> file) {
  const std::string_view header = HeaderOf(file);
  const auto data = file.subspan(sizeof(uint64_t) + header.size());
  CheckHeader(header);
  JsonReader json(header);
  Safetensors read;
  std::vector<Place> places;
  bool has_metadata = false;
  json.Object([&](std::string key) {
    if (key == kMetadataKey) {
      if (std::exchange(has_metadata, true)) RefuseKeyTwice(key);
      read.metadata = ReadMetadataMap(json);
      return;
    }
    if (places.size() == kMaxSafetensorsTensors) {
      RefuseFormat("its header names more than " + std::to_string(kMaxSafetensorsTensors) + " tensors");
    }
    const auto [entry, is_new] = read.tensors.try_emplace(std::move(key));
    if (!is_new) RefuseKeyTwice(entry->first);
    places.push_back(ReadTensor(json, entry->first, data, entry->second));
  });
  RefuseGaps(std::move(places), data.size());
  return read;
}

}  // namespace nacue
