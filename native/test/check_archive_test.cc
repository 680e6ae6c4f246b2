// The whole archive check: that a good archive passes and loads, what other files are told, and damage that spans the
// steps.
#include "archive/check_archive.h"

#include <gtest/gtest.h>
#include <torch/csrc/jit/serialization/import.h>

#include "archive/archive_bytes.h"
#include "core/error.h"
#include "zip_writer.h"

namespace nacue {

namespace {

// The message of the refusal, "" when the file passes.
std::string Refusal(const std::string& file) {
  // A copy of its own on the heap, so that AddressSanitizer sees a read past the end.
  const std::vector<uint8_t> bytes(file.begin(), file.end());
  try {
    CheckArchive(bytes.data(), bytes.size());
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "ERR_NACUE_MODEL_FORMAT");
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    return error.what();
  }
  return "";
}

void ExpectRefusal(const std::string& file, const std::string& fragment) {
  const std::string message = Refusal(file);
  EXPECT_NE(message.find(fragment), std::string::npos) << "'" << message << "' lacks '" << fragment << "'";
}

TEST(CheckArchive, PassesWhatLibTorchLoadsAndRuns) {
  const std::string file = WriteZip(TinyModel());
  EXPECT_EQ(Refusal(file), "");
  const auto* bytes = reinterpret_cast<const uint8_t*>(file.data());
  const auto module =
      torch::jit::load(std::make_shared<ArchiveBytes>(std::span(bytes, file.size())), c10::Device(c10::kCPU));
  EXPECT_EQ(module.attr("weight").toTensor().sizes(), (at::IntArrayRef{2, 3}));
}

TEST(CheckArchive, SaysWhatOtherFilesAre) {
  ExpectRefusal("", "is empty");
  ExpectRefusal("\x80\x02}q", "is a Python pickle");
  ExpectRefusal("PYTORCH1....", "preview release");
  ExpectRefusal("\x18..\x01PTMF....", "lite interpreter");
  ExpectRefusal("GGUF...", "GGUF");
  ExpectRefusal(Bytes<uint64_t>(2) + "{\"a\"", "safetensors");
  ExpectRefusal("\x08\x07\x12\x07pytorch", "ONNX");
  ExpectRefusal("\x1f\x8b\x08...", "gzip");
  ExpectRefusal("version https://git-lfs.github.com/spec/v1\n", "git lfs pull");
  ExpectRefusal("hello", "not even a zip archive");
  ExpectRefusal("\x80", "not even a zip archive");
}

TEST(CheckArchive, SaysWhatOtherArchivesAre) {
  ExpectRefusal(WriteZip({{"a/data.pkl", ""}, {"a/version", "3"}}), "is a torch.save checkpoint");
  ExpectRefusal(WriteZip({{"serialized_exported_program.json", "{}"}}), "is a torch.export program");
  ExpectRefusal(WriteZip({{"a/archive_format", "pt2"}, {"a/models/model.json", "{}"}}), "is a torch.export program");
  ExpectRefusal(WriteZip({{"a/model.json", "{}"}}), "PyTorch 1.1 or older");
  ExpectRefusal(WriteZip({{"a/x.npy", ""}}), "it has no data.pkl");
  ExpectRefusal(WriteZip({{"a/data.pkl", ""}, {"a/constants.pkl", ""}}), "has no code");
}

TEST(CheckArchive, RefusesEveryTruncation) {
  const std::string file = WriteZip(TinyModel());
  for (size_t size = 0; size < file.size(); ++size) EXPECT_NE(Refusal(file.substr(0, size)), "") << size;
}

TEST(CheckArchive, RefusesEveryFlippedByteThatMatters) {
  const std::string file = WriteZip(TinyModel());
  size_t passed = 0;
  for (size_t i = 0; i < file.size(); ++i) {
    std::string damaged = file;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x41);
    passed += Refusal(damaged).empty() ? 1 : 0;
  }
  // Versions, times and attributes, in both headers of the 5 members.
  EXPECT_EQ(passed, 5U * (6 + 14));
}

TEST(CheckArchive, WantsTheRecordsUnderTheirOwnNames) {
  auto records = TinyModel();
  RecordNamed(records, "net/data.pkl").name = "net/Data.pkl";  // LibTorch would find it
  ExpectRefusal(WriteZip(records), "it has no data.pkl");
  records = TinyModel();
  RecordNamed(records, "net/version").name = "other/version";
  ExpectRefusal(WriteZip(records), "do not share one folder");
}

TEST(CheckArchive, ScansCodeWhateverTheCaseOfItsName) {
  auto records = TinyModel();
  records.push_back({"net/Code/X.PY", std::string(100, '[')});
  ExpectRefusal(WriteZip(records), "nested brackets");
  records.back() = {"net/code/x.py.debug_pkl",
                    "\x80\x02"
                    "c__torch__\nNet\n."};
  ExpectRefusal(WriteZip(records), "TorchScript does not write there");
}

TEST(CheckArchive, RefusesAZipBombBeforeItInflates) {
  auto records = TinyModel();
  records.push_back({"net/extra/zeros", std::string(1000, '\0'), [](ZipHeader& header) {
                       header.method = 8;
                       header.size = 1 << 30;
                     }});
  records.back().local = records.back().entry;
  ExpectRefusal(WriteZip(records), "zip bomb");
}

TEST(CheckArchive, RefusesWhatCannotBeInflated) {
  auto records = TinyModel();
  const auto deflated = [](ZipHeader& header) {
    header.method = 8;
    header.size = 500;
  };
  records.push_back({"net/extra/noise", std::string(100, '\xff'), deflated, deflated});
  ExpectRefusal(WriteZip(records), "the checksum of 'net/extra/noise' is wrong");
}

TEST(CheckArchive, RefusesVersionsThatLibTorchDoesNotKnow) {
  const auto with_version = [](const std::string& version) {
    auto records = TinyModel();
    RecordNamed(records, "net/version").bytes = version;
    return WriteZip(records);
  };
  ExpectRefusal(with_version("many"), "not a number");
  ExpectRefusal(with_version(""), "not a number");
  ExpectRefusal(with_version("99999999999999999999"), "not a number");
  ExpectRefusal(with_version("99"), "has file format version 99, which this LibTorch cannot read");
  auto records = TinyModel();
  records.pop_back();
  ExpectRefusal(WriteZip(records), "it has no file format version");
}

}  // namespace

}  // namespace nacue
