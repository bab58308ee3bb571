#include "framework/training/durable_folder.h"

#include <cstdio>
#include <filesystem>

#include "framework/core/error.h"
#include "framework/training/durable_file.h"

namespace adder {
namespace {

namespace fs = std::filesystem;

// Without a slash at the end, and what a link points to: a folder is renamed over it.
std::string settled(const std::string& path) {
  std::error_code error;
  fs::path whole = fs::weakly_canonical(fs::absolute(path, error), error);
  if (!whole.has_filename()) whole = whole.parent_path();
  return whole.string();
}

}  // namespace

void DurableFolder::check(const std::string& path) {
  std::error_code error;
  const fs::path whole = settled(path);
  if (fs::is_directory(whole, error)) {
    const fs::directory_iterator first(whole, error);
    if (first != fs::directory_iterator())
      throw UsageError(path + ": is not empty (there is " + first->path().filename().string() +
                       "); choose a folder that is new or empty");
  } else if (fs::exists(whole, error)) {
    throw UsageError(path + ": is a file, expected a folder that is new or empty");
  } else if (!fs::is_directory(whole.parent_path(), error)) {
    throw UsageError(path + ": there is no folder " + whole.parent_path().string());
  }
}

DurableFolder::DurableFolder(const std::string& path)
    : path_(settled(path)), temporary_(temporary_name(path_)) {
  check(path);
  std::error_code error;
  fs::remove_all(temporary_, error);  // of an earlier process that had this one's number
  if (!fs::create_directory(temporary_, error)) throw Error("cannot write " + path_ + ": " + error.message());
}

DurableFolder::~DurableFolder() {
  std::error_code error;
  if (!committed_) fs::remove_all(temporary_, error);
}

void DurableFolder::commit() {
  sync_folder(temporary_);
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0)
    throw Error("cannot write " + path_ + ": " + errno_text());
  committed_ = true;
  sync_folder(fs::path(path_).parent_path().string());
}

}  // namespace adder
