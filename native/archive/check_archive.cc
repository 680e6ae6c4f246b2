// See check_archive.h.
#include "check_archive.h"

#include <ATen/core/ivalue.h>
#include <caffe2/serialize/inline_container.h>
#include <caffe2/serialize/versions.h>

#include <charconv>
#include <memory>
#include <span>
#include <string>
#include <unordered_set>
#include <vector>

#include "archive_bytes.h"
#include "crc32.h"
#include "other_formats.h"
#include "pickle_scan.h"
#include "refuse_model.h"
#include "source_scan.h"
#include "zip_directory.h"

namespace nacue {

namespace {

// How much larger than the file its records may be: torch.jit.save deflates source code, 2 MB of it in the largest of
// 74 models.
constexpr uint64_t kMaxInflation = 64 << 20;

// Record names as LibTorch sees them: without the folder that all of them share.
std::string FolderOf(const std::vector<ZipMember>& members) {
  const size_t slash = members.front().name.find('/');
  return std::string(members.front().name.substr(0, slash == std::string_view::npos ? 0 : slash + 1));
}

bool IsCode(std::string_view name, std::string_view extension) {
  return name.starts_with("code/") && name.ends_with(extension);
}

// LibTorch writes such a file, but cannot read it back.
void RefuseOptimised(std::string_view source) {
  if (source.find("ops.prim.ConstantMKLDNNTensor") == std::string_view::npos) return;
  throw Error(
      "ERR_NACUE_MODEL_FROZEN",
      "the model was frozen and optimised for inference: export it with torch.jit.script or torch.jit.trace alone");
}

class ArchiveCheck {
 public:
  ArchiveCheck(std::span<const uint8_t> archive, const std::vector<ZipMember>& members)
      : archive_(archive), members_(members), folder_(FolderOf(members)) {}

  void Run() {
    CheckNamesAndSizes();
    CheckVersion();
    for (const ZipMember& member : members_) {
      at::DataPtr inflated;
      const auto bytes =
          member.deflated ? Inflate(member, inflated) : archive_.subspan(member.data_offset, member.size);
      if (Crc32(bytes) != member.crc32) {
        RefuseDamaged("the checksum of " + Quoted(member.name) + " is wrong");
      }
      CheckRecord(RecordName(member), bytes);
    }
  }

 private:
  std::string RecordName(const ZipMember& member) const { return std::string(member.name.substr(folder_.size())); }

  void CheckNamesAndSizes() {
    std::unordered_set<std::string> names;
    uint64_t total = 0;
    for (const ZipMember& member : members_) {
      const bool in_folder = member.name.starts_with(folder_);
      names.insert(FoldedName(in_folder ? member.name.substr(folder_.size()) : member.name));
      total = member.size > archive_.size() + kMaxInflation - total ? UINT64_MAX : total + member.size;
      if (total == UINT64_MAX) RefuseModel("inflates to much more than its size, as only a zip bomb does");
      if (in_folder) sizes_[RecordName(member)] = member.size;
    }
    RefuseOtherArchives(names);
    if (sizes_.size() != members_.size() || folder_.empty()) RefuseDamaged("its records do not share one folder");
    for (const char* name : {"data.pkl", "constants.pkl"}) {
      if (!sizes_.contains(name)) RefuseDamaged(std::string("it has no ") + name);
    }
  }

  // LibTorch's zip reader throws on a bad version, and then leaks.
  void CheckVersion() const {
    bool found = false;
    for (const ZipMember& member : members_) {
      const std::string name = FoldedName(RecordName(member));
      if (name != "version" && name != ".data/version") continue;
      const auto* begin = reinterpret_cast<const char*>(archive_.data() + member.data_offset);
      uint64_t version = 0;
      const auto [rest, failure] = std::from_chars(begin, begin + member.stored_size, version);
      if (failure != std::errc() || member.deflated) RefuseDamaged("its file format version is not a number");
      if (version < caffe2::serialize::kMinSupportedFileFormatVersion ||
          version > caffe2::serialize::kMaxSupportedFileFormatVersion) {
        RefuseModel("has file format version " + std::to_string(version) +
                    ", which this LibTorch cannot read: it knows " +
                    std::to_string(caffe2::serialize::kMinSupportedFileFormatVersion) + " to " +
                    std::to_string(caffe2::serialize::kMaxSupportedFileFormatVersion));
      }
      found = true;
    }
    if (!found) RefuseDamaged("it has no file format version");
  }

  // Through LibTorch's zip reader, which (2.11) reports neither a wrong checksum nor data that it could not inflate:
  // then the bytes are whatever was in memory, and the checksum finds it.
  std::span<const uint8_t> Inflate(const ZipMember& member, at::DataPtr& inflated) {
    try {
      if (!reader_)
        reader_ = std::make_unique<caffe2::serialize::PyTorchStreamReader>(std::make_shared<ArchiveBytes>(archive_));
      size_t size = 0;
      std::tie(inflated, size) = reader_->getRecord(RecordName(member));
      return {static_cast<const uint8_t*>(inflated.get()), size};
    } catch (const c10::Error& failure) {
      throw Error("ERR_NACUE_MODEL_FORMAT", "the model is damaged: LibTorch cannot read its records", failure.what());
    }
  }

  void CheckRecord(const std::string& name, std::span<const uint8_t> bytes) {
    const std::string folded = FoldedName(name);
    const uint64_t max_storage_bytes = archive_.size() + kMaxInflation;
    if (folded == "data.pkl" || folded == "constants.pkl") {
      const std::string storage_folder = name.substr(0, name.size() - 4) + "/";
      ScanPickle({bytes, name, storage_folder, &sizes_}, max_storage_bytes, cost_);
    } else if (IsCode(folded, ".debug_pkl")) {  // LibTorch unpickles it when it formats an error
      ScanPickle({bytes, name, "", nullptr}, 0, cost_);
    } else if (IsCode(folded, ".py")) {
      const std::string_view source(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      ScanSource(source, name, definitions_);
      RefuseOptimised(source);
    }
  }

  std::span<const uint8_t> archive_;
  const std::vector<ZipMember>& members_;
  std::string folder_;
  RecordSizes sizes_;
  UnpicklingCost cost_;
  size_t definitions_ = 0;
  std::unique_ptr<caffe2::serialize::PyTorchStreamReader> reader_;
};

}  // namespace

void CheckArchive(const uint8_t* data, size_t size) {
  const std::span archive(data, size);
  RefuseOtherFormats(archive);
  const std::vector<ZipMember> members = ReadZipDirectory(archive);
  ArchiveCheck(archive, members).Run();
}

}  // namespace nacue
