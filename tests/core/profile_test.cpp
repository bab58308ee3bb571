// The lap timer: who gets the time, what work is counted, and that nothing is without it.
#include "framework/core/profile.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "framework/core/tape.h"
#include "framework/ops/add.h"
#include "framework/ops/linear.h"

namespace adder {
namespace {

void sleep(int milliseconds) { std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds)); }

const Profile::Row* find(const Profile& profile, const std::string& name) {
  for (const Profile::Row& row : profile.rows())
    if (row.name == name) return &row;
  return nullptr;
}

// An identity that takes its time, forward and backward.
Var slow(const Var& x, int forward, int backward) {
  sleep(forward);
  return record("slow", x.value().clone(), {x}, [backward](const Adjoints& g) {
    sleep(backward);
    g.give(0, g.out(0));
  });
}

TEST(Profile, AnOpThatTakesLongGetsItsTime) {
  Profile profile;
  profile.begin_step();
  Tape tape;
  tape.profile(&profile);
  const Var x = tape.leaf(Tensor::full({4, 8}, 1)), w = tape.leaf(Tensor::full({8, 8}, 1));
  tape.backward(slow(ops::linear(x, w, {}), 20, 40));
  profile.end_step();
  const Profile::Row* row = find(profile, "slow");
  ASSERT_TRUE(row);
  EXPECT_EQ(row->forward.calls, 1);
  EXPECT_EQ(row->backward.calls, 1);
  EXPECT_GE(row->forward.seconds, 0.020);
  EXPECT_GE(row->backward.seconds, 0.040);
  EXPECT_NEAR(profile.total().seconds, profile.seconds(), 1e-9);  // every moment has a row
  EXPECT_GE(profile.seconds(), 0.060);
  const Profile::Row* linear = find(profile, "linear");
  ASSERT_TRUE(linear);
  EXPECT_LT(linear->forward.seconds + linear->backward.seconds, profile.seconds() - 0.060);
}

TEST(Profile, WorkIsCountedFromShapes) {
  Profile profile;
  profile.begin_step();
  Tape tape;
  tape.profile(&profile);
  const Var x = tape.leaf(Tensor::full({4, 8}, 1)), w = tape.leaf(Tensor::full({16, 8}, 1));
  tape.backward(ops::linear(x, w, {}));
  profile.end_step();
  const Profile::Row& row = *find(profile, "linear");
  const double product = 2 * 4 * 8 * 16, in = 4.0 * (4 * 8 + 16 * 8), out = 4.0 * (4 * 16);
  EXPECT_EQ(row.forward.flops, product);
  EXPECT_EQ(row.backward.flops, 2 * product);
  EXPECT_EQ(row.forward.bytes, in + out);
  EXPECT_EQ(row.backward.bytes, in + out + in);
}

TEST(Profile, AProductWhoseInputIsAConstantHasHalfTheBackwardWork) {
  Profile profile;
  profile.begin_step();
  Tape tape;
  tape.profile(&profile);
  tape.backward(ops::linear(Tensor::full({4, 8}, 1), tape.leaf(Tensor::full({16, 8}, 1)), {}));
  EXPECT_EQ(find(profile, "linear")->backward.flops, 2 * 4 * 8 * 16);
}

TEST(Profile, TheFirstStepIsForgottenOnceASecondBegins) {
  Profile profile;
  profile.begin_step();
  profile.forward("first");
  profile.end_step();
  EXPECT_EQ(profile.steps(), 1);
  EXPECT_TRUE(find(profile, "first"));
  for (int i = 0; i < 2; ++i) {
    profile.begin_step();
    profile.forward("later");
    profile.end_step();
  }
  EXPECT_EQ(profile.steps(), 2);
  EXPECT_FALSE(find(profile, "first"));
  EXPECT_EQ(find(profile, "later")->forward.calls, 2);
}

TEST(Profile, NothingIsRecordedWhereNoneIsGiven) {
  Profile profile;
  Tape tape;
  tape.profile(&profile);
  tape.profile(nullptr);
  const Var x = tape.leaf(Tensor::full({4}, 1));
  tape.backward(ops::add(x, x));
  EXPECT_TRUE(profile.rows().empty());
  EXPECT_EQ(profile.total().calls, 0);
}

}  // namespace
}  // namespace adder
