// Transforms of images, on pixels whose results are known without arithmetic. test/parity compares with torchvision.
#include "core/image_transform.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace nacue {

namespace {

// Red counts the pixels from 0, green and blue are constant.
std::vector<uint8_t> CountedPixels(int64_t height, int64_t width) {
  std::vector<uint8_t> pixels;
  for (int64_t i = 0; i < height * width; ++i) pixels.insert(pixels.end(), {static_cast<uint8_t>(i), 51, 255});
  return pixels;
}

TransformedImage Transform(int64_t height, int64_t width, const ImageTransform& transform) {
  const std::vector<uint8_t> pixels = CountedPixels(height, width);
  return TransformImage({pixels.data(), height, width, 3}, transform);
}

std::vector<int> RedLevels(const TransformedImage& image) {
  std::vector<int> levels;
  for (int64_t i = 0; i < image.shape[1] * image.shape[2]; ++i)
    levels.push_back(static_cast<int>(image.values[i] * 255.0F + 0.5F));
  return levels;
}

TEST(ImageTransform, PutsChannelsFirstAndScalesToOne) {
  const TransformedImage image = Transform(2, 3, {});
  EXPECT_EQ(image.shape, (std::vector<int64_t>{3, 2, 3}));
  EXPECT_EQ(RedLevels(image), (std::vector<int>{0, 1, 2, 3, 4, 5}));
  EXPECT_FLOAT_EQ(image.values[6], 0.2F);
  EXPECT_FLOAT_EQ(image.values[12], 1.0F);
}

TEST(ImageTransform, KeepsConstantChannelsWhenItResizes) {
  for (const std::vector<int64_t>& size : {std::vector<int64_t>{7}, {5, 9}, {40, 3}}) {
    const TransformedImage image = Transform(13, 11, {size, {}, {}, {}});
    const int64_t area = image.shape[1] * image.shape[2];
    for (int64_t i = area; i < 2 * area; ++i) EXPECT_FLOAT_EQ(image.values[i], 0.2F);
  }
}

TEST(ImageTransform, CutsTheLongerSideOffToAWholeNumber) {
  EXPECT_EQ(Transform(20, 33, {{10}, {}, {}, {}}).shape, (std::vector<int64_t>{3, 10, 16}));
  EXPECT_EQ(Transform(33, 20, {{10}, {}, {}, {}}).shape, (std::vector<int64_t>{3, 16, 10}));
}

TEST(ImageTransform, CropsHalvesToTheEvenSide) {
  EXPECT_EQ(RedLevels(Transform(1, 4, {{}, {1, 1}, {}, {}})), (std::vector<int>{2}));  // from 1.5
  EXPECT_EQ(RedLevels(Transform(1, 6, {{}, {1, 1}, {}, {}})), (std::vector<int>{2}));  // from 2.5
}

TEST(ImageTransform, PadsWithBlackOneMoreAtTheEnd) {
  EXPECT_EQ(RedLevels(Transform(1, 3, {{}, {1, 6}, {}, {}})), (std::vector<int>{0, 0, 1, 2, 0, 0}));
}

TEST(ImageTransform, NormalisesEachChannel) {
  const TransformedImage image = Transform(1, 1, {{}, {}, {0.5, 0.2, 0.0}, {0.5, 1.0, 4.0}});
  EXPECT_FLOAT_EQ(image.values[0], -1.0F);
  EXPECT_NEAR(image.values[1], 0.0F, 1e-7);
  EXPECT_FLOAT_EQ(image.values[2], 0.25F);
}

TEST(ImageTransform, RefusesWhatWouldBecomeTooLarge) {
  try {
    Transform(1, 60'000, {{256}, {}, {}, {}});
    FAIL() << "60,000 x 1 pixels were resized";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "ERR_NACUE_DATA");
  }
}

}  // namespace

}  // namespace nacue
