#include "framework/data/text.h"

#include <fcntl.h>
#include <glob.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "framework/core/error.h"

namespace adder {
namespace fs = std::filesystem;

namespace {

std::string because(int code) { return std::strerror(code); }

struct Descriptor {
  int fd;
  ~Descriptor() { if (fd >= 0) ::close(fd); }
};

// Texts that the project's own scripts make.
std::string remedy(const std::string& path) {
  const fs::path plain = fs::path(path).lexically_normal();
  if (plain.empty() || *plain.begin() != "data") return "";
  if (plain == "data/bible.txt") return "; `scripts/quickstart` or `scripts/fetch-data bible` makes it";
  if (plain == "data/shakespeare.txt") return "; `scripts/fetch-data shakespeare` makes it";
  return "; `scripts/fetch-data bible` makes data/bible.txt, `scripts/fetch-data shakespeare` "
         "data/shakespeare.txt";
}

[[noreturn]] void fail(const std::string& key, const std::string& path, const std::string& what) {
  throw UnreadableError(key + ": " + path + ": " + what);
}

// What a killed writer left (training/durable_file.h) is no text.
bool half_written(const std::string& path) { return path.ends_with(".adder-tmp"); }

std::vector<std::string> files_below(const std::string& folder, const std::string& key) {
  std::vector<std::string> found;
  std::error_code code;
  fs::recursive_directory_iterator at(folder, code);
  for (; !code && at != fs::recursive_directory_iterator(); at.increment(code)) {
    const bool hidden = at->path().filename().string().starts_with('.');
    std::error_code unreadable;  // shows when the file is opened
    if (hidden && at->is_directory(unreadable)) at.disable_recursion_pending();
    if (!hidden && !at->is_directory(unreadable)) found.push_back(at->path().string());
  }
  std::erase_if(found, half_written);
  if (code) fail(key, folder, "folder can't be read: " + code.message());
  if (found.empty())
    fail(key, folder, "folder holds no file; put text files into it, or name others" + remedy(folder));
  std::sort(found.begin(), found.end());
  return found;
}

std::vector<std::string> matches(const std::string& pattern, const std::string& key) {
  glob_t list{};
  const int status = ::glob(pattern.c_str(), GLOB_NOSORT, nullptr, &list);
  std::vector<std::string> found(list.gl_pathv, list.gl_pathv + (status == 0 ? list.gl_pathc : 0));
  ::globfree(&list);
  std::erase_if(found, half_written);
  if (found.empty()) fail(key, pattern, "no file matches" + remedy(pattern));
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace

MappedFile::MappedFile(const std::string& path) {
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  struct stat info {};
  if (file.fd < 0 || ::fstat(file.fd, &info) < 0)
    throw UnreadableError(path + ": can't be opened: " + because(errno));
  if (!S_ISREG(info.st_mode)) throw UnreadableError(path + ": expected a regular file");
  if (info.st_size == 0) return;  // mmap refuses to map nothing
  void* address = ::mmap(nullptr, size_t(info.st_size), PROT_READ, MAP_PRIVATE, file.fd, 0);
  if (address == MAP_FAILED) throw UnreadableError(path + ": can't be mapped into memory: " + because(errno));
  data_ = static_cast<const char*>(address);
  size_ = size_t(info.st_size);
}

MappedFile::~MappedFile() {
  if (data_) ::munmap(const_cast<char*>(data_), size_);
}

std::vector<std::string> find_files(const std::vector<std::string>& sources, const std::string& key) {
  if (sources.empty()) throw UnreadableError(key + ": names no file");
  std::vector<std::string> files;
  for (const std::string& source : sources) {
    // A path that is there is meant as it stands, even with a "*" in its name.
    std::vector<std::string> paths{source};
    std::error_code code;
    if (!fs::exists(source, code)) {
      if (code && code != std::errc::no_such_file_or_directory)
        fail(key, source, "can't be read: " + code.message());
      if (source.find_first_of("*?[") == std::string::npos)
        fail(key, source, "no such file or folder" + remedy(source));
      paths = matches(source, key);
    }
    for (const std::string& path : paths) {
      if (!fs::is_directory(path, code)) {
        files.push_back(path);
        continue;
      }
      const std::vector<std::string> below = files_below(path, key);
      files.insert(files.end(), below.begin(), below.end());
    }
  }
  return files;
}

void Text::append(const std::string& file, std::string_view text) {
  if (text.empty()) return;
  pieces_.push_back({file, text});
  size_ += int64_t(text.size());
}

Text Text::load(const std::vector<std::string>& sources, const std::string& separator, const std::string& key) {
  Text text;
  text.held_.push_back(std::make_shared<const std::string>(separator));
  text.separator_ = separator;
  const std::vector<std::string> files = find_files(sources, key);
  for (const std::string& path : files) {
    std::shared_ptr<const MappedFile> file;
    try {
      file = std::make_shared<const MappedFile>(path);
    } catch (const UnreadableError& error) {
      throw UnreadableError(key + ": " + error.what());
    }
    if (file->view().empty()) continue;
    if (!text.pieces_.empty()) text.append("", *text.held_.front());
    text.append(path, file->view());
    text.files_.push_back(std::move(file));
  }
  if (text.size_ == 0) {
    const std::string others = files.size() > 1 ? " (and " + std::to_string(files.size() - 1) + " more)" : "";
    fail(key, files.front() + others, "holds no text (0 bytes), expected some" + remedy(files.front()));
  }
  return text;
}

namespace {

// Adds the starts in the piece that begins at byte `base`; `open`: one is due as soon as other text comes.
void starts_in(const TextPiece& piece, int64_t base, const std::string& separator, bool& open,
               std::vector<int64_t>& starts) {
  if (!piece.file.empty()) open = true;
  for (size_t at = 0; at < piece.text.size();) {
    const size_t end = separator.empty() ? std::string_view::npos : piece.text.find(separator, at);
    if (open && end != at) starts.push_back(base + int64_t(at)), open = false;
    if (end == std::string_view::npos) return;
    at = end + separator.size(), open = true;
  }
}

}  // namespace

std::vector<int64_t> Text::document_starts() const {
  std::vector<int64_t> starts;
  int64_t base = 0;
  bool open = true;
  for (const TextPiece& piece : pieces_) {
    starts_in(piece, base, separator_, open, starts);
    base += int64_t(piece.text.size());
  }
  return starts;
}

Text Text::from_string(const std::string& value, const std::string& separator) {
  Text text;
  text.separator_ = separator;
  text.held_.push_back(std::make_shared<const std::string>(value));
  text.append("", *text.held_.front());
  return text;
}

Text Text::of_documents(const std::vector<Document>& documents, const std::string& separator) {
  Text text;
  text.held_.push_back(std::make_shared<const std::string>(separator));
  text.separator_ = separator;
  for (const Document& document : documents) {
    if (document.text.empty()) continue;
    if (!text.pieces_.empty()) text.append("", *text.held_.front());
    text.held_.push_back(std::make_shared<const std::string>(document.text));
    text.append(document.name, *text.held_.back());
  }
  return text;
}

}  // namespace adder
