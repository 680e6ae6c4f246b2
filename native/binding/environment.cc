// See environment.h for the rules.
#include "environment.h"

#include <utility>

namespace nacue {

void Environment::Create(Napi::Env env) {
  std::shared_ptr<Environment> environment(new Environment(env));
  const napi_status status = napi_create_threadsafe_function(
      env, /*func=*/nullptr, /*async_resource=*/nullptr, Napi::String::New(env, "nacue"), /*max_queue_size=*/0,
      /*initial_thread_count=*/1, /*thread_finalize_data=*/nullptr, /*thread_finalize_cb=*/nullptr,
      /*context=*/environment.get(), SettleFinished, &environment->wake_);
  if (status != napi_ok) throw Napi::Error::New(env, "nacue cannot register with the event loop");
  napi_unref_threadsafe_function(env, environment->wake_);
  napi_add_env_cleanup_hook(env, Cleanup, environment.get());
  const auto process = env.Global().Get("process").As<Napi::Object>();
  const auto at_exit = Napi::Function::New(env, [](const Napi::CallbackInfo& info) { Of(info.Env())->StopQueues(); });
  process.Get("once").As<Napi::Function>().Call(process, {Napi::String::New(env, "exit"), at_exit});
  env.SetInstanceData(new std::shared_ptr<Environment>(std::move(environment)));
}

std::shared_ptr<Environment> Environment::Of(Napi::Env env) {
  return *env.GetInstanceData<std::shared_ptr<Environment>>();
}

TaskQueue& Environment::SharedQueue() {
  if (!shared_queue_) shared_queue_ = std::make_unique<TaskQueue>(shared_from_this(), [] {});
  return *shared_queue_;
}

TaskQueue& Environment::ImageQueue() {
  if (!image_queue_) image_queue_ = std::make_unique<TaskQueue>(shared_from_this(), [] {});
  return *image_queue_;
}

void Environment::TaskSubmitted() {
  if (outstanding_++ == 0) napi_ref_threadsafe_function(env_, wake_);
}

void Environment::TaskSettled() {
  if (--outstanding_ == 0) napi_unref_threadsafe_function(env_, wake_);
}

void Environment::Deliver(std::unique_ptr<Task> task) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    finished_.push_back(std::move(task));
  }
  napi_call_threadsafe_function(wake_, nullptr, napi_tsfn_nonblocking);
}

std::unique_ptr<Task> Environment::TakeFinished() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (finished_.empty()) return nullptr;
  std::unique_ptr<Task> task = std::move(finished_.front());
  finished_.pop_front();
  return task;
}

void Environment::SettleFinished(napi_env env, napi_value /*callback*/, void* context, void* /*data*/) {
  if (env == nullptr) return;
  auto* environment = static_cast<Environment*>(context);
  try {
    // One task per call: the promises that hang on it are worked off before the next one settles.
    const auto task = environment->TakeFinished();
    if (task) environment->Settle(*task);
  } catch (const Napi::Error& error) {
    error.ThrowAsJavaScriptException();
  } catch (...) {
    napi_throw_error(env, "ERR_NACUE_INTERNAL", "nacue could not settle a call");
  }
}

void Environment::Settle(Task& task) {
  const Napi::HandleScope scope(env_);
  TaskSettled();
  Napi::Value value = env_.Undefined();
  if (!task.failure) {
    try {
      value = task.result(env_);
    } catch (...) {
      task.failure = CurrentFailure();
    }
  }
  const Napi::Value failure = task.failure ? Napi::Value(ToJs(env_, *task.failure)) : env_.Null();
  task.released();
  task.settle.Call({failure, value});
}

void Environment::StopQueues() {
  const auto queues = queues_;
  for (TaskQueue* queue : queues) queue->Stop();
  while (TakeFinished()) {
  }
}

void Environment::Cleanup(void* pointer) {
  auto* environment = static_cast<Environment*>(pointer);
  environment->StopQueues();
  environment->shared_queue_.reset();
  environment->image_queue_.reset();
}

}  // namespace nacue
