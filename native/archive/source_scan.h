// Step 4 of the archive check: that LibTorch's lexer, parser and compiler can read a piece of TorchScript source and
// live.
//
// They recurse: once per bracket, operator, block, blank line and called function; and they take time exponential in
// the depth of nested tuples. The caps below are far above what torch.jit.save writes (measured on 74 model files:
// brackets nest 4 deep, the longest statement is 31 tokens deep, blocks nest 15 deep, an archive has 1,426 definitions)
// and far below what overflows 8 MB of stack on LibTorch 2.11. Tokens are told apart just as
// torch/csrc/jit/frontend/lexer.h does.
#pragma once

#include <cstddef>
#include <string_view>

namespace nacue {

struct SourceLimits {
  static constexpr size_t kBrackets = 64;       // nested; 3,000 overflow
  static constexpr size_t kTuples = 16;         // nested; 28 take 13 s, each further one doubles that
  static constexpr size_t kTokens = 2'000;      // on the way down into one statement; 6,000 `1 if a else ...` overflow
  static constexpr size_t kBlocks = 250;        // nested
  static constexpr size_t kBlankLines = 1'000;  // in a row, comments and continued lines included; 100,000 overflow
  static constexpr size_t kElifs = 1'000;       // 20,000 overflow; torch.jit.save writes none
  static constexpr size_t kDefinitions = 20'000;  // functions and classes of an archive: each may call the next
};

// Throws ERR_NACUE_MODEL_FORMAT when `source`, called `name` in the message, breaks one of the limits or ends inside a
// string or a bracket. Adds the functions and classes it defines to `definitions`, whose sum is limited too.
void ScanSource(std::string_view source, std::string_view name, size_t& definitions);

}  // namespace nacue
