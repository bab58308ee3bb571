// loss: nats a token over the whole test split (the validation split where there is no other), after the last step.
#include "framework/studies/measures/measure.h"

namespace adder::studies {
namespace {

class Quality : public Measure {
 public:
  When when() const override { return When::trained; }
  std::vector<std::string> values(const Config&) const override { return {"loss"}; }
  std::string unit(const std::string&) const override { return "nats a token"; }
  void fields(Fields&) override {}
  int64_t window(const Config& arm) const override { return arm.evaluation_window(); }
  Values of_run(const Ran& run) const override {
    const JsonValue* loss = run.result.find("loss");
    if (!loss) return {};
    return {{"loss", number_of(*loss)}};
  }
};

}  // namespace

std::shared_ptr<Measure> make_quality() { return std::make_shared<Quality>(); }

}  // namespace adder::studies
