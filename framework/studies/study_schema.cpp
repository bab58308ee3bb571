// What editors read of a study's keys.
#include <set>

#include "framework/config/tree.h"
#include "framework/studies/study_config.h"

namespace adder::studies {
namespace {

// The keys of all measures, each name once: which of them belong to which measure the reader says.
struct AnyMeasure : MeasureConfig {
  void fields(Fields& f) override;
};

class Once : public Fields {
 public:
  explicit Once(Fields& to) : to_(to) {}

 protected:
  void visit(const Field& field) override {
    if (seen_.insert(field.key).second) to_.pass(field);
  }
  void visit_section(const std::string&, Options&, const std::string&) override {}
  void visit_list(const std::string&, const std::vector<Options*>&, const std::string&) override {}

 private:
  Fields& to_;
  std::set<std::string> seen_;
};

void AnyMeasure::fields(Fields& f) {
  Once once(f);
  MeasureConfig::fields(once);
  for (const MeasureKind& kind : measure_kinds()) kind.make()->fields(once);
}

struct StudyFile : Options {
  StudyConfig study;
  void fields(Fields& f) override;
};

// As the study's own, with one measure that has all keys.
class WithMeasures : public Fields {
 public:
  explicit WithMeasures(Fields& to) : to_(to) {}

 protected:
  void visit(const Field& field) override { to_.pass(field); }
  void visit_section(const std::string& key, Options& child, const std::string& doc) override { to_.section(key.c_str(), child, doc.c_str()); }
  void visit_list(const std::string& key, const std::vector<Options*>& children, const std::string& doc) override {
    to_.list(key.c_str(), key == "measures" ? std::vector<Options*>{&measure_} : children, doc.c_str());
  }

 private:
  Fields& to_;
  AnyMeasure measure_;
};

void StudyFile::fields(Fields& f) {
  WithMeasures all(f);
  study.fields(all);
}

}  // namespace

std::string study_schema() {
  StudyFile file;
  file.study.axes.resize(1), file.study.axes[0].arms.resize(1), file.study.claims.resize(1), file.study.measures.resize(1), file.study.fits.resize(1);
  return json_schema(file, "Adder study");
}

}  // namespace adder::studies
