#include "tests/support/process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

namespace adder {
namespace {

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string unique_path(const char* kind) {
  static std::atomic<int> count{0};
  return testing::TempDir() + "adder-" + std::to_string(getpid()) + "-" + std::to_string(count++) + "." + kind;
}

void redirect(const char* path, int flags, int to) {
  const int fd = ::open(path, flags, 0600);
  if (fd < 0 || dup2(fd, to) < 0) _exit(126);
}

}  // namespace

Process::Process(const std::vector<std::string>& command, const std::vector<std::string>& environment)
    : out_(unique_path("out")), err_(unique_path("err")) {
  pid_ = fork();
  if (pid_ == 0) {
    redirect("/dev/null", O_RDONLY, 0);
    redirect(out_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 1);
    redirect(err_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 2);
    for (const std::string& pair : environment) putenv(const_cast<char*>(pair.c_str()));
    std::vector<char*> arguments;
    for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    execv(arguments[0], arguments.data());
    _exit(127);
  }
}

Process::~Process() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  std::filesystem::remove(out_);
  std::filesystem::remove(err_);
}

void Process::signal(int number) const {
  if (pid_ > 0) kill(pid_, number);
}

std::string Process::err_so_far() const { return contents(err_); }

Ended Process::wait(double seconds) {
  const auto limit = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  int status = 0;
  while (waitpid(pid_, &status, WNOHANG) == 0) {
    if (std::chrono::steady_clock::now() > limit) {
      ADD_FAILURE() << "the program still ran after " << seconds << " s; it printed\n" << contents(out_) << contents(err_);
      kill(pid_, SIGKILL);
      waitpid(pid_, &status, 0);
      break;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  pid_ = -1;
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, WIFSIGNALED(status) ? WTERMSIG(status) : 0, contents(out_), contents(err_)};
}

Ended run_program(const std::vector<std::string>& command, const std::vector<std::string>& environment) {
  return Process(command, environment).wait();
}

Ended run_adder(std::vector<std::string> arguments, const std::vector<std::string>& environment) {
  arguments.insert(arguments.begin(), ADDER_BINARY);
  return run_program(arguments, environment);
}

std::string fresh_folder(const std::string& name) {
  const std::string path = testing::TempDir() + name + "-" + std::to_string(getpid());
  std::filesystem::remove_all(path);
  std::filesystem::create_directories(path);
  return path;
}

void write_text(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  ASSERT_TRUE(file.flush().good()) << path;
}

}  // namespace adder
