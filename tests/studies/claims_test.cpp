// The studies of configs/claims resolve, in both forms, before anyone waits for a run of theirs.
#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "framework/studies/study_folder.h"
#include "models/registry.h"

namespace adder::studies {
namespace {

StudySet load(bool full) {
  const Surroundings around(model_registry(), [](const Config&) { return 65; }, [](const Config&) { return std::string("text"); });
  return load_set(std::string(ADDER_SOURCE_DIR) + "/configs/claims/all.json", full, around);
}

void expect_sound(const StudySet& set) {
  std::set<std::string> claims;
  for (const StudyPlan& plan : set.plans) {
    EXPECT_FALSE(plan.study.question.empty()) << plan.study.name;
    EXPECT_FALSE(plan.study.claims.empty()) << plan.study.name;
    EXPECT_FALSE(plan.jobs.empty()) << plan.study.name;
    for (const ClaimConfig& claim : plan.study.claims) EXPECT_TRUE(claims.insert(claim.id).second) << claim.id;
  }
  EXPECT_GE(claims.size(), 20u);
}

TEST(Claims, TheSmallFormResolves) { expect_sound(load(false)); }
TEST(Claims, TheFullFormHasSeedsEnoughToDecide) { expect_sound(load(true)); }

// The studies of configs/studies, in both forms, are small enough to be looked at here, and each has something to find.
TEST(Claims, TheOtherStudiesResolve) {
  const Surroundings around(model_registry(), [](const Config&) { return 65; }, [](const Config&) { return std::string("text"); }, [](const Config&) { return int64_t{1} << 20; });
  for (const auto& entry : std::filesystem::directory_iterator(std::string(ADDER_SOURCE_DIR) + "/configs/studies"))
    for (const bool full : {false, true}) {
      const StudySet set = load_set(entry.path().string(), full, around);
      for (const StudyPlan& plan : set.plans) {
        EXPECT_FALSE(plan.study.question.empty()) << entry.path();
        EXPECT_FALSE(plan.jobs.empty()) << entry.path();
        EXPECT_TRUE(!plan.study.claims.empty() || !plan.study.fits.empty()) << entry.path();
      }
    }
}

// What is stored reads back as the same study: the same arms, jobs and folders.
TEST(Claims, AStoredStudyIsTheSame) {
  const StudyConfig study = load_study(std::string(ADDER_SOURCE_DIR) + "/configs/claims/selection.json", false);
  const Surroundings around(model_registry(), [](const Config&) { return 15; }, [](const Config&) { return std::string("task"); });
  const StudyPlan first = plan_of(study, around, "");
  const StudyPlan again = plan_of(read_study(parse_json(dump(tree_of(study)), "study.json"), "study.json", false), Surroundings(model_registry(), around.found()), "");
  ASSERT_EQ(first.jobs.size(), again.jobs.size());
  for (size_t i = 0; i < first.jobs.size(); ++i) EXPECT_EQ(first.jobs[i].folder, again.jobs[i].folder);
}

}  // namespace
}  // namespace adder::studies
