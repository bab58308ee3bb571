// A config section lists its keys once, in fields(). Every visitor of that list (reader, writer, schema,
// key reference) is one class with one visit(); a section never knows who is looking.
//
//   struct LoggingConfig : Options {
//     int64_t every = 10;
//     void fields(Fields& f) override { f("every", every, "steps between lines", at_least(1)); }
//   };
#pragma once
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "framework/config/json.h"

namespace adder {

// Which numbers are allowed.
struct Range {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool low_open = false, high_open = false;  // open: the bound itself is not allowed
  // The most that can be handled: beyond it sizes would overflow. Told only to who exceeds it.
  double cap = std::numeric_limits<double>::infinity();
  bool contains(double x) const;
  std::string text() const;  // " of at least 1", " between 0 and 1", "" for any
};
Range at_least(double low);
Range above(double low);
Range size_range(double low = 1);  // of a model or batch: at most 2^24
Range count_range(double low);     // of steps and tokens: at most 2^31 - 1
Range between(double low, double high);    // both included
Range half_open(double low, double high);  // low included, high not

// One key: its name, what it means, where its value lives and what is allowed.
struct Field {
  using Value =
      std::variant<int64_t*, double*, bool*, std::string*, std::vector<int64_t>*, std::vector<double>*,
                   std::vector<std::string>*>;
  std::string key, doc;
  Value value;
  Range range = {};                                 // of a number, or of each number of a list
  size_t length = 0;                                // of a list of numbers; 0: any
  std::vector<std::string> allowed = {};            // of a string; empty: any
  std::map<std::string, std::string> refused = {};  // known strings that can't be had, and what to do instead

  std::string expected() const;  // "an integer of at least 1", `one of "adamw", "sgd"`
  JsonValue current() const;     // a list of one string is written as that string
};

struct Options;

class Fields {
 public:
  virtual ~Fields() = default;

  void operator()(const char* key, int64_t& v, const char* doc, Range range = {}) {
    visit({key, doc, &v, range});
  }
  void operator()(const char* key, double& v, const char* doc, Range range = {}) {
    visit({key, doc, &v, range});
  }
  void operator()(const char* key, bool& v, const char* doc) { visit({key, doc, &v}); }
  void operator()(const char* key, std::string& v, const char* doc) { visit({key, doc, &v}); }
  // In JSON a string or a list of strings.
  void operator()(const char* key, std::vector<std::string>& v, const char* doc) { visit({key, doc, &v}); }
  // A list of `length` numbers (0: any number of them), each within `range`.
  void operator()(const char* key, std::vector<double>& v, const char* doc, size_t length = 0,
                  Range range = {}) {
    visit({key, doc, &v, range, length});
  }
  void operator()(const char* key, std::vector<int64_t>& v, const char* doc, Range range = {}) {
    visit({key, doc, &v, range});
  }
  // A string out of `allowed`; `refused` gives other known strings a message of their own.
  void choice(const char* key, std::string& v, std::vector<std::string> allowed, const char* doc,
              std::map<std::string, std::string> refused = {}) {
    visit({key, doc, &v, {}, 0, std::move(allowed), std::move(refused)});
  }
  void pass(const Field& field) { visit(field); }  // from one visitor on to another
  // A JSON object of its own.
  void section(const char* key, Options& child, const char* doc) { visit_section(key, child, doc); }
  // A JSON list of objects, as many as there are children.
  void list(const char* key, const std::vector<Options*>& children, const char* doc) {
    visit_list(key, children, doc);
  }

 protected:
  virtual void visit(const Field& field) = 0;
  virtual void visit_section(const std::string& key, Options& child, const std::string& doc) = 0;
  virtual void visit_list(const std::string& key, const std::vector<Options*>& children,
                          const std::string& doc) = 0;
};

struct Options {
  virtual ~Options() = default;
  virtual void fields(Fields& f) = 0;
};

// The section as JSON, every key in the order of its list.
JsonValue write_fields(Options& options);

// "optimizer.learning_rate", …: the key paths of a section and its children, sections themselves included.
// Throws Error where a list names a key twice.
std::vector<std::string> key_paths(Options& options, const std::string& prefix = "");

// What a reader knows beside the lists: key paths that exist only under another choice, and the reason
// ("belongs to the architecture lstm; model.architecture is \"mamba\"").
struct KnownKeys {
  std::vector<std::string> paths;
  std::map<std::string, std::string> elsewhere;
};

// Sets the keys that `object` gives; the others keep their values. UsageError with file, line, column and key
// path for an unknown key (naming the nearest known one), a wrong type or a value out of range.
void read_fields(const JsonValue& object, const std::string& path, Options& options, const KnownKeys& known);

// The candidate nearest to `word` by edit distance, or "" where none is near.
std::string nearest(const std::string& word, const std::vector<std::string>& candidates);

}  // namespace adder
