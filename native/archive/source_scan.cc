// See source_scan.h. One pass, no recursion; a few bytes per open bracket or block.
#include "source_scan.h"

#include <algorithm>
#include <string>
#include <vector>

#include "refuse_model.h"

namespace nacue {

namespace {

// What is open: the statement itself, then one level per bracket. A comma starts a new item, whose depth no longer
// counts to the items before it.
struct SourceLevel {
  size_t tokens = 0;           // of the current item
  size_t deepest_bracket = 0;  // in the current item
  size_t deepest_item = 0;     // before the current one
  size_t tuples = 0;           // open tuples, this one included

  size_t ItemDepth() const { return tokens + deepest_bracket; }
};

bool IsBlank(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r' && c != '\n');
}
bool IsWord(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

// Words after which a parenthesis is not the argument list of a call.
bool IsKeyword(std::string_view word) {
  constexpr std::string_view kKeywords[] = {"and", "as",  "assert", "elif", "else",  "for",    "if",    "in",
                                            "is",  "del", "not",    "or",   "raise", "return", "while", "with"};
  return std::find(std::begin(kKeywords), std::end(kKeywords), word) != std::end(kKeywords);
}

class SourceScanner {
 public:
  SourceScanner(std::string_view source, std::string_view name, size_t& definitions)
      : source_(source), name_(name), definitions_(definitions) {}

  void Run() {
    while (position_ < source_.size()) {
      if (!SkipBetweenTokens()) ReadToken();
    }
    if (levels_.size() > 1) Refuse("ends inside a bracket");
    EndItem();
  }

 private:
  [[noreturn]] void Refuse(const std::string& what) const { RefuseDamaged(Quoted(name_) + " " + what); }

  void Limit(size_t count, size_t limit, const char* what) const {
    if (count <= limit) return;
    RefuseModel("nests too deep to be loaded: " + Quoted(name_) + " has more than " + std::to_string(limit) + what);
  }

  // Blanks, line ends and comments. Line ends inside brackets do not end the statement.
  bool SkipBetweenTokens() {
    const char c = source_[position_];
    if (IsBlank(c)) {
      ++position_;
      return true;
    }
    const bool continued = c == '\\' && source_.substr(position_ + 1).starts_with('\n');
    const bool comment = c == '#' && !source_.substr(position_).starts_with("# type:");
    if (c != '\n' && !continued && !comment) return false;
    Limit(++blank_lines_, SourceLimits::kBlankLines, " blank or comment lines in a row");
    if (comment) {
      position_ = std::min(source_.find('\n', position_), source_.size());
      return true;
    }
    position_ += continued ? 2 : 1;
    if (!continued && levels_.size() == 1) {
      EndItem();
      levels_.back() = {};
      line_start_ = position_;
      at_line_start_ = true;
    }
    return true;
  }

  void ReadToken() {
    blank_lines_ = 0;
    if (at_line_start_) EnterBlock(position_ - line_start_);
    at_line_start_ = false;
    const char c = source_[position_];
    if (c == ')' || c == ']' || c == '}') return CloseBracket();
    if (c == ',') {
      EndItem();
      ++position_;
      last_word_ = {};
      after_operand_ = false;
      return;
    }
    ++levels_.back().tokens;
    if (c == '\'' || c == '"') return ReadString();
    if (IsWord(c)) return ReadWord();
    if (c == '(' || c == '[' || c == '{') return OpenBracket(c);
    ++position_;
    last_word_ = {};
    after_operand_ = false;
  }

  // The lexer's stack of indentations; the first line need not be indented by 0.
  void EnterBlock(size_t indentation) {
    while (!blocks_.empty() && blocks_.back() > indentation) blocks_.pop_back();
    if (blocks_.empty() || blocks_.back() < indentation) blocks_.push_back(indentation);
    Limit(blocks_.size(), SourceLimits::kBlocks, " nested blocks");
  }

  void ReadWord() {
    const size_t begin = position_;
    while (position_ < source_.size() && IsWord(source_[position_])) ++position_;
    last_word_ = source_.substr(begin, position_ - begin);
    after_operand_ = !IsKeyword(last_word_);
    if (last_word_ == "elif") Limit(++elifs_, SourceLimits::kElifs, " elif");
    if (last_word_ == "def" || last_word_ == "class") {
      Limit(++definitions_, SourceLimits::kDefinitions, " definitions, with the records before it");
    }
  }

  void ReadString() {
    const char quote = source_[position_];
    const std::string_view rest = source_.substr(position_);
    const size_t quotes = rest.size() >= 3 && rest[1] == quote && rest[2] == quote ? 3 : 1;
    const std::string closing(quotes, quote);
    size_t end = quotes;
    while (end < rest.size() && rest.substr(end, quotes) != closing) {
      if (rest[end] == '\n' && quotes == 1) Refuse("ends a line inside a string");
      end += rest[end] == '\\' ? 2 : 1;
    }
    if (end >= rest.size()) Refuse("ends inside a string");
    position_ += end + quotes;
    last_word_ = {};
    after_operand_ = true;
  }

  void OpenBracket(char bracket) {
    const bool tuple = bracket == '(' ? !after_operand_ : bracket == '[' && last_word_ == "Tuple";
    SourceLevel level;
    level.tuples = levels_.back().tuples + (tuple ? 1 : 0);
    levels_.push_back(level);
    Limit(levels_.size() - 1, SourceLimits::kBrackets, " nested brackets");
    Limit(level.tuples, SourceLimits::kTuples, " nested tuples");
    ++position_;
    last_word_ = {};
    after_operand_ = false;
  }

  void CloseBracket() {
    if (levels_.size() == 1) Refuse("closes a bracket that it did not open");
    EndItem();
    const size_t depth = levels_.back().deepest_item + 1;
    levels_.pop_back();
    levels_.back().deepest_bracket = std::max(levels_.back().deepest_bracket, depth);
    ++position_;
    last_word_ = {};
    after_operand_ = true;
  }

  void EndItem() {
    SourceLevel& level = levels_.back();
    Limit(level.ItemDepth(), SourceLimits::kTokens, " tokens in one expression");
    level.deepest_item = std::max(level.deepest_item, level.ItemDepth());
    level.tokens = level.deepest_bracket = 0;
  }

  std::string_view source_;
  std::string_view name_;
  size_t& definitions_;
  size_t position_ = 0;
  size_t line_start_ = 0;
  size_t blank_lines_ = 0;
  size_t elifs_ = 0;
  bool at_line_start_ = true;
  bool after_operand_ = false;  // of something that can be called
  std::string_view last_word_;
  std::vector<size_t> blocks_;
  std::vector<SourceLevel> levels_{SourceLevel{}};
};

}  // namespace

void ScanSource(std::string_view source, std::string_view name, size_t& definitions) {
  SourceScanner(source, name, definitions).Run();
}

}  // namespace nacue
