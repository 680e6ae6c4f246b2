// Passes over batches of the same shape, recorded once and repeated: launching the kernels of a pass one by one takes
// the host longer than a GPU needs to run them.
//
// 1. A shape is recorded at its third use. Until then, and where it cannot be recorded, the pass runs as it is.
// 2. At most kMostRecorded shapes are kept: the one that was not used for longest goes first.
// 3. With `pads`, batches share recordings: rows of zeros fill them up to a PaddedSize and are cut off the results.
// 4. What is recorded is what the device does: IsRecordable (recordable_graph.h) says whether that is all of a pass.
//
// Knows nothing of CUDA: a PassRecorder does the recording. Detector's thread.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <vector>

#include "passed_samples.h"

namespace nacue {

class PassRecorder {
 public:
  class Recording {
   public:
    virtual ~Recording() = default;
    // Does again, with the same memory, what was recorded.
    virtual void Replay() = 0;
  };
  virtual ~PassRecorder() = default;
  // Runs `pass`, more than once perhaps; what it computed is there after the first Replay(). Nothing where it fails.
  virtual std::unique_ptr<Recording> Record(const std::function<void()>& pass) = 0;
};

class GraphedPasses {
 public:
  using Pass = std::function<BatchContributions(const at::Tensor& samples)>;

  static constexpr size_t kMostRecorded = 8;

  GraphedPasses(std::unique_ptr<PassRecorder> recorder, bool pads) : recorder_(std::move(recorder)), pads_(pads) {}

  // `samples` (B, ...), on `device` or on the host.
  BatchContributions Run(const at::Tensor& samples, c10::Device device, const Pass& pass);

  // Memory ran out: what is recorded goes, and nothing is recorded any more. Whether there was anything.
  bool GiveUp();

  size_t recorded() const;

  // The size, not below that of the batch, which batches of about as many samples share: 1, 2, 4, 8, 12, 16, 24, ...
  static int64_t PaddedSize(int64_t batch_size);

 private:
  struct Recorded {
    at::Tensor samples;
    BatchContributions results;
    std::unique_ptr<PassRecorder::Recording> recording;  // goes before the tensors that it writes to
  };
  struct Shape {
    std::vector<int64_t> sizes;
    int uses = 0;
    std::unique_ptr<Recorded> recorded;
    bool is_refused = false;
  };
  Shape& Use(std::vector<int64_t> sizes);
  void Record(Shape& shape, const at::Tensor& samples, c10::Device device, const Pass& pass);

  const std::unique_ptr<PassRecorder> recorder_;
  const bool pads_;
  bool has_given_up_ = false;
  std::list<Shape> shapes_;  // the last one used first
};

}  // namespace nacue
