#include "framework/training/durable_file.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string_view>

#include "framework/core/error.h"

namespace adder {

namespace fs = std::filesystem;

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  if (this != &other) {
    close();
    fd_ = other.fd_;
    other.fd_ = -1;
  }
  return *this;
}

void Descriptor::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

std::string errno_text() { return std::strerror(errno); }

// ---- reading ----------------------------------------------------------------------------------------------

Descriptor open_for_reading(const std::string& path) {
  // Without O_NONBLOCK opening a pipe would wait for a writer for ever.
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.open()) throw UnreadableError(path + ": cannot be opened: " + errno_text());
  struct stat status {};
  if (fstat(file.get(), &status) != 0) throw UnreadableError(path + ": " + errno_text());
  if (S_ISDIR(status.st_mode)) throw UnreadableError(path + ": is a folder, expected a file");
  if (!S_ISREG(status.st_mode)) throw UnreadableError(path + ": is not a regular file");
  return file;
}

uint64_t file_size(const Descriptor& file, const std::string& path) {
  struct stat status {};
  if (fstat(file.get(), &status) != 0) throw UnreadableError(path + ": " + errno_text());
  return uint64_t(status.st_size);
}

void read_at(const Descriptor& file, const std::string& path, uint64_t offset, void* to, size_t bytes) {
  auto* at = static_cast<char*>(to);
  const uint64_t end = offset + bytes;
  while (bytes > 0) {
    const ssize_t got = pread(file.get(), at, std::min(bytes, size_t{1} << 30), off_t(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw UnreadableError(path + ": cannot be read: " + errno_text());
    if (got == 0)
      throw UnreadableError(path + ": ends at byte " + std::to_string(offset) + ", expected " +
                            std::to_string(end));
    at += got;
    offset += uint64_t(got);
    bytes -= size_t(got);
  }
}

void append(const Descriptor& file, const std::string& path, const std::string& text) {
  for (size_t done = 0; done < text.size();) {
    const ssize_t n = ::write(file.get(), text.data() + done, text.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw Error("cannot write " + path + ": " + errno_text());
    done += size_t(n);
  }
}

void sync(const Descriptor& file, const std::string& path) {
  if (::fsync(file.get()) != 0) throw Error("cannot write " + path + ": " + errno_text());
}

std::string read_text_file(const std::string& path, uint64_t limit) {
  const Descriptor file = open_for_reading(path);
  const uint64_t size = file_size(file, path);
  if (size > limit)
    throw UnreadableError(path + ": holds " + std::to_string(size) + " bytes, expected at most " +
                          std::to_string(limit));
  std::string text(size_t(size), '\0');
  read_at(file, path, 0, text.data(), text.size());
  return text;
}

// ---- writing ----------------------------------------------------------------------------------------------
namespace {

std::string folder_of(const std::string& path) {
  const fs::path parent = fs::path(path).parent_path();
  return parent.empty() ? "." : parent.string();
}

constexpr std::string_view kSuffix = ".adder-tmp";  // no other program's files may be taken for ours

// The writer's pid in `<name>.<pid>.adder-tmp`, or 0 for any other file.
pid_t writer_of(std::string_view name) {
  if (!name.ends_with(kSuffix)) return 0;
  name.remove_suffix(kSuffix.size());
  const size_t dot = name.rfind('.');
  if (dot == std::string_view::npos || dot == 0) return 0;
  const std::string_view digits = name.substr(dot + 1);
  if (digits.empty() || digits.size() > 9) return 0;
  pid_t pid = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return 0;
    pid = pid * 10 + (c - '0');
  }
  return pid;
}

bool alive(pid_t pid) { return kill(pid, 0) == 0 || errno != ESRCH; }

}  // namespace

std::string temporary_name(const std::string& path) {
  return path + "." + std::to_string(getpid()) + std::string(kSuffix);
}

DurableFile::DurableFile(std::string path) : path_(std::move(path)), temporary_(temporary_name(path_)) {
  file_ = Descriptor(::open(temporary_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (!file_.open()) fail(errno_text());
}

DurableFile::~DurableFile() {
  if (!committed_ && file_.open()) unlink(temporary_.c_str());
}

void DurableFile::fail(const std::string& why) const { throw Error("cannot write " + path_ + ": " + why); }

void DurableFile::check_space(uint64_t bytes) {
  int result;
  do result = fallocate(file_.get(), 0, 0, off_t(bytes));
  while (result != 0 && errno == EINTR);
  // A file system that cannot reserve will say so when it is written.
  if (result != 0 && errno != EOPNOTSUPP && errno != ENOSYS)
    fail(errno_text() + " (" + std::to_string(bytes) + " bytes are needed)");
  if (ftruncate(file_.get(), 0) != 0) fail(errno_text());
}

void DurableFile::write_at(uint64_t offset, const void* from, size_t bytes) {
  const auto* at = static_cast<const char*>(from);
  while (bytes > 0) {
    const ssize_t put = pwrite(file_.get(), at, std::min(bytes, size_t{1} << 30), off_t(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) fail(errno_text());
    at += put;
    offset += uint64_t(put);
    bytes -= size_t(put);
  }
}

void DurableFile::commit(const Passed& passed) {
  const auto at = [&](const char* point) {
    if (passed) passed(point);
  };
  at("header");
  if (fsync(file_.get()) != 0) fail(errno_text());
  at("synced");
  if (rename(temporary_.c_str(), path_.c_str()) != 0) fail(errno_text());
  committed_ = true;
  at("renamed");
  sync_folder(folder_of(path_));
  at("done");
}

void write_durably(const std::string& path, const std::string& text) {
  DurableFile file(path);
  file.write_at(0, text.data(), text.size());
  file.commit();
}

void sync_folder(const std::string& folder) {
  const Descriptor opened(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!opened.open()) throw Error("cannot write in " + folder + ": " + errno_text());
  // Some file systems know no fsync of a folder: there is nothing more to ask of them.
  if (fsync(opened.get()) != 0 && errno != EINVAL && errno != ENOTSUP)
    throw Error("cannot write in " + folder + ": " + errno_text());
}

int remove_stale_temporaries(const std::string& folder, bool all) {
  int removed = 0;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder.empty() ? "." : folder, error)) {
    const pid_t pid = writer_of(entry.path().filename().string());
    if (pid == 0 || pid == getpid() || (!all && alive(pid))) continue;
    if (fs::remove(entry.path(), error)) ++removed;
  }
  return removed;
}

}  // namespace adder
