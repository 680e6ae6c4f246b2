// The parts of the core around the stages: names, rows that are not finite, devices, errors.
#include <gtest/gtest.h>

#include <cmath>

#include "core/device.h"
#include "core/error.h"
#include "core/finite_rows.h"
#include "core/layer_address.h"
#include "core/libtorch_error.h"
#include "core/name_suggestions.h"
#include "core/select_logits.h"
#include "core/tap_op.h"

namespace nacue {

namespace {

const std::vector<TapTarget> kNoTargets;
const std::vector<TapTarget> kOneTarget = {{/*site=*/0, /*call=*/0, /*element=*/{}}};

template <typename Call>
Error Failure(const Call& call) {
  try {
    call();
  } catch (const Error& error) {
    return error;
  }
  return Error("none", "nothing was thrown");
}

TEST(SuggestNames, OffersNearNamesNearestFirst) {
  const std::vector<std::string> known = {"layer1", "layer2", "layer1.0", "fc", "avgpool"};
  EXPECT_EQ(SuggestNames("layr1", known), "; did you mean 'layer1', 'layer2'?");
  EXPECT_EQ(SuggestNames("something_else", known), "; inspect() lists its 5 submodules");
}

TEST(RefuseNonFinite, NamesTheRows) {
  Batch batch{HostBuffer(6), {3, 2}};
  std::fill_n(batch.data.data(), 6, 1.0F);
  EXPECT_NO_THROW(RefuseNonFinite(batch));
  batch.data.data()[3] = -INFINITY;
  batch.data.data()[4] = NAN;
  const Error failure = Failure([&] { RefuseNonFinite(batch); });
  EXPECT_EQ(failure.code(), "ERR_NACUE_NON_FINITE");
  EXPECT_STREQ(failure.what(), "the batch has NaN or infinity in 2 of 3 rows: 1, 2");
}

TEST(RefuseRows, NamesAtMostTen) {
  const at::Tensor rows = FiniteRows(at::full({12, 2}, NAN));
  EXPECT_STREQ(Failure([&] { RefuseRows(rows, "the logits have"); }).what(),
               "the logits have NaN or infinity in 12 of 12 rows: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ...");
}

TEST(ResolveDevice, KnowsTheCpuAndRefusesWhatIsNotThere) {
  EXPECT_EQ(DeviceName(ResolveDevice("cpu")), "cpu");
  EXPECT_EQ(Failure([] { ResolveDevice("cuda:99"); }).code(), "ERR_NACUE_DEVICE_UNAVAILABLE");
}

TEST(SelectLogits, TakesTheTensorOrTheFirstElement) {
  const at::Tensor logits = at::zeros({2, 3});
  EXPECT_TRUE(SelectLogits(logits, std::nullopt, 2).is_same(logits));
  const auto tuple = c10::ivalue::Tuple::create({logits, at::ones({2, 5})});
  EXPECT_TRUE(SelectLogits(tuple, std::nullopt, 2).is_same(logits));
  EXPECT_EQ(SelectLogits(tuple, OutputKey(int64_t{1}), 2).size(1), 5);
}

TEST(SelectLogits, RefusesWhatIsNotLogits) {
  for (const at::Tensor& output :
       {at::zeros({2}), at::zeros({3, 4}), at::zeros({2, 1}), at::zeros({2, 3}, at::kLong)}) {
    EXPECT_EQ(Failure([&] { SelectLogits(output, std::nullopt, 2); }).code(), "ERR_NACUE_LOGITS");
  }
  EXPECT_EQ(Failure([] { SelectLogits(c10::IValue(3), std::nullopt, 2); }).code(), "ERR_NACUE_LOGITS");
}

TEST(TranslateLibTorchError, KeepsTheLongTextAsDetailAndOneLineAsMessage) {
  const Error failure = Failure([] {
    try {
      at::zeros({2, 3}).matmul(at::zeros({2, 3}));
    } catch (const std::exception& error) {
      throw TranslateLibTorchError("ERR_NACUE_MODEL_RUN", "the model failed", error);
    }
  });
  EXPECT_EQ(failure.code(), "ERR_NACUE_MODEL_RUN");
  EXPECT_EQ(std::string(failure.what()).find('\n'), std::string::npos);
  EXPECT_EQ(std::string(failure.what()).find("the model failed: "), 0U);
  EXPECT_GT(failure.detail().size(), 0U);
  const std::bad_alloc no_memory;
  EXPECT_EQ(TranslateLibTorchError("ERR_NACUE_MODEL_RUN", "the model failed", no_memory).code(),
            "ERR_NACUE_OUT_OF_MEMORY");
}

TEST(TapCapture, GivesTheFirstTappedTensorAHistoryAndKeepsLaterOnes) {
  const std::vector<TapTarget> targets = {{0, 0, {}}, {1, 0, {}}};
  TapCapture capture(targets, Recording::kFromFirstTap);
  const at::Tensor first = capture.Tap(at::ones({2, 2}), 0).toTensor();
  EXPECT_TRUE(first.requires_grad());
  EXPECT_FALSE(first.is_leaf());
  const at::Tensor second = first * 2;
  EXPECT_TRUE(capture.Tap(second, 1).toTensor().is_same(second));
  EXPECT_EQ(capture.execution_order(), (std::vector<size_t>{0, 1}));
  EXPECT_FALSE(capture.must_record_from_start());
}

TEST(TapCapture, LetsAnInPlaceOperatorFollow) {
  TapCapture capture(kOneTarget, Recording::kFromFirstTap);
  at::Tensor tapped = capture.Tap(at::tensor({-1.0F, 2.0F}).view({1, 2}), 0).toTensor();
  tapped.relu_();
  EXPECT_EQ(capture.slots()[0].value.sum().item<float>(), 2.0F);
  EXPECT_TRUE(capture.slots()[0].value.requires_grad());
}

TEST(TapCapture, AsksForAWholeRecordWhenAModuleHandsItsInputThrough) {
  TapCapture capture(kOneTarget, Recording::kFromFirstTap);
  const at::Tensor argument = at::ones({2, 2});
  capture.Enter(argument, 0);
  capture.Tap(argument, 0);
  EXPECT_TRUE(capture.must_record_from_start());
}

TEST(TapCapture, SharesTheHistoryWithOtherNamesOfATensorChangedInPlace) {
  TapCapture capture(kOneTarget, Recording::kFromFirstTap);
  at::Tensor argument = at::ones({2, 2});
  capture.Enter(argument, 0);
  argument.relu_();
  EXPECT_TRUE(capture.Tap(argument, 0).toTensor().is_same(argument));
  EXPECT_TRUE(argument.requires_grad());
  EXPECT_FALSE(capture.must_record_from_start());
}

TEST(TapCapture, RecordsNothingBeforeTheFirstTapThoughTheModelBelievesSo) {
  const at::Tensor parameter = at::ones({2, 2}).requires_grad_(true);
  TapCapture capture(kOneTarget, Recording::kFromFirstTap);
  EXPECT_TRUE(capture.IsGradEnabled());
  const at::Tensor before = parameter * 2;
  EXPECT_FALSE(before.requires_grad());
  const at::Tensor tapped = capture.Tap(before, 0).toTensor();
  EXPECT_TRUE((tapped * 2).requires_grad());
}

TEST(TapCapture, HonoursTheModelsOwnGradMode) {
  TapCapture capture(kOneTarget, Recording::kFromFirstTap);
  capture.SetGradEnabled(false);
  EXPECT_FALSE(capture.IsGradEnabled());
  capture.Tap(at::ones({2, 2}), 0);
  EXPECT_FALSE(at::GradMode::is_enabled());
}

TEST(TapCapture, RestoresTheGradModeOfTheThread) {
  const at::AutoGradMode outer(true);
  {
    const TapCapture capture(kNoTargets, Recording::kNothing);
  }
  EXPECT_TRUE(at::GradMode::is_enabled());
}

TEST(TapCapture, CapturesTheCallThatWasChosen) {
  const std::vector<TapTarget> targets = {{0, 2, {}}, {0, 3, {}}};
  TapCapture capture(targets, Recording::kFromFirstTap);
  const at::Tensor first = at::ones({2, 2});
  EXPECT_TRUE(capture.Tap(first, 0).toTensor().is_same(first));
  const at::Tensor second = capture.Tap(at::full({2, 2}, 5.0), 0).toTensor();
  EXPECT_TRUE(capture.slots()[0].value.is_same(second));
  EXPECT_FALSE(capture.slots()[1].value.defined());
  EXPECT_EQ(capture.slots()[1].calls, 2);
}

TEST(TapCapture, PutsTheHistoryIntoTheElementOfATuple) {
  const std::vector<TapTarget> targets = {{0, 0, {1, 0}}};
  TapCapture capture(targets, Recording::kFromFirstTap);
  const at::Tensor left = at::ones({2, 2});
  const auto inner = c10::ivalue::Tuple::create({at::full({2, 2}, 3.0), c10::IValue(7)});
  const c10::IValue tapped = capture.Tap(c10::ivalue::Tuple::create({left, inner}), 0);
  const auto& elements = tapped.toTuple()->elements();
  EXPECT_TRUE(elements[0].toTensor().is_same(left));
  EXPECT_TRUE(elements[1].toTuple()->elements()[0].toTensor().is_same(capture.slots()[0].value));
  EXPECT_TRUE(capture.slots()[0].value.requires_grad());
  EXPECT_EQ(elements[1].toTuple()->elements()[1].toInt(), 7);
  // The model's own tuple is left alone.
  EXPECT_FALSE(inner->elements()[0].toTensor().requires_grad());
}

TEST(TapCapture, KnowsWhereThereIsNoSuchElement) {
  const std::vector<TapTarget> targets = {{0, 0, {2}}};
  TapCapture capture(targets, Recording::kFromFirstTap);
  capture.Tap(c10::ivalue::Tuple::create({at::ones({2, 2}), at::ones({2, 2})}), 0);
  EXPECT_FALSE(capture.slots()[0].is_tensor);
}

TEST(ParseLayerAddress, KnowsPathCallAndElement) {
  const LayerAddress plain = ParseLayerAddress("layer4.1");
  EXPECT_EQ(plain.path, "layer4.1");
  EXPECT_EQ(plain.call, 0);
  EXPECT_TRUE(plain.element.empty());
  const LayerAddress all = ParseLayerAddress("lstm#12[1][0]");
  EXPECT_EQ(all.path, "lstm");
  EXPECT_EQ(all.call, 12);
  EXPECT_EQ(all.element, (std::vector<int64_t>{1, 0}));
}

TEST(ParseLayerAddress, RefusesWhatIsNone) {
  for (const char* name : {"a#0", "a#", "a#-1", "a#1x", "a#99999999999999999999", "a[", "a[]", "a[x]", "a[0", "a[0]b",
                           "a[-1]", "a[0]#1", "a##1"}) {
    EXPECT_EQ(Failure([&] { ParseLayerAddress(name); }).code(), "ERR_NACUE_LAYER_NOT_FOUND") << name;
  }
}

TEST(SameOutput, TakesTheOnlyCallForTheFirst) {
  const auto same = [](const char* a, const char* b) { return SameOutput(ParseLayerAddress(a), ParseLayerAddress(b)); };
  EXPECT_TRUE(same("a", "a#1"));
  EXPECT_TRUE(same("a[0]", "a#1[0]"));
  EXPECT_FALSE(same("a#1", "a#2"));
  EXPECT_FALSE(same("a[0]", "a[1]"));
}

TEST(TapCapture, IsCurrentOnlyInItsScope) {
  EXPECT_EQ(TapCapture::Current(), nullptr);
  {
    const TapCapture outer(kNoTargets, Recording::kNothing);
    const TapCapture inner(kNoTargets, Recording::kNothing);
    EXPECT_EQ(TapCapture::Current(), &inner);
  }
  EXPECT_EQ(TapCapture::Current(), nullptr);
}

}  // namespace

}  // namespace nacue
