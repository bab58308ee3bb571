#include "framework/cli/output.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <limits>

#include "framework/cli/interruption.h"
#include "framework/cli/progress.h"

namespace adder {
namespace {

TEST(CliOutput, NumbersAsPeopleReadThem) {
  EXPECT_EQ(with_commas(0), "0");
  EXPECT_EQ(with_commas(999), "999");
  EXPECT_EQ(with_commas(1000), "1,000");
  EXPECT_EQ(with_commas(-1234567), "-1,234,567");
  EXPECT_EQ(with_commas(-123), "-123");
  EXPECT_EQ(duration(0.44), "0.4s");
  EXPECT_EQ(duration(59.4), "59s");
  EXPECT_EQ(duration(123), "2m03s");
  EXPECT_EQ(duration(3720), "1h02m");
  EXPECT_EQ(duration(3 * 86400 + 4 * 3600), "3d04h");
  EXPECT_EQ(duration(std::numeric_limits<double>::infinity()), "?");
}

TEST(CliOutput, WordsThatAShellReadsBack) {
  EXPECT_EQ(shell_quoted("runs/x_1.h5"), "runs/x_1.h5");
  EXPECT_EQ(shell_quoted("In the"), "'In the'");
  EXPECT_EQ(shell_quoted("it's"), "'it'\\''s'");
  EXPECT_EQ(shell_quoted(""), "''");
}

TEST(CliOutput, Columns) {
  EXPECT_EQ(aligned({{"a", "1"}, {"long", "2"}}), "a     1\nlong  2\n");
  EXPECT_EQ(table({"name", "n"}, {{"x", "10"}, {"longer", "5"}}), "name     n\nx       10\nlonger   5\n");
}

ProgressState half_way() {
  return {.step = 50,
          .steps = 100,
          .loss = 1.5,
          .learning_rate = 0.001,
          .tokens_per_second = 12345,
          .seconds_left = 61};
}

TEST(CliProgress, PlainLine) {
  EXPECT_EQ(progress_line(half_way()), "step 50/100  loss 1.5000  rate 0.001  12,345 tokens/s  ETA 1m01s");
}

TEST(CliProgress, BarFitsTheTerminal) {
  for (int width = 1; width < 200; ++width)
    EXPECT_LE(int(progress_bar(half_way(), width, false).size()), width);
  const std::string wide = progress_bar(half_way(), 120, false);
  EXPECT_EQ(wide, "[" + std::string(20, '#') + std::string(20, '-') +
                      "] 50/100  loss 1.5000  ETA 1m01s  12,345 tokens/s");
  EXPECT_EQ(progress_bar(half_way(), 120, true).find("\x1b[32m"), 1u);
  EXPECT_EQ(wide.find('\x1b'), std::string::npos);
}

TEST(CliProgress, MeanFollowsTheStepsOfLate) {
  StepTime time;
  EXPECT_EQ(time.mean(), 0);
  time.add(2);
  EXPECT_DOUBLE_EQ(time.mean(), 2);  // no bias towards 0 at the start
  for (int i = 0; i < 200; ++i) time.add(1);
  EXPECT_NEAR(time.mean(), 1, 1e-3);
}

TEST(CliInterruption, FirstSignalIsNotedAndTheOldHandlerReturns) {
  const auto old = signal(SIGINT, SIG_IGN);
  {
    const Interruption interruption;
    EXPECT_FALSE(interruption.requested());
    EXPECT_EQ(interruption.exit_code(), 0);
    raise(SIGINT);
    EXPECT_TRUE(interruption.requested());
    EXPECT_EQ(interruption.exit_code(), 130);
  }
  EXPECT_EQ(signal(SIGINT, old), SIG_IGN);
}

TEST(CliInterruptionDeathTest, SecondSignalQuitsAtOnce) {
  const auto twice = [](int number) {
    const Interruption interruption;
    raise(number);
    raise(number);
  };
  EXPECT_EXIT(twice(SIGINT), testing::ExitedWithCode(130), "");
  EXPECT_EXIT(twice(SIGTERM), testing::ExitedWithCode(143), "");
}

}  // namespace
}  // namespace adder
