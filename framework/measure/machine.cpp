#include "framework/measure/machine.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>

namespace adder {
namespace {

constexpr char kGroups[] = "/sys/fs/cgroup";

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// The value after "name" and a colon, in a file of such lines.
std::string value_in(const std::string& path, const std::string& name) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(name)) continue;
    const size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    const size_t value = line.find_first_not_of(" \t", colon + 1);
    return value == std::string::npos ? "" : line.substr(value);
  }
  return "";
}

int64_t kilobytes(const std::string& name) {
  return int64_t(std::strtoll(value_in("/proc/meminfo", name).c_str(), nullptr, 10)) * 1024;
}

// The process's own group and those above it, where the file systems of version 2 are: the tightest limit holds.
std::string own_group() {
  std::ifstream file("/proc/self/cgroup");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("0::")) return line.substr(3);
  return "/";
}

template <class F>
void for_each_group(F f) {
  std::string group = own_group();
  while (true) {
    f(kGroups + (group == "/" ? "" : group) + "/");
    if (group.empty() || group == "/") return;
    group.resize(std::max<size_t>(1, group.rfind('/')));
  }
}

double cpu_limit() {
  double least = 0;
  for_each_group([&](const std::string& folder) {
    std::istringstream text(first_line(folder + "cpu.max"));
    double quota = 0, period = 0;
    if (text >> quota >> period && period > 0) least = least > 0 ? std::min(least, quota / period) : quota / period;
  });
  return least;
}

int64_t memory_limit() {
  int64_t least = 0;
  for_each_group([&](const std::string& folder) {
    const int64_t bytes = std::strtoll(first_line(folder + "memory.max").c_str(), nullptr, 10);  // "max": 0
    if (bytes > 0) least = least > 0 ? std::min(least, bytes) : bytes;
  });
  return least;
}

}  // namespace

int64_t Machine::memory_to_use() const {
  return memory_limit > 0 ? std::min(memory_available, memory_limit) : memory_available;
}

Machine this_machine() {
  Machine m;
  m.processor = value_in("/proc/cpuinfo", "model name");
  m.cores = int(std::max(1L, sysconf(_SC_NPROCESSORS_ONLN)));
  cpu_set_t set;
  m.allowed = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : m.cores;
  m.cpu_limit = cpu_limit();
  m.memory = kilobytes("MemTotal"), m.memory_available = kilobytes("MemAvailable");
  m.memory_limit = memory_limit();
  return m;
}

int64_t resident_bytes() {
  return int64_t(std::strtoll(value_in("/proc/self/status", "VmRSS").c_str(), nullptr, 10)) * 1024;
}

}  // namespace adder
