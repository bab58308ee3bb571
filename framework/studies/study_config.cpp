#include "framework/studies/study_config.h"

#include <algorithm>
#include <filesystem>
#include <limits>
#include <set>
#include <utility>

#include "framework/config/tree.h"
#include "framework/core/error.h"
#include "framework/studies/statistics.h"

namespace adder::studies {
namespace {

namespace fs = std::filesystem;
using Kind = JsonValue::Kind;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

template <class T>
std::vector<Options*> pointers(std::vector<T>& items) {
  std::vector<Options*> list;
  for (T& item : items) list.push_back(&item);
  return list;
}

std::string shown(double x) { return dump(JsonValue(x)); }

// As many items as the list has, before it is read.
template <class T>
void make_items(const JsonValue& tree, const char* key, std::vector<T>& items) {
  const JsonValue* list = tree.find(key);
  if (!list) return;
  if (!list->is(Kind::array))
    throw UsageError(list->place.text() + ": " + key + ": expected a list of objects, found " + list->found());
  items.resize(list->items.size());
}

std::string known_measures() {
  std::string list;
  for (const MeasureKind& kind : measure_kinds()) list += (list.empty() ? "" : ", ") + kind.name;
  return list;
}

void choose_measure(const JsonValue& item, MeasureConfig& measure) {
  const JsonValue* named = item.find("name");
  if (!named || !named->is(Kind::string))
    throw UsageError((named ? named->place : item.place).text() + ": measures: each needs a name; known: " + known_measures());
  std::vector<std::string> names;
  for (const MeasureKind& kind : measure_kinds()) {
    if (kind.name == named->string) measure.measure = kind.make();
    names.push_back(kind.name);
  }
  if (measure.measure) return;
  const std::string near = nearest(named->string, names);
  throw UsageError(named->place.text() + ": measures: unknown measure " + dump(JsonValue(named->string)) +
                   (near.empty() ? "" : "; did you mean \"" + near + "\"?") + "; known: " + known_measures());
}

void make_lists(const JsonValue& tree, StudyConfig& study) {
  make_items(tree, "axes", study.axes), make_items(tree, "measures", study.measures), make_items(tree, "claims", study.claims);
  make_items(tree, "fits", study.fits);
  for (size_t i = 0; i < study.axes.size(); ++i) make_items(tree.find("axes")->items[i], "arms", study.axes[i].arms);
  for (size_t i = 0; i < study.measures.size(); ++i) choose_measure(tree.find("measures")->items[i], study.measures[i]);
  for (size_t i = 0; i < study.claims.size(); ++i) study.claims[i].place = tree.find("claims")->items[i].place;
  for (size_t i = 0; i < study.fits.size(); ++i) study.fits[i].place = tree.find("fits")->items[i].place;
}

// Out of the tree, which is then read for the rest.
void take_object(JsonValue& tree, const char* key, FreeKeys& into) {
  JsonValue* given = tree.find(key);
  if (!given || !given->is(Kind::object)) return;  // what is no object is refused when it is read
  into.tree = *given;
  given->items.clear();
}

void take_free_keys(JsonValue& tree, StudyConfig& study) {
  take_object(tree, "base", study.base), take_object(tree, "full", study.full);
  for (size_t i = 0; i < study.axes.size(); ++i) {
    JsonValue& axis = tree.find("axes")->items[i];
    if (JsonValue* values = axis.find("values"); values && values->is(Kind::array)) study.axes[i].values = std::exchange(values->items, {});
    for (size_t k = 0; k < study.axes[i].arms.size(); ++k) take_object(axis.find("arms")->items[k], "set", study.axes[i].arms[k].set);
  }
}

void check_axes(const StudyConfig& study, const std::string& where) {
  for (const AxisConfig& axis : study.axes) {
    const std::string here = where + ": axes: " + (axis.name.empty() ? "an axis" : axis.name) + ": ";
    if (axis.name.empty()) throw UsageError(here + "has no name");
    if (axis.arms.empty() == axis.values.empty())
      throw UsageError(here + "expected either arms, or key and values");
    if (axis.arms.empty() && axis.key.empty()) throw UsageError(here + "values are given, but no key that they belong to");
    std::set<std::string> names;
    for (const ArmConfig& arm : axis.arms) {
      if (arm.name.empty() || arm.name.find('/') != std::string::npos) throw UsageError(here + "each arm needs a name, without /");
      if (!names.insert(arm.name).second) throw UsageError(here + "two arms are named " + arm.name);
    }
  }
}

void check_seeds(const StudyConfig& study, const std::string& where) {
  if (study.seeds.empty()) throw UsageError(where + ": seeds: expected at least one");
  std::set<int64_t> seen;
  for (const int64_t seed : study.seeds)
    if (!seen.insert(seed).second)
      throw UsageError(where + ": seeds: " + std::to_string(seed) + " is given twice; a run of the same seed is the same run, it adds nothing");
}

void check_sweep(const StudyConfig& study, const std::string& where) {
  const SweepConfig& s = study.sweep;
  if (!s.given()) return;
  if (s.seeds.empty()) throw UsageError(where + ": sweep.seeds: expected at least one");
  for (const int64_t seed : s.seeds)
    if (std::find(study.seeds.begin(), study.seeds.end(), seed) != study.seeds.end())
      throw UsageError(where + ": sweep.seeds: " + std::to_string(seed) + " is among the study's seeds; a seed that chose a rate may not report on it");
  for (size_t i = 1; i < s.values.size(); ++i)
    if (!(s.values[i] > s.values[i - 1])) throw UsageError(where + ": sweep.values: expected rising values");
}

void check_claim(const ClaimConfig& c) {
  const std::string here = c.place.text() + ": claims: " + (c.id.empty() ? "a claim" : c.id) + ": ";
  if (c.id.empty() || c.statement.empty() || c.measure.empty()) throw UsageError(here + "id, statement and measure are needed");
  if (c.arms.empty() || c.arms.size() > 2) throw UsageError(here + "arms: expected one, or two that are compared");
  if (c.arms.size() == 2 && c.arms[0] == c.arms[1]) throw UsageError(here + "both arms are " + c.arms[0]);
  if (c.relation.empty()) throw UsageError(here + "relation is missing: at_least, at_most, within or equivalent");
  if (c.relation == "within" && (c.band.size() != 2 || !(c.band[0] < c.band[1])))
    throw UsageError(here + "relation within needs band: [low, high]");
  if (c.relation == "equivalent" && !(c.margin > 0)) throw UsageError(here + "relation equivalent needs a margin above 0");
  if (c.relation == "equivalent" && !c.paired()) throw UsageError(here + "relation equivalent compares two arms");
  if (c.compare == "ratio" && !c.paired()) throw UsageError(here + "a ratio needs two arms");
}

// A claim must be able to reach its level at all, in the form that is meant to decide it.
void check_power(const StudyConfig& study) {
  if (!study.is_full) return;
  const int64_t tests = int64_t(study.claims.size()), needed = tests ? statistics::seeds_for_sign_flip(study.alpha, tests) : 0;
  for (const ClaimConfig& c : study.claims) {
    const std::string name = c.measure.substr(0, c.measure.find('.')), value = c.measure.substr(c.measure.find('.') + 1);
    for (const MeasureConfig& m : study.measures) {
      if (m.name != name || m.measure->exact(value)) continue;
      const bool timed = m.measure->when() == When::timed || (m.measure->paced() && value == "pace"), swept = m.measure->when() == When::swept;
      const int64_t n = timed ? m.measure->rounds() : int64_t(swept ? study.sweep.seeds.size() : study.seeds.size());
      if (n < needed)
        throw UsageError(c.place.text() + ": claims: " + c.id + ": " + std::to_string(n) +
                         (timed ? " rounds" : swept ? " seeds of the sweep" : " seeds") + " can't decide " + std::to_string(tests) +
                         " claims at alpha " + shown(study.alpha) + ": 2^(1-n) <= alpha / claims needs " + std::to_string(needed));
    }
  }
}

void check(const StudyConfig& study) {
  const std::string& where = study.source;
  if (!study.studies.empty()) {
    if (!study.measures.empty() || !study.axes.empty() || !study.claims.empty())
      throw UsageError(where + ": studies: a set has no axes, measures and claims of its own; remove one or the other");
    return;
  }
  if (study.base.tree.items.empty()) throw UsageError(where + ": base is missing: the config that every run starts from");
  if (study.measures.empty()) throw UsageError(where + ": measures is missing; known: " + known_measures());
  check_axes(study, where);
  check_seeds(study, where);
  check_sweep(study, where);
  std::set<std::string> ids;
  for (const ClaimConfig& c : study.claims) {
    check_claim(c);
    if (!ids.insert(c.id).second) throw UsageError(c.place.text() + ": claims: two are named " + c.id);
  }
  std::set<std::string> fits;
  for (const FitConfig& fit : study.fits) {
    if (fit.id.empty()) throw UsageError(fit.place.text() + ": fits: each needs an id");
    if (!fits.insert(fit.id).second) throw UsageError(fit.place.text() + ": fits: two are named " + fit.id);
  }
  check_power(study);
}

}  // namespace

void ArmConfig::fields(Fields& f) {
  f("name", name, "of the arm, in tables and claims");
  f.section("set", set, "keys of the run: paths such as \"model.d_model\", or sections; null takes a key of the base away");
}

void AxisConfig::fields(Fields& f) {
  f("name", name, "of the axis");
  f("key", key, "the key path that the values are given to");
  f.list("values", {}, "a list of them");
  f.list("arms", pointers(arms), "in place of key and values: each a name and several keys");
}

void MatchConfig::fields(Fields& f) {
  f.choice("what", what, {"none", "parameters", "flops", "state"},
           "what all arms have alike: parameters outside embedding and head, FLOPs a training token, or bytes of state after a context");
  f("key", key, "the width that is solved for");
  f("reference", reference, "the arm that the others are matched to; its own width and steps stay");
  f("target", target, "in place of a reference: the number itself; beside one where budget is \"time\"", at_least(0));
  f("multiple", multiple, "widths are multiples of it", at_least(1));
  f("tolerance", tolerance, "the share by which an arm may miss the number, or the time", above(0));
  f.choice("budget", budget, {"tokens", "time"},
           "what every arm is trained with: as many steps as its config says, or as many as fit into the reference's time; tokens/s are timed once and stored");
}

void SweepConfig::fields(Fields& f) {
  f("key", key, "the key that is swept");
  f("values", values, "what every arm tries, rising; none: nothing is swept");
  f("seeds", seeds, "of these trials; they are not reported, so that the choice flatters no arm");
}

void MeasureConfig::fields(Fields& f) {
  std::vector<std::string> names;
  for (const MeasureKind& kind : measure_kinds()) names.push_back(kind.name);
  f.choice("name", name, names, "of the measure");
  if (measure) measure->fields(f);
}

void ClaimConfig::fields(Fields& f) {
  f("id", id, "a short name");
  f("statement", statement, "what is claimed, in words");
  f("measure", measure, "a measure and one of its values: quality.loss");
  f("arms", arms, "one, or A and B");
  f.choice("compare", compare, {"difference", "ratio"}, "A - B or A / B; of one arm its value is taken");
  f.choice("relation", relation, {"at_least", "at_most", "within", "equivalent"}, "to bound, band or margin");
  f("bound", bound, "of at_least and at_most");
  f("band", band, "of within: low and high");
  f("margin", margin, "of equivalent: differences up to it count as none", at_least(0));
}

void FitConfig::fields(Fields& f) {
  f("id", id, "a short name");
  f("measure", measure, "a value of trained models, above 0: quality.loss");
  f.choice("law", law, {"parameters", "tokens", "both"}, "E + A N^-alpha, E + B D^-beta, or E + A N^-alpha + B D^-beta; N: parameters outside embedding and head, D: tokens of training");
  f("arms", arms, "whose runs are its points; default: all");
  f("draws", draws, "of the bootstrap over runs", between(100, 100000));
  f("huber", huber, "residuals of the logarithm up to it count by their square", above(0));
}

double ClaimConfig::low() const {
  if (relation == "at_least") return bound;
  if (relation == "within") return band[0];
  if (relation == "equivalent") return compare == "ratio" ? 1 / (1 + margin) : -margin;
  return -kInfinity;
}

double ClaimConfig::high() const {
  if (relation == "at_most") return bound;
  if (relation == "within") return band[1];
  if (relation == "equivalent") return compare == "ratio" ? 1 + margin : margin;
  return kInfinity;
}

std::string ClaimConfig::text() const {
  const std::string what = measure + " of " + arms[0] + (paired() ? (compare == "ratio" ? " over " : " minus ") + arms[1] : "");
  if (relation == "at_least") return what + " at least " + shown(bound);
  if (relation == "at_most") return what + " at most " + shown(bound);
  return what + " from " + shown(low()) + " to " + shown(high());
}

void StudyConfig::fields(Fields& f) {
  f("name", name, "of the study's folder below studies/; default: the file's");
  f("question", question, "what it is to answer");
  f("doubts", doubts, "reasons not to believe its answer");
  f("studies", studies, "of a set of studies: their files, relative to this one");
  f.section("base", base, "the config that every run starts from; it may have an \"extends\" of its own");
  f.list("axes", pointers(axes), "what varies: every combination is an arm");
  f("seeds", seeds, "each arm runs with all of them; runs of one seed are paired");
  f.section("match", match, "what all arms have alike");
  f.section("sweep", sweep, "what each arm is tuned by before the runs that are reported");
  f.list("measures", pointers(measures), "what is measured");
  f.list("claims", pointers(claims), "what the measures are to decide; stated before the runs");
  f.list("fits", pointers(fits), "scaling laws, fitted to the runs");
  f("alpha", alpha, "how likely a study may be to decide any of its claims falsely", between(1e-6, 0.5));
  f.section("full", full, "what --full changes of this study: keys as here");
}

StudyConfig load_study(const std::string& path, bool full) {
  return read_study(parse_json(read_config_text(path, "studies: ls configs/studies/*.json configs/claims/*.json"), path), path, full);
}

StudyConfig read_study(JsonValue tree, const std::string& path, bool full) {
  if (!tree.is(Kind::object)) throw UsageError(tree.place.text() + ": expected an object { … }, found " + tree.found());
  tree.erase("$schema");
  if (const JsonValue* more = tree.find("full"); full && more && more->is(Kind::object)) {
    const JsonValue changes = *more;
    merge(tree, changes);
  }
  StudyConfig study;
  study.source = path, study.is_full = full;
  study.name = fs::path(path).stem().string();
  make_lists(tree, study);
  take_free_keys(tree, study);
  KnownKeys known;
  known.paths = key_paths(study);
  read_fields(tree, "", study, known);
  check(study);
  study.base.tree = with_bases(study.base.tree, path);
  return study;
}

JsonValue tree_of(const StudyConfig& study) {
  StudyConfig copy = study;
  JsonValue tree = write_fields(copy);
  tree.set("base", study.base.tree), tree.set("full", study.full.tree);
  for (size_t i = 0; i < study.axes.size(); ++i) {
    JsonValue& axis = tree.find("axes")->items[i];
    axis.find("values")->items = study.axes[i].values;
    for (size_t k = 0; k < study.axes[i].arms.size(); ++k) axis.find("arms")->items[k].set("set", study.axes[i].arms[k].set.tree);
  }
  return tree;
}

}  // namespace adder::studies
