// A folder that is there whole or not at all: filled under a temporary name beside the final one, its files
// durable (durable_file.h), then renamed. A killed writer leaves `<name>.<pid>.adder-tmp` behind.
#pragma once
#include <string>

namespace adder {

class DurableFolder {
 public:
  // UsageError where `path` is a file or a folder that is not empty, or where the folder above is missing.
  static void check(const std::string& path);

  explicit DurableFolder(const std::string& path);  // checks, and creates the temporary folder
  DurableFolder(const DurableFolder&) = delete;
  DurableFolder& operator=(const DurableFolder&) = delete;
  ~DurableFolder();  // without commit() nothing stays

  std::string file(const std::string& name) const { return temporary_ + "/" + name; }
  void commit();

 private:
  std::string path_, temporary_;
  bool committed_ = false;
};

}  // namespace adder
