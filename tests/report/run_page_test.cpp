// The page of one run says how it ended, beside what, draws what was logged, and loses no line without a word.
#include "framework/report/run_page.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "framework/core/error.h"
#include "framework/report/run_curves.h"
#include "framework/report/runs_page.h"
#include "framework/training/durable_file.h"
#include "tests/data/files.h"
#include "tests/support/check.h"

namespace adder::report {
namespace {

const char kConfig[] = R"({"name": "a <run>", "seed": 3, "data": {"train": ["text.txt"], "task": {"name": ""}},
  "model": {"architecture": "mamba", "d_model": 8}, "training": {"steps": 4, "batch_size": 2, "context_length": 16, "clip_norm": 1.0}})";
const char kMetrics[] =
    "{\"step\":1,\"train/loss\":3.5,\"grad_norm\":2.0,\"learning_rate\":0.001,\"tokens\":32,\"seconds\":0.01,"
    "\"health/update/a.weight\":0.001,\"health/spike\":0.5,\"health/histogram/gradient/a\":[0,3,5]}\n"
    "{\"step\":2,\"train/loss\":3.25,\"grad_norm\":1.5,\"learning_rate\":0.002,\"tokens\":64,\"seconds\":0.02,"
    "\"health/update/a.weight\":0.002,\"health/spike\":0.25}\n"
    "{\"step\":2,\"eval/loss\":2.125,\"eval/bits_per_byte\":3.0625,\"eval/floor\":1.875,\"eval/excess\":0.25,\"eval/excess_standard_error\":0.0625}\n"
    "{\"step\":4,\"train/loss\":3.0,\"grad_norm\":1.25,\"learning_rate\":0.001,\"tokens\":128,\"seconds\":0.02}\n"
    "{\"step\":4,\"eval/loss\":2.25,\"eval/bits_per_byte\":3.25,\"eval/floor\":1.875,\"eval/excess\":0.375,\"eval/excess_standard_error\":0.0625}\n";

std::string run_folder(const std::string& config, const std::string& metrics) {
  const std::string folder = testing_data::fresh_folder();
  write_durably(folder + "/config.json", config), write_durably(folder + "/metrics.jsonl", metrics);
  return folder;
}

bool says(const std::string& html, const std::string& text) { return html.find(text) != std::string::npos; }

TEST(RunPage, SaysHowItEndedAndBesideWhat) {
  const std::string folder = run_folder(kConfig, kMetrics), html = run_page(folder).html();
  for (const char* text : {"a &lt;run&gt;", "what was chosen by it flatters it", "validation loss 2.25 at step 4, 2.125 at its best, step 2", "0.375 above the text&#39;s own source (standard error 0.062)",
                           "3.25 bits a byte", "4 of 4 steps, 128 tokens", "one run of one seed", ">floor<", ">clipped at<", "<title>Loss</title>",
                           "<title>Gradient norm</title>", "<title>Learning rate</title>", "<title>Speed</title>", "tokens a second", "<title>health/update</title>", "a.weight", "health/spike",
                           "model.architecture"})
    EXPECT_TRUE(says(html, text)) << text;
  EXPECT_FALSE(says(html, "a <run>"));
  EXPECT_FALSE(says(html, "ended, or stands"));
  EXPECT_FALSE(says(html, "Held-out accuracy"));
  EXPECT_FALSE(says(html, "histogram")) << "a list is no curve";
  EXPECT_EQ(html, run_page(folder).html());
}

TEST(RunPage, OfARunThatBrokeOff) {
  const std::string all(kMetrics), html = run_page(run_folder(kConfig, all.substr(0, all.find("{\"step\":4,\"train/loss\"") + 30))).html();
  EXPECT_TRUE(says(html, "it ended, or stands, at step 2 of 4"));
  EXPECT_TRUE(says(html, "only half there"));
}

TEST(RunPage, OfARunThatDiverged) {
  const std::string html = run_page(run_folder(kConfig, "{\"step\":1,\"train/loss\":3.0}\n{\"step\":2,\"train/loss\":\"nan\"}\n")).html();
  EXPECT_TRUE(says(html, "verdict bad"));
  EXPECT_TRUE(says(html, "a loss was not finite"));
  EXPECT_TRUE(says(html, "training loss not a number; nothing was evaluated"));
}

TEST(RunPage, OfATask) {
  std::string config(kConfig);
  config.replace(config.find("\"name\": \"\""), 10, "\"name\": \"parity\"");
  const std::string html = run_page(run_folder(config, "{\"step\":4,\"train/loss\":0.5,\"seconds\":0.5}\n"
                                                       "{\"step\":4,\"eval/loss\":0.25,\"eval/token_accuracy\":0.875,\"eval/sequence_accuracy\":0.5,\"eval/solved\":0,"
                                                       "\"task/chance\":0.5,\"task/baseline_loss\":0.69,\"task/threshold\":0.95,\"eval/token_accuracy@64\":0.75}\n")).html();
  for (const char* text : {"held-out loss 0.25 at step 4", "memory loses 0.69; 87.5 % of the scored tokens are right; 50 % of the sequences", ">chance<", ">threshold<", "token_accuracy@64", "steps a second"})
    EXPECT_TRUE(says(html, text)) << text;
}

TEST(RunPage, NamesWhatItCannotRead) {
  EXPECT_TRUE(says(message_of([] { run_page(run_folder(kConfig, "{\"step\":1}\n[]\n")); }), "metrics.jsonl, line 2"));
  EXPECT_TRUE(says(message_of([] { run_page(run_folder(kConfig, "{\"step\":1}\n{\"ste\n{\"step\":2}\n")); }), "metrics.jsonl, line 2"));
  const std::string folder = run_folder(kConfig, kMetrics);
  std::filesystem::remove(folder + "/metrics.jsonl");
  EXPECT_TRUE(says(message_of([&] { run_page(folder); }), "metrics.jsonl: no such file"));
}

TEST(RunCurves, ThinningLosesNoSpike) {
  Curve curve{"x", {}, {}};
  for (int i = 0; i < 10'000; ++i) curve.steps.push_back(i), curve.values.push_back(std::sin(i * 0.01));
  curve.values[7777] = 50, curve.values[1234] = -40;
  const Curve thin = thinned(curve, 100);
  EXPECT_LE(thin.values.size(), 100u);
  EXPECT_TRUE(std::is_sorted(thin.steps.begin(), thin.steps.end()));
  EXPECT_EQ(*std::max_element(thin.values.begin(), thin.values.end()), 50);
  EXPECT_EQ(*std::min_element(thin.values.begin(), thin.values.end()), -40);
  curve.values[5000] = NAN;
  const Curve broken = thinned(curve, 100);
  EXPECT_TRUE(std::any_of(broken.values.begin(), broken.values.end(), [](double x) { return std::isnan(x); }));
  EXPECT_EQ(thinned(curve, 10'000).values.size(), 10'000u);
}

// A run of 20,000 logged steps is far below the megabyte that a page may have.
TEST(RunPage, StaysSmall) {
  std::string metrics;
  for (int i = 1; i <= 20'000; ++i)
    metrics += "{\"step\":" + std::to_string(i) + ",\"train/loss\":" + std::to_string(3.0 / i) + ",\"grad_norm\":1,\"learning_rate\":0.001,\"tokens\":32,\"seconds\":0.01}\n";
  EXPECT_LT(run_page(run_folder(kConfig, metrics)).html().size(), 400'000u);
}

TEST(RunsPage, DrawsRunsOnSharedAxes) {
  const std::string folder = testing_data::fresh_folder(), a = folder + "/one", b = folder + "/two", out = folder + "/both";
  for (const std::string& each : {a, b, out}) std::filesystem::create_directory(each);
  for (const std::string& run : {a, b}) write_durably(run + "/config.json", kConfig);
  write_durably(a + "/metrics.jsonl", kMetrics);
  write_durably(b + "/metrics.jsonl", "{\"step\":1,\"train/loss\":3.0,\"grad_norm\":112.8}\n");
  write_runs_report(out, {a, b}, "adder report a b");
  const std::string html = read_text_file(out + "/report.html"), norms = read_text_file(out + "/gradient_norm.svg");
  for (const char* text : {"2 runs", "112.8", "Validation loss", "Training loss", "adder report a b"}) EXPECT_TRUE(says(html, text)) << text;
  for (const char* run : {">one<", ">two<"}) EXPECT_TRUE(says(norms, run)) << run;
  EXPECT_THROW(write_runs_report(out, {a, out}, ""), UnreadableError);
}

}  // namespace
}  // namespace adder::report
