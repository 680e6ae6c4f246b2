// See pass_graphs.h, and cuda/pass_graph_functions.h for the rules of the interface. Detector's thread.
#include "pass_graphs.h"

#include <dlfcn.h>

#include <cstring>
#include <utility>

#include "error.h"

namespace nacue {

namespace {

std::string FolderOfThisBinary() {
  Dl_info info = {};
  static const char own_symbol = 0;
  if (dladdr(&own_symbol, &info) == 0 || info.dli_fname == nullptr) return "";
  const std::string path = info.dli_fname;
  return path.substr(0, path.rfind('/') + 1);
}

const NacuePassGraphFunctions* FunctionsBesideThisBinary() {
  static const NacuePassGraphFunctions* const functions =
      PassGraphFunctionsOf(FolderOfThisBinary() + "nacue_cuda.so", RTLD_NOW | RTLD_LOCAL);
  return functions;
}

// What it records with goes when the last one that needs it does.
class GraphPool {
 public:
  GraphPool(const NacuePassGraphFunctions& functions, NacueGraphPool* pool) : functions_(functions), pool_(pool) {}
  ~GraphPool() { functions_.close_pool(pool_); }
  GraphPool(const GraphPool&) = delete;
  GraphPool& operator=(const GraphPool&) = delete;

  const NacuePassGraphFunctions& functions() const { return functions_; }
  NacueGraphPool* get() const { return pool_; }

 private:
  const NacuePassGraphFunctions& functions_;
  NacueGraphPool* const pool_;
};

class PassGraph final : public PassRecorder::Recording {
 public:
  PassGraph(std::shared_ptr<GraphPool> pool, NacueGraph* graph) : pool_(std::move(pool)), graph_(graph) {}
  ~PassGraph() override { pool_->functions().drop(pool_->get(), graph_); }

  void Replay() override {
    NacueProblem problem = {};
    if (pool_->functions().replay(graph_, &problem)) return;
    throw Error("ERR_NACUE_MODEL_RUN", "a recorded pass cannot be repeated on the device", problem.text);
  }

 private:
  const std::shared_ptr<GraphPool> pool_;
  NacueGraph* const graph_;
};

// What fails while it is recorded runs as it is afterwards, and says itself what is wrong.
bool Passes(void* pass) {
  try {
    (*static_cast<const std::function<void()>*>(pass))();
    return true;
  } catch (...) {
    return false;
  }
}

class PassGraphs final : public PassRecorder {
 public:
  explicit PassGraphs(std::shared_ptr<GraphPool> pool) : pool_(std::move(pool)) {}

  std::unique_ptr<Recording> Record(const std::function<void()>& pass) override {
    const auto turn = RecordingTurn();
    NacueProblem problem = {};
    NacueGraph* const graph =
        pool_->functions().record(pool_->get(), Passes, const_cast<std::function<void()>*>(&pass), &problem);
    return graph == nullptr ? nullptr : std::make_unique<PassGraph>(pool_, graph);
  }

 private:
  const std::shared_ptr<GraphPool> pool_;
};

}  // namespace

const NacuePassGraphFunctions* PassGraphFunctionsOf(const std::string& library, int flags) {
  void* const opened = dlopen(library.c_str(), flags);  // never closed: LibTorch does not survive it
  if (opened == nullptr) return nullptr;
  const auto look_up = reinterpret_cast<const NacuePassGraphFunctions* (*)()>(dlsym(opened, kPassGraphSymbol));
  if (look_up == nullptr) return nullptr;
  const NacuePassGraphFunctions* const functions = look_up();
  const bool fits = functions->interface_version == kPassGraphInterface &&
                    std::strcmp(functions->libtorch_version, NACUE_LIBTORCH_VERSION) == 0;
  return fits ? functions : nullptr;
}

std::unique_ptr<PassRecorder> OpenPassGraphs(c10::Device device) {
  if (!device.is_cuda()) return nullptr;
  const NacuePassGraphFunctions* const functions = FunctionsBesideThisBinary();
  if (functions == nullptr) return nullptr;
  NacueProblem problem = {};
  NacueGraphPool* const pool = functions->open_pool(device.index(), &problem);
  if (pool == nullptr) return nullptr;
  return std::make_unique<PassGraphs>(std::make_shared<GraphPool>(*functions, pool));
}

std::unique_lock<std::mutex> RecordingTurn() {
  static auto* const turn = new std::mutex;  // detectors may still run at process exit
  return std::unique_lock<std::mutex>(*turn);
}

}  // namespace nacue
