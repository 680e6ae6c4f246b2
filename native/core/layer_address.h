// What a layer's name says: which module, which of its calls, which element of its output.
//
//   layer4.1          the output of a module that runs once per forward()
//   block#2           the output of its second call
//   attention[0]      the first element of a tuple or list
//   lstm#1[1][0]      both, and an element of an element
//
// A TorchScript attribute has neither '#' nor '[' in its name, so every module has an address.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace nacue {

struct LayerAddress {
  std::string name;              // as the options give it
  std::string path;              // dotted path of the module
  int64_t call = 0;              // counts from 1; 0: whichever, the module must run once
  std::vector<int64_t> element;  // outermost first; empty: the output itself
};

// Throws ERR_NACUE_LAYER_NOT_FOUND where the name is none of the above.
LayerAddress ParseLayerAddress(const std::string& name);

// Of the same output or of parts of it: the neurons would be counted twice.
bool SameOutput(const LayerAddress& a, const LayerAddress& b);

// "[1][0]"
std::string ElementText(const std::vector<int64_t>& element);

}  // namespace nacue
