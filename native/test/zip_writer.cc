// See zip_writer.h.
#include "zip_writer.h"

#include <algorithm>

#include "archive/crc32.h"

namespace nacue {

namespace {

std::string HeaderFields(const ZipHeader& header) {
  return Bytes<uint16_t>(20) + Bytes(header.flags) + Bytes(header.method) + Bytes<uint32_t>(0) + Bytes(header.crc32) +
         Bytes(header.stored_size) + Bytes(header.size) + Bytes(static_cast<uint16_t>(header.name.size())) +
         Bytes<uint16_t>(0);
}

}  // namespace

std::string WriteZip(const std::vector<ZipRecord>& records,
                     const std::function<void(uint16_t&, uint32_t&, uint32_t&)>& end) {
  std::string file;
  std::string directory;
  for (const ZipRecord& record : records) {
    ZipHeader header;
    header.name = record.name;
    header.size = header.stored_size = record.bytes.size();
    header.crc32 = Crc32({reinterpret_cast<const uint8_t*>(record.bytes.data()), record.bytes.size()});
    header.offset = file.size();
    ZipHeader local = header;
    record.entry(header);
    record.local(local);
    file += "PK\x03\x04" + HeaderFields(local) + local.name + record.bytes + record.descriptor;
    directory += "PK\x01\x02" + Bytes<uint16_t>(20) + HeaderFields(header) + std::string(10, '\0') +
                 Bytes(header.offset) + header.name;
  }
  auto count = static_cast<uint16_t>(records.size());
  auto size = static_cast<uint32_t>(directory.size());
  auto offset = static_cast<uint32_t>(file.size());
  if (end) end(count, size, offset);
  return file + directory + "PK\x05\x06" + Bytes<uint32_t>(0) + Bytes(count) + Bytes(count) + Bytes(size) +
         Bytes(offset) + Bytes<uint16_t>(0);
}

std::string PickledText(const std::string& text) {
  return "X" + Bytes(static_cast<uint32_t>(text.size())) + text;
}

std::string TinyPickle(const std::string& value) {
  return "\x80\x02"
         "c__torch__\nNet\n)\x81}(" +
         PickledText("weight") + value + PickledText("training") + "\x89ub.";
}

std::string TinyTensor() {
  const std::string storage =
      "(" + PickledText("storage") + "ctorch\nFloatStorage\n" + PickledText("0") + PickledText("cpu") + "K\x06tQ";
  const std::string zero("K\0", 2);
  return "ctorch._utils\n_rebuild_tensor_v2\n(" + storage + zero +
         "(K\x02K\x03t(K\x03K\x01t\x89"
         "ccollections\nOrderedDict\n)RtR";
}

std::vector<ZipRecord> TinyModel() {
  const std::string code =
      "class Net(Module):\n"
      "  __parameters__ = [\"weight\", ]\n"
      "  weight : Tensor\n"
      "  training : bool\n"
      "  def forward(self: __torch__.Net,\n"
      "    x: Tensor) -> Tensor:\n"
      "    return torch.mul(x, self.weight)\n";
  return {{"net/data/0", std::string(24, '\x11')},
          {"net/data.pkl", TinyPickle(TinyTensor())},
          {"net/code/__torch__.py", code},
          {"net/constants.pkl", "\x80\x02)."},
          {"net/version", "3\n"}};
}

ZipRecord& RecordNamed(std::vector<ZipRecord>& records, const std::string& name) {
  return *std::find_if(records.begin(), records.end(), [&](const ZipRecord& record) { return record.name == name; });
}

}  // namespace nacue
