// See task_queue.h for the rules.
#include "task_queue.h"

#include <algorithm>
#include <system_error>
#include <utility>

#include "environment.h"

namespace nacue {

namespace {

// Loading recurses as deep as a model's source nests; address space only, pages come as they are touched.
constexpr size_t kStackSize = size_t{256} << 20;

}  // namespace

TaskQueue::TaskQueue(std::shared_ptr<Environment> environment, std::function<void()> at_exit)
    : environment_(std::move(environment)), at_exit_(std::move(at_exit)) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStackSize);
  const int status = pthread_create(&thread_, &attributes, ThreadMain, this);
  pthread_attr_destroy(&attributes);
  if (status != 0) throw std::system_error(status, std::generic_category(), "cannot start the detector's thread");
  environment_->Register(this);
}

TaskQueue::~TaskQueue() {
  Stop();
}

Ticket TaskQueue::Submit(std::unique_ptr<Task> task) {
  task->ticket = ++last_ticket_;
  environment_->TaskSubmitted();
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    pending_.push_back(std::move(task));
  }
  changed_.notify_one();
  return last_ticket_;
}

bool TaskQueue::Cancel(Ticket ticket) {
  std::unique_ptr<Task> cancelled;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found =
        std::find_if(pending_.begin(), pending_.end(), [&](const auto& task) { return task->ticket == ticket; });
    if (found == pending_.end()) return false;
    cancelled = std::move(*found);
    pending_.erase(found);
  }
  environment_->TaskSettled();
  cancelled->released();
  return true;
}

void TaskQueue::Stop() {
  if (joined_) return;
  std::deque<std::unique_ptr<Task>> dropped;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
    dropped.swap(pending_);
  }
  changed_.notify_one();
  pthread_join(thread_, nullptr);
  joined_ = true;
  environment_->Unregister(this);
}

void* TaskQueue::ThreadMain(void* queue) {
  static_cast<TaskQueue*>(queue)->Run();
  return nullptr;
}

void TaskQueue::Run() {
  for (;;) {
    std::unique_ptr<Task> task;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      changed_.wait(lock, [&] { return stopping_ || !pending_.empty(); });
      if (stopping_) break;
      task = std::move(pending_.front());
      pending_.pop_front();
    }
    try {
      task->work();
    } catch (...) {
      task->failure = CurrentFailure();
    }
    environment_->Deliver(std::move(task));
  }
  at_exit_();
}

}  // namespace nacue
