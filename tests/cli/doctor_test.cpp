// adder doctor: deliberate lacks are found, and each has its line.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "kernels/simd_target.h"
#include "tests/support/command_line.h"

namespace adder {
namespace {

using namespace testing_cli;
using nlohmann::json;

// "lack" of the line of that name; "" where it is well.
std::string lack(const Ran& ran, const std::string& name) {
  const json result = json::parse(ran.out);
  for (const json& line : result["lines"])
    if (line["name"] == name) return line["ok"] ? "" : std::string(line["lack"]) + " | " + std::string(line["mend"]);
  return "no such line";
}

TEST(CliDoctor, TellsWhatIsHere) {
  Workspace work;
  const Ran ran = work.run({"doctor"});
  EXPECT_TRUE(ran.code == 0 || ran.code == 1) << ran.err;
  for (const char* said : {"adder 0.", "commit", "g++", "HDF5 1.", "Highway 1.", "CUDA", "avx512, avx2, scalar built", "in use",
                           "cores", "threads in use", "free", "scripts/fetch-data shakespeare"})
    EXPECT_TRUE(has(ran.out, said));
}

TEST(CliDoctor, AnUnknownSimdTargetIsALack) {
  Workspace work;
  const Ran ran = work.run({"doctor", "--json"}, {{"ADDER_SIMD", "neon"}});
  EXPECT_EQ(ran.code, 1) << ran.err;
  EXPECT_FALSE(json::parse(ran.out)["ok"]);
  EXPECT_TRUE(has(lack(ran, "SIMD"), "\"neon\" is not available here"));
  EXPECT_TRUE(has(lack(ran, "SIMD"), "unset ADDER_SIMD"));
}

TEST(CliDoctor, ASlowerSimdTargetIsALack) {
  if (kernels::simd_targets().size() < 2) GTEST_SKIP() << "this processor has no AVX2, so there is one target only";
  Workspace work;
  const Ran slow = work.run({"doctor", "--json"}, {{"ADDER_SIMD", "scalar"}});
  EXPECT_EQ(slow.code, 1) << slow.err;
  EXPECT_TRUE(has(lack(slow, "SIMD"), "ADDER_SIMD=scalar holds back this machine, which has " + kernels::simd_targets()[0]));
  EXPECT_EQ(lack(work.run({"doctor", "--json"}, {{"ADDER_SIMD", kernels::simd_targets()[0]}}), "SIMD"), "");
}

TEST(CliDoctor, AFolderThatCantBeWrittenToIsALack) {
  if (geteuid() == 0) GTEST_SKIP() << "root may write everywhere";
  Workspace work;
  EXPECT_EQ(lack(work.run({"doctor", "--json"}), "this folder"), "");
  chmod(work.path().c_str(), 0555);
  const Ran ran = work.run({"doctor", "--json"});
  chmod(work.path().c_str(), 0755);
  EXPECT_EQ(ran.code, 1) << ran.err;
  EXPECT_TRUE(has(lack(ran, "this folder"), "can't be written to"));
}

}  // namespace
}  // namespace adder
