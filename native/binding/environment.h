// What one Node environment (the main thread or a worker thread) owns: the way back to its JavaScript thread and its
// task queues.
//
// Rules:
//  1. All of it but Deliver belongs to the JavaScript thread.
//  2. The cleanup hook stops and joins every queue. It is added after the thread-safe function was made, hence runs
//  before Node
//     closes that function: no worker can call a function that is gone. process.exit() runs no cleanup hooks, it goes
//     straight to the destructors of LibTorch's statics: the same is done at the process's 'exit' event.
//  3. The event loop is kept alive only while tasks are outstanding.
#pragma once

#include <napi.h>

#include <deque>
#include <memory>
#include <mutex>
#include <unordered_set>

#include "task_queue.h"

namespace nacue {

class Environment : public std::enable_shared_from_this<Environment> {
 public:
  // Makes the environment's data and stores it as instance data.
  static void Create(Napi::Env env);
  static std::shared_ptr<Environment> Of(Napi::Env env);

  // The queue for work that belongs to no detector.
  TaskQueue& SharedQueue();
  // For images alone: their transforms must not wait for a model that is being inspected.
  TaskQueue& ImageQueue();

  void Register(TaskQueue* queue) { queues_.insert(queue); }
  void Unregister(TaskQueue* queue) { queues_.erase(queue); }
  void TaskSubmitted();
  void TaskSettled();

  // Any thread: hands a finished task back to the JavaScript thread.
  void Deliver(std::unique_ptr<Task> task);

 private:
  explicit Environment(Napi::Env env) : env_(env) {}
  void StopQueues();
  static void Cleanup(void* environment);
  static void SettleFinished(napi_env env, napi_value callback, void* environment, void* data);
  std::unique_ptr<Task> TakeFinished();
  void Settle(Task& task);

  Napi::Env env_;
  napi_threadsafe_function wake_ = nullptr;
  std::unordered_set<TaskQueue*> queues_;
  std::unique_ptr<TaskQueue> shared_queue_;
  std::unique_ptr<TaskQueue> image_queue_;
  size_t outstanding_ = 0;
  std::mutex mutex_;  // guards finished_
  std::deque<std::unique_ptr<Task>> finished_;
};

}  // namespace nacue
