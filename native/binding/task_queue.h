// One worker thread and the queue of tasks it runs in order.
//
// Rules:
//  1. A Task is created and destroyed on the JavaScript thread; only `work` runs on the worker.
//  2. `settle` is called at most once: never after Cancel, never after the environment was torn down.
//  3. Stop drops what has not begun, lets the running task finish and joins the thread. Idempotent, JavaScript thread
//  only.
//  4. No exception leaves the worker: what `work` throws becomes the task's failure.
#pragma once

#include <napi.h>
#include <pthread.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "failure.h"

namespace nacue {

class Environment;

using Ticket = uint32_t;

struct Task {
  Ticket ticket = 0;
  std::function<void()> work;
  std::function<Napi::Value(Napi::Env)> result;
  std::function<void()> released;  // after settle or cancel, JavaScript thread
  Napi::FunctionReference settle;
  std::optional<Failure> failure;
};

class TaskQueue {
 public:
  // `at_exit` runs last on the worker: it destroys what the tasks worked on.
  TaskQueue(std::shared_ptr<Environment> environment, std::function<void()> at_exit);
  ~TaskQueue();
  TaskQueue(const TaskQueue&) = delete;
  TaskQueue& operator=(const TaskQueue&) = delete;

  Ticket Submit(std::unique_ptr<Task> task);
  // True when the task had not begun; it is gone then and its settle is never called.
  bool Cancel(Ticket ticket);
  void Stop();

 private:
  static void* ThreadMain(void* queue);
  void Run();

  std::shared_ptr<Environment> environment_;
  std::function<void()> at_exit_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::unique_ptr<Task>> pending_;
  bool stopping_ = false;
  bool joined_ = false;
  Ticket last_ticket_ = 0;
  pthread_t thread_{};
};

}  // namespace nacue
