// Source limits: each is met exactly, then exceeded by one.
#include "archive/source_scan.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace nacue {

namespace {

std::string Refusal(const std::string& source) {
  size_t definitions = 0;
  try {
    ScanSource(source, "code/x.py", definitions);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "ERR_NACUE_MODEL_FORMAT");
    return error.what();
  }
  return "";
}

std::string Repeated(const std::string& text, size_t count) {
  std::string repeated;
  for (size_t i = 0; i < count; ++i) repeated += text;
  return repeated;
}

void ExpectLimit(const std::function<std::string(size_t)>& source, size_t limit, const std::string& fragment) {
  EXPECT_EQ(Refusal(source(limit)), "") << fragment;
  EXPECT_NE(Refusal(source(limit + 1)).find("has more than " + std::to_string(limit) + fragment), std::string::npos)
      << Refusal(source(limit + 1));
}

TEST(ScanSource, CapsBracketsAndTuples) {
  ExpectLimit([](size_t n) { return "x = " + Repeated("[", n) + Repeated("]", n) + "\n"; }, 64, " nested brackets");
  ExpectLimit([](size_t n) { return "x = " + Repeated("f(", n) + Repeated(")", n) + "\n"; }, 64, " nested brackets");
  ExpectLimit([](size_t n) { return "x = " + Repeated("(", n) + Repeated(",)", n) + "\n"; }, 16, " nested tuples");
  ExpectLimit([](size_t n) { return "x : " + Repeated("Tuple[", n) + Repeated("]", n) + "\n"; }, 16, " nested tuples");
  ExpectLimit([](size_t n) { return "x = 1 " + Repeated("if y else (", n) + Repeated(",)", n) + "\n"; }, 16,
              " nested tuples");
  ExpectLimit([](size_t n) { return "# type: " + Repeated("{", n) + Repeated("}", n) + "\n"; }, 64, " nested brackets");
}

TEST(ScanSource, CapsTheDepthOfAStatement) {
  const std::string what = " tokens in one expression";
  ExpectLimit([](size_t n) { return "x=" + Repeated("-", n - 2); }, 2000, what);
  ExpectLimit([](size_t n) { return "f([" + Repeated("-", n - 5) + "])\n"; }, 2000, what);
  // What follows a bracket nests around it.
  ExpectLimit([](size_t n) { return "x=(" + Repeated("-", 1000) + ")" + Repeated("+", n - 1004) + "\n"; }, 2000, what);
}

TEST(ScanSource, LetsLongListsAndManyStatementsPass) {
  EXPECT_EQ(Refusal("x = [" + Repeated("-1.5, ", 100'000) + "]\n"), "");
  EXPECT_EQ(Refusal(Repeated("x = torch.add(x, 1)\n", 100'000)), "");
  EXPECT_EQ(Refusal("x = {" + Repeated("\"a\": [1, (2, 3)], ", 10'000) + "}\n"), "");
}

TEST(ScanSource, CapsBlocks) {
  const auto blocks = [](size_t count) {
    std::string source;
    for (size_t i = 0; i < count; ++i) source += std::string(i, ' ') + "if x:\n";
    return source + "y\n";
  };
  ExpectLimit(blocks, 250, " nested blocks");
  EXPECT_EQ(Refusal(Repeated("if x:\n  y\n", 1000)), "");
  ExpectLimit([](size_t n) { return "if x:\n  y\n" + Repeated("elif x:\n  y\n", n); }, 1000, " elif");
}

TEST(ScanSource, CapsWhatTheLexerSkipsRecursively) {
  const std::string what = " blank or comment lines in a row";
  ExpectLimit([](size_t n) { return "x" + Repeated("\n", n) + "y"; }, 1000, what);
  ExpectLimit([](size_t n) { return "x = (" + Repeated("\n", n) + ")"; }, 1000, what);
  ExpectLimit([](size_t n) { return "x = " + Repeated("\\\n", n) + "1"; }, 1000, what);
  EXPECT_NE(Refusal("x\n" + Repeated("#\n", 501)), "");
}

TEST(ScanSource, CapsDefinitions) {
  ExpectLimit([](size_t n) { return Repeated("def f():\n  x\n", n); }, 20'000, " definitions");
  size_t definitions = 19'999;
  EXPECT_NO_THROW(ScanSource("class A:\n  x\n", "code/y.py", definitions));
  EXPECT_THROW(ScanSource("class B:\n  x\n", "code/z.py", definitions), Error);
}

TEST(ScanSource, KnowsStringsAndComments) {
  const std::string many(100, '[');
  EXPECT_EQ(Refusal("x = '" + many + "'\n"), "");
  EXPECT_EQ(Refusal("x = \"\\\"" + many + "\"\n"), "");
  EXPECT_EQ(Refusal("x = '''\n'" + many + "\n'''\n"), "");
  EXPECT_EQ(Refusal("# " + many + "\nx = ''\n"), "");
  EXPECT_NE(Refusal("x = '\\'" + many + "\n"), "");
  EXPECT_NE(Refusal("x = ''" + many + "\n"), "");
}

TEST(ScanSource, RefusesWhatEndsInTheMiddle) {
  EXPECT_NE(Refusal("x = (1").find("ends inside a bracket"), std::string::npos);
  EXPECT_NE(Refusal("x = 1)").find("closes a bracket"), std::string::npos);
  EXPECT_NE(Refusal("x = 'a\n").find("ends a line inside a string"), std::string::npos);
  for (const char* open : {"'a", "'", "'''a", "'a\\", "'''a\\"}) {
    EXPECT_NE(Refusal(open).find("ends inside a string"), std::string::npos) << open;
  }
  EXPECT_EQ(Refusal(""), "");
}

}  // namespace

}  // namespace nacue
