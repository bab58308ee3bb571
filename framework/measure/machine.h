// What this machine has, as the kernel tells it.
#pragma once
#include <cstdint>
#include <string>

namespace adder {

struct Machine {
  std::string processor;     // "AMD EPYC …"; "" where it isn't told
  int cores = 1;             // online, counting two for one with two threads
  int allowed = 1;           // those that this process may run on
  double cpu_limit = 0;      // cores' worth of time that the control group grants; 0: no limit
  int64_t memory = 0, memory_available = 0;  // bytes
  int64_t memory_limit = 0;  // of the control group; 0: none
  // What a process can still get: available, and within the limit.
  int64_t memory_to_use() const;
};
Machine this_machine();

int64_t resident_bytes();  // of this process; 0 where the kernel does not tell

}  // namespace adder
