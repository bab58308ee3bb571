#include "framework/training/guard.h"

#include <filesystem>

namespace adder {

Checkpoint snapshot(const Trainer& trainer, const RunIdentity& identity) {
  Checkpoint c = trainer.snapshot();
  c.tokenizer_json = identity.tokenizer_json;
  c.data_hash = identity.data_hash;
  c.source_json = identity.source_json;
  c.attributes = identity.attributes;
  return c;
}

int64_t Guard::due_step(int64_t step) const {
  const int64_t every = trainer_.config().checkpoint.every;
  return every > 0 ? step / every * every : 0;
}

StepReport Guard::act(const DivergedError& problem) {
  const GuardConfig& g = trainer_.config().guard;
  const std::string dump = write_dump(problem.what()), text = std::string(problem.what()) + "; `adder probe " + dump + "` explains it";
  if (g.action == "stop") throw DivergedError(text);
  if (trainer_.guarded() >= g.most)
    throw DivergedError(text + ". The guard has acted " + std::to_string(g.most) + " times before (guard.most)");
  std::string done = "its update is left out";
  if (rolls_back()) {
    done = "back to the weights of step " + std::to_string(roll_back());
  } else {
    try {
      trainer_.require_finite_parameters();
    } catch (const DivergedError& e) {
      throw DivergedError(text + ". guard.action \"skip\" does not help: " + e.what());
    }
  }
  trainer_.count_guard();
  StepReport report = trainer_.skip_step();
  report.guarded = done;
  observer_.on_guard(report.step, text + ". " + done);
  return report;
}

void Guard::mend(const DivergedError& problem) {
  if (!rolls_back() || trainer_.guarded() >= trainer_.config().guard.most) throw problem;
  const int64_t step = roll_back();
  trainer_.count_guard();
  observer_.on_guard(trainer_.steps_done(), std::string(problem.what()) + ". Back to the weights of step " + std::to_string(step));
}

// To the newest sound checkpoint that was due; its step.
int64_t Guard::roll_back() {
  const std::vector<CheckpointFile> files = run_.checkpoints();
  for (auto file = files.rbegin(); file != files.rend(); ++file) {
    if (file->step > trainer_.steps_done() || due_step(file->step) != file->step) continue;
    try {
      trainer_.take_weights(read_checkpoint(file->path), file->path);
      return file->step;
    } catch (const UnreadableError&) {
    }
  }
  throw DivergedError(run_.checkpoint_folder() + ": holds no sound checkpoint to go back to (guard.action \"rollback\")");
}

std::string Guard::write_dump(const std::string& reason) const {
  const std::string path = run_.dump_path(trainer_.steps_done() + 1);
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  Checkpoint c = snapshot(trainer_, identity_);
  c.batch = trainer_.batch_of_step();
  c.attributes.push_back({"guard", reason});
  write_checkpoint(path, c);
  return path;
}

}  // namespace adder
