// SHA-256 against NIST's examples (FIPS 180-4 and its byte-oriented test vectors), and its two paths against each
// other.
#include "state/sha256.h"

#include <gtest/gtest.h>

#include <vector>

#include "state/sha256_blocks.h"

namespace nacue {

namespace {

std::string Hash(const std::string& text) {
  return Sha256Hex({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

std::vector<uint8_t> Noise(size_t size) {
  std::vector<uint8_t> bytes(size);
  uint32_t value = 1;
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>((value = value * 1664525 + 1013904223) >> 24);
  return bytes;
}

TEST(Sha256, GivesTheValuesOfTheStandard) {
  EXPECT_EQ(Sha256Hex({}), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Hash("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Hash("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(Hash("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrs"
                 "mnopqrstnopqrstu"),
            "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
  EXPECT_EQ(Hash(std::string(1'000'000, 'a')), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  EXPECT_EQ(Hash("\xbd"), "68325720aabd7c82f30f554b313d0570c95accbb7dc4b5aae11204c08ffe732b");
  EXPECT_EQ(Hash(std::string(55, '\0')), "02779466cdec163811d078815c633f21901413081449002f24aa3e80f0b88ef7");
  EXPECT_EQ(Hash(std::string(56, '\0')), "d4817aa5497628e7c77e6b606107042bbba3130888c5f47a375e6179be789fbb");
  EXPECT_EQ(Hash(std::string(57, '\0')), "65a16cb7861335d5ace3c60718b5052e44660726da4cd13bb745381b235a1785");
  EXPECT_EQ(Hash(std::string(64, '\0')), "f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b");
}

TEST(Sha256, TakesBytesAtAnyAddress) {
  const auto bytes = Noise(1001);
  std::vector<uint8_t> shifted(1, 0);
  shifted.insert(shifted.end(), bytes.begin(), bytes.end());
  EXPECT_EQ(Sha256Hex(std::span(shifted).subspan(1)), Sha256Hex(bytes));
}

TEST(Sha256, HashesAlikeOnBothPaths) {
  if (!HasShaInstructions()) GTEST_SKIP() << "this processor has no instructions for SHA-256";
  const auto bytes = Noise(100 * kSha256BlockSize + 1);
  for (const size_t blocks : {0, 1, 2, 3, 99}) {
    Sha256State portable = {1, 2, 3, 4, 5, 6, 7, 0xffffffff};
    Sha256State accelerated = portable;
    HashBlocksPortable(portable, bytes.data() + 1, blocks);
    HashBlocksAccelerated(accelerated, bytes.data() + 1, blocks);
    EXPECT_EQ(portable, accelerated) << blocks << " blocks";
  }
}

// On every machine: Sha256Hex takes the other path where it can.
TEST(Sha256, GivesTheValuesOfTheStandardOnThePortablePath) {
  Sha256State state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<uint8_t, kSha256BlockSize> block = {'a', 'b', 'c', 0x80};
  block.back() = 24;  // bits
  HashBlocksPortable(state, block.data(), 1);
  const Sha256State expected = {0xba7816bf, 0x8f01cfea, 0x414140de, 0x5dae2223,
                                0xb00361a3, 0x96177a9c, 0xb410ff61, 0xf20015ad};
  EXPECT_EQ(state, expected);
}

}  // namespace

}  // namespace nacue
