// Arms of a study: what is read of all of them together.
#include "framework/studies/arms.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "models/registry.h"
#include "tests/support/check.h"

namespace adder::studies {
namespace {

// A value that only the second arm has is a value of the study, and a claim on the first that needs it is refused.
TEST(Arms, ValuesAreThoseOfAllArms) {
  const char text[] = R"({"base": {"data": {"task": {"name": "parity", "length": 8}}, "model": {"architecture": "rnn", "d_model": 8, "n_layers": 1}},
    "axes": [{"name": "length", "key": "data.task.length", "values": [8, 16]}], "seeds": [1], "measures": [{"name": "task"}],
    "claims": [{"id": "x", "statement": "x", "measure": "task.accuracy@16", "arms": ["ARM"], "relation": "at_least", "bound": 0}]})";
  const auto with = [&](const std::string& arm) {
    std::string changed = text;
    return read_study(parse_json(changed.replace(changed.find("ARM"), 3, arm), "study"), "study", false);
  };
  const Surroundings here(model_registry(), [](const Config&) { return 8; }, [](const Config&) { return std::string("task"); });
  const StudyConfig sound = with("16");
  const std::vector<std::string> values = values_of(*sound.measures[0].measure, arms_of(sound, here));
  for (const char* value : {"accuracy@8", "accuracy@16"}) EXPECT_EQ(std::count(values.begin(), values.end(), value), 1) << value;
  const std::string message = message_of([&] { arms_of(with("8"), here); });
  EXPECT_NE(message.find("there is no value \"task.accuracy@16\" of 8"), std::string::npos) << message;
}

}  // namespace
}  // namespace adder::studies
