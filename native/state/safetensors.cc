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

JsonObject ParseHeader(std::string_view header) {
  if (!header.starts_with('{')) RefuseFormat("its header does not begin with '{'");
  try {
    JsonValue value = ParseJson(header);
    return std::move(std::get<JsonObject>(value.held));
  } catch (const JsonError& error) {
    RefuseFormat(std::string("its header is no JSON, ") + error.what());
  }
}

SafetensorsMetadata ReadMetadataMap(const JsonValue& value) {
  const auto* members = value.As<JsonObject>();
  if (!members) RefuseFormat("its __metadata__ is no object");
  SafetensorsMetadata metadata;
  for (const auto& [key, member] : *members) {
    const auto* text = member.As<std::string>();
    if (!text) RefuseFormat("its __metadata__ has no string for '" + Printable(key) + "'");
    metadata.emplace(key, *text);
  }
  return metadata;
}

// An array of whole numbers >= 0.
std::vector<int64_t> ReadSizes(const JsonValue& value, std::string_view name, const char* key) {
  const auto* items = value.As<JsonArray>();
  std::vector<int64_t> sizes;
  for (const auto& item : items ? *items : JsonArray()) {
    const auto* number = item.As<JsonNumber>();
    if (!number || !number->integer || *number->integer < 0) break;
    sizes.push_back(*number->integer);
  }
  if (!items || sizes.size() != items->size()) {
    RefuseFormat(Tensor(name) + " has a " + key + " that is no array of whole numbers");
  }
  return sizes;
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

Place ReadTensor(const JsonMember& member, std::span<const uint8_t> data, SafetensorsTensor& tensor) {
  const std::string_view name = member.key;
  const auto* fields = member.value.As<JsonObject>();
  // Sorted by key.
  if (!fields || fields->size() != 3 || (*fields)[0].key != "data_offsets" || (*fields)[1].key != "dtype" ||
      (*fields)[2].key != "shape") {
    RefuseFormat(Tensor(name) + " is not described by dtype, shape and data_offsets");
  }
  const auto* dtype = (*fields)[1].value.As<std::string>();
  if (!dtype) RefuseFormat(Tensor(name) + " has a dtype that is no string");
  tensor.dtype = *dtype;
  tensor.shape = ReadSizes((*fields)[2].value, name, "shape");
  const auto offsets = ReadSizes((*fields)[0].value, name, "data_offsets");
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
  const JsonObject members = ParseHeader(header);
  Safetensors read;
  std::vector<Place> places;
  for (const JsonMember& member : members) {
    if (member.key == kMetadataKey) {
      read.metadata = ReadMetadataMap(member.value);
    } else {
      places.push_back(ReadTensor(member, data, read.tensors[member.key]));
    }
  }
  RefuseGaps(std::move(places), data.size());
  return read;
}

}  // namespace nacue
