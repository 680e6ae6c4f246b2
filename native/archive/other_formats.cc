// See other_formats.h.
#include "other_formats.h"

#include <algorithm>
#include <string_view>

#include "refuse_model.h"

namespace nacue {

namespace {

constexpr const char* kExport =
    ": export the module with torch.jit.script(model).save(path) or torch.jit.trace(model, input).save(path)";

struct Signature {
  size_t offset;
  std::string_view bytes;
  const char* format;
};

constexpr Signature kSignatures[] = {
    {0, "PYTORCH1", "is a PyTorch archive of the 2018 preview release, not TorchScript"},
    {4, "PTMF", "is a TorchScript file for the lite interpreter (flatbuffer), which LibTorch cannot load"},
    {4, "ORTM", "is an ONNX Runtime model, not TorchScript"},
    {4, "TFL3", "is a TensorFlow Lite model, not TorchScript"},
    {0, "GGUF", "is a GGUF model, not TorchScript"},
    {0, "\x89HDF", "is an HDF5 file (Keras?), not TorchScript"},
    {0, "\x93NUMPY", "is a NumPy array, not TorchScript"},
    {257, "ustar", "is a tar archive, not TorchScript"},
};

bool HasAt(std::string_view file, size_t offset, std::string_view bytes) {
  return file.size() >= offset && file.substr(offset).starts_with(bytes);
}

// 8 bytes of header length, then a JSON object.
bool IsSafetensors(std::string_view file) {
  if (!HasAt(file, 8, "{\"")) return false;
  uint64_t header_size = 0;
  for (size_t i = 0; i < 8; ++i) header_size |= static_cast<uint64_t>(static_cast<uint8_t>(file[i])) << (8 * i);
  return header_size <= file.size() - 8;
}

// A protobuf ModelProto: field 1 (ir_version), a small varint, then one of the text fields 2 to 6 or field 7 (graph).
bool IsOnnx(std::string_view file) {
  if (!HasAt(file, 0, "\x08") || file.size() < 3) return false;
  const auto field = static_cast<uint8_t>(file[2]);
  return file[1] > 0 && file[1] < 64 && field % 8 == 2 && field >= 0x12 && field <= 0x3a;
}

}  // namespace

void RefuseOtherFormats(std::span<const uint8_t> file) {
  const std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
  if (text.empty()) RefuseModel("is empty: not one byte in the file");
  if (text.starts_with("PK\x03\x04")) return;
  if (text[0] == '\x80' && text.size() > 1 && text[1] >= 2 && text[1] <= 5) {
    RefuseModel(std::string("is a Python pickle, such as torch.save wrote before PyTorch 1.6, not TorchScript") +
                kExport);
  }
  if (text.starts_with("version https://git-lfs")) {
    RefuseModel("is a Git LFS pointer, not the file it stands for: run `git lfs pull`");
  }
  if (text.starts_with("\x1f\x8b")) RefuseModel("is compressed with gzip: unpack it first");
  for (const auto& [offset, bytes, format] : kSignatures) {
    if (HasAt(text, offset, bytes)) RefuseModel(format + std::string(kExport));
  }
  if (IsSafetensors(text)) RefuseModel(std::string("is a safetensors file: weights without a model") + kExport);
  if (IsOnnx(text)) RefuseModel(std::string("is an ONNX model, not TorchScript") + kExport);
  RefuseModel(std::string("is not a TorchScript file: it is not even a zip archive") + kExport);
}

void RefuseOtherArchives(const std::unordered_set<std::string>& names) {
  const auto has = [&](const char* name) { return names.contains(name); };
  const auto has_below = [&](std::string_view folder) {
    return std::any_of(names.begin(), names.end(), [&](const std::string& name) { return name.starts_with(folder); });
  };
  if (has("archive_format") || has("serialized_exported_program.json") || has_below("models/")) {
    RefuseModel(std::string("is a torch.export program (.pt2), not TorchScript") + kExport);
  }
  if (has("model.json")) {
    RefuseModel(
        "was saved by PyTorch 1.1 or older (model.json): load it in Python with a newer PyTorch and save it again");
  }
  if (has("data.pkl") && !has("constants.pkl")) {
    RefuseModel(std::string("is a torch.save checkpoint (a state_dict or a pickled module), not TorchScript") +
                kExport);
  }
  for (const char* name : {"data.pkl", "constants.pkl"}) {
    if (!has(name)) RefuseModel(std::string("is a zip archive but not TorchScript: it has no ") + name + kExport);
  }
  if (!has_below("code/")) RefuseModel(std::string("has no code: it is not TorchScript") + kExport);
}

}  // namespace nacue
