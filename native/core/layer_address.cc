// See layer_address.h. Any thread; no LibTorch.
#include "layer_address.h"

#include <charconv>

#include "error.h"

namespace nacue {

namespace {

[[noreturn]] void ThrowMalformed(const std::string& name, const std::string& expected) {
  throw Error("ERR_NACUE_LAYER_NOT_FOUND", "layer '" + name + "' is no address of a layer: " + expected);
}

// The whole number in [from, to) of `name`.
int64_t NumberIn(const std::string& name, size_t from, size_t to, int64_t least, const std::string& expected) {
  int64_t number = -1;
  const char* const end = name.data() + to;
  const auto [stopped, failure] = std::from_chars(name.data() + from, end, number);
  if (failure != std::errc() || stopped != end || number < least) ThrowMalformed(name, expected);
  return number;
}

}  // namespace

LayerAddress ParseLayerAddress(const std::string& name) {
  LayerAddress address;
  address.name = name;
  const size_t path_end = std::min(name.find_first_of("#["), name.size());
  address.path = name.substr(0, path_end);
  size_t position = path_end;
  if (position < name.size() && name[position] == '#') {
    const size_t end = std::min(name.find('[', position), name.size());
    address.call = NumberIn(name, position + 1, end, 1, "after '#' stands the number of a call, 1 is the first");
    position = end;
  }
  while (position < name.size()) {
    const std::string expected = "'[' and ']' enclose the index of an element, 0 is the first";
    const size_t end = name.find(']', position);
    if (name[position] != '[' || end == std::string::npos) ThrowMalformed(name, expected);
    address.element.push_back(NumberIn(name, position + 1, end, 0, expected));
    position = end + 1;
  }
  return address;
}

bool SameOutput(const LayerAddress& a, const LayerAddress& b) {
  const bool same_call = a.call == b.call || (a.call <= 1 && b.call <= 1);
  return same_call && a.element == b.element;
}

std::string ElementText(const std::vector<int64_t>& element) {
  std::string text;
  for (const int64_t index : element) text += "[" + std::to_string(index) + "]";
  return text;
}

}  // namespace nacue
