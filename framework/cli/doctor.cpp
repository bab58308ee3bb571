// adder doctor: what was built, what this machine has, and what is missing, with the line that mends it.
#include <H5public.h>
#include <hwy/highway.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <filesystem>
#ifndef ADDER_TSAN
#include <oneapi/tbb/version.h>
#endif

#include "framework/cli/command.h"
#include "framework/cli/output.h"
#include "framework/cli/version.h"
#include "framework/core/error.h"
#include "framework/core/words.h"
#include "framework/measure/machine.h"
#include "kernels/device.h"
#include "kernels/matmul/bf16.h"
#include "kernels/parallel.h"
#include "kernels/simd_target.h"

namespace adder {
namespace {

namespace fs = std::filesystem;
constexpr int64_t kMegabyte = 1024 * 1024, kLeastDisk = 1024 * kMegabyte, kLeastMemory = 512 * kMegabyte;

struct Line {
  std::string name, value;
  std::string lack = {};  // what is wrong; "": all is well
  std::string mend = {};  // what to type, or to do
};

std::string gigabytes(int64_t bytes) { return decimals(double(bytes) / double(1024 * kMegabyte), 1) + " GB"; }

// ---- what was built -----------------------------------------------------------------------------

Line program() {
  Line line{"program", version_line()};
  if (version_line().find("Release") == std::string::npos)
    line.lack = "this build is not optimised", line.mend = "cmake --preset release && cmake --build --preset release";
  return line;
}

Line libraries() {
  unsigned major = 0, minor = 0, release = 0;
  H5get_libversion(&major, &minor, &release);
  std::string text = "HDF5 " + std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(release);
#ifndef ADDER_TSAN
  text += ", oneTBB " + std::string(TBB_runtime_version());
#endif
  return {"libraries", text + ", Highway " + std::to_string(HWY_MAJOR) + "." + std::to_string(HWY_MINOR) + "." +
                           std::to_string(HWY_PATCH)};
}

Line cuda() {
  const bool driver = access("/dev/nvidiactl", F_OK) == 0 || access("/dev/dxg", F_OK) == 0;
  const bool usable = kernels::available(kernels::Device::cuda);
  return {"CUDA", std::string(usable ? "built and usable" : "not in this build, or no device to use") +
                      (driver ? "; a driver is there" : "; no driver is there")};
}

// ---- what this machine has ----------------------------------------------------------------------

Line simd() {
  const std::vector<std::string> usable = kernels::simd_targets();
  Line line{"SIMD", listed(kernels::built_simd_targets()) + " built; " + listed(usable) + " usable"};
  try {
    line.value += "; " + kernels::simd_target() + " in use";
    if (kernels::simd_target() != usable[0])
      line.lack = "ADDER_SIMD=" + kernels::simd_target() + " holds back this machine, which has " + usable[0];
  } catch (const std::invalid_argument& problem) {
    line.lack = std::string("ADDER_SIMD: ") + problem.what();
  }
  if (!line.lack.empty()) line.mend = "unset ADDER_SIMD";
  return line;
}

Line bf16() {
  const std::string instruction = kernels::bf16_instruction();
  if (!instruction.empty()) return {"bf16", instruction + " in use"};
  if (!kernels::bf16_dot::available()) return {"bf16", "no instruction for it: \"bf16\" multiplies as float32 does, in the same time"};
  return {"bf16", "VDPBF16PS is there, but half as fast as float32's multiply-adds on this make of processor: those are used, "
                  "to the same bits"};
}

Line processor(const Machine& m) {
  std::string text = (m.processor.empty() ? "" : m.processor + "; ") + std::to_string(m.cores) + " cores";
  if (m.allowed < m.cores) text += ", " + std::to_string(m.allowed) + " of them for this process";
  text += m.cpu_limit > 0 ? ", limited to the time of " + significant(m.cpu_limit, 3) : ", no limit";
  text += "; " + std::to_string(kernels::threads()) + " threads in use";
  Line line{"processor", text};
  if (m.cpu_limit > 0 && kernels::threads() > int(m.cpu_limit + 0.999))
    line.lack = "more threads than the limit grants time for: they will wait for each other",
    line.mend = "adder train … --threads " + std::to_string(std::max(1, int(m.cpu_limit)));
  return line;
}

Line memory(const Machine& m) {
  Line line{"memory", gigabytes(m.memory_available) + " of " + gigabytes(m.memory) + " free" +
                          (m.memory_limit > 0 ? ", limited to " + gigabytes(m.memory_limit) : ", no limit")};
  if (m.memory_to_use() < kLeastMemory)
    line.lack = "little memory is free", line.mend = "end what else is running; `adder plan CONFIG` tells what a run needs";
  return line;
}

// ---- where we are -------------------------------------------------------------------------------

Line folder() {
  std::error_code error;
  const fs::path here = fs::current_path(error);
  const fs::space_info space = fs::space(here, error);
  Line line{"this folder", here.string() + (error ? "" : ", " + gigabytes(int64_t(space.available)) + " free")};
  if (access(".", W_OK | X_OK) != 0)
    line.lack = "it can't be written to: a run has no place for its checkpoints",
    line.mend = "cd to a folder of yours, or give adder train --out DIR";
  else if (!error && int64_t(space.available) < kLeastDisk)
    line.lack = "less than 1 GB is free for checkpoints", line.mend = "adder train … --out DIR on a larger disk";
  return line;
}

Line data() {
  std::error_code error;
  if (!fs::is_directory("data", error)) return {"data", "no folder data here; scripts/fetch-data shakespeare makes one"};
  int64_t files = 0;
  for (const auto& entry : fs::directory_iterator("data", error)) files += entry.is_regular_file(error);
  return {"data", std::to_string(files) + (files == 1 ? " file" : " files") + " in data"};
}

// ---- the command --------------------------------------------------------------------------------

JsonValue to_json(const std::vector<Line>& lines, bool well) {
  JsonValue result = JsonValue::object(), list = JsonValue::array();
  result.set("ok", well);
  for (const Line& line : lines) {
    JsonValue entry = JsonValue::object();
    entry.set("name", line.name);
    entry.set("value", line.value);
    entry.set("ok", line.lack.empty());
    if (!line.lack.empty()) entry.set("lack", line.lack), entry.set("mend", line.mend);
    list.push(std::move(entry));
  }
  result.set("lines", std::move(list));
  return result;
}

void print_lines(const std::vector<Line>& lines, int64_t lacks) {
  std::vector<std::pair<std::string, std::string>> rows;
  for (const Line& line : lines) {
    rows.emplace_back(line.name, line.value);
    if (!line.lack.empty()) rows.emplace_back("", "LACK: " + line.lack), rows.emplace_back("", "  mend: " + line.mend);
  }
  print(aligned(rows) + (lacks ? "\n" + std::to_string(lacks) + (lacks == 1 ? " lack\n" : " lacks\n") : "\nall is well\n"));
}

int doctor_command(bool json) {
  const Machine machine = this_machine();
  const std::vector<Line> lines = {program(),          {"compiler", "g++ " __VERSION__}, libraries(), cuda(), simd(), bf16(),
                                   processor(machine), memory(machine),                  folder(),    data()};
  int64_t lacks = 0;
  for (const Line& line : lines) lacks += !line.lack.empty();
  if (json)
    print_json(to_json(lines, lacks == 0));
  else
    print_lines(lines, lacks);
  return lacks ? kFailure : kOk;
}

}  // namespace

Action declare_doctor(CLI::App& app) {
  auto json = std::make_shared<bool>(false);
  app.add_flag("--json", *json, "the result as one JSON document");
  app.footer("Exit code 0: nothing is missing, 1: something is, and the line below it mends it.");
  return [json](const ModelFactory&) { return doctor_command(*json); };
}

}  // namespace adder
