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
  env.SetInstanceData(new std::shared_ptr<Environment>(std::move(environment)));
}

std::shared_ptr<Environment> Environment::Of(Napi::Env env) { return *env.GetInstanceData<std::shared_ptr<Environment>>(); }

TaskQueue& Environment::SharedQueue() {
  if (!shared_queue_) shared_queue_ = std::make_unique<TaskQueue>(shared_from_this(), [] {});
  return *shared_queue_;
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

std::vector<std::unique_ptr<Task>> Environment::TakeFinished() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return std::exchange(finished_, {});
}

void Environment::SettleFinished(napi_env env, napi_value /*callback*/, void* context, void* /*data*/) {
  if (env == nullptr) return;
  auto* environment = static_cast<Environment*>(context);
  try {
    for (const auto& task : environment->TakeFinished()) environment->Settle(*task);
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

void Environment::Cleanup(void* pointer) {
  auto* environment = static_cast<Environment*>(pointer);
  const auto queues = environment->queues_;
  for (TaskQueue* queue : queues) queue->Stop();
  environment->TakeFinished();
  environment->shared_queue_.reset();
}

}  // namespace nacue
