// Files that are there whole or not at all: written under a temporary name beside the final one, fsynced,
// renamed, and their folder fsynced. A killed writer leaves the old file untouched, and
// `<name>.<pid>.adder-tmp` behind.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

namespace adder {

// Owns a POSIX file descriptor.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor() { close(); }
  int get() const { return fd_; }
  bool open() const { return fd_ >= 0; }
  void close();

 private:
  int fd_;
};

// "No space left on device", for the errno of the moment.
std::string errno_text();

// Opens a regular file. UnreadableError where that fails, or where it is a folder, a pipe or a device.
Descriptor open_for_reading(const std::string& path);
uint64_t file_size(const Descriptor& file, const std::string& path);
// Reads exactly `bytes` at `offset`; UnreadableError where the file is shorter. `path` is for the message.
void read_at(const Descriptor& file, const std::string& path, uint64_t offset, void* to, size_t bytes);
// A whole file of at most `limit` bytes. UnreadableError.
std::string read_text_file(const std::string& path, uint64_t limit = uint64_t{1} << 40);

// All of it at the end of what was written, and onto the disk. `path` is for the message: an Error, "cannot write <path>: <why>".
void append(const Descriptor& file, const std::string& path, const std::string& text);
void sync(const Descriptor& file, const std::string& path);

// The file under its temporary name. Errors name the final path and the system's reason. Without commit() the
// temporary file is removed again.
class DurableFile {
 public:
  // Called with "header", "synced", "renamed" and "done" as commit() passes those points.
  using Passed = std::function<void(const char* point)>;

  explicit DurableFile(std::string path);  // creates the temporary file, empty
  DurableFile(const DurableFile&) = delete;
  DurableFile& operator=(const DurableFile&) = delete;
  ~DurableFile();

  const std::string& path() const { return path_; }
  const std::string& temporary() const { return temporary_; }
  const Descriptor& file() const { return file_; }
  // Fails now, not half way, where `bytes` don't fit on the disk or under the size limit. The file stays
  // empty.
  void check_space(uint64_t bytes);
  void write_at(uint64_t offset, const void* from, size_t bytes);
  void commit(const Passed& passed = nullptr);
  // An Error: "cannot write <path>: <why>".
  [[noreturn]] void fail(const std::string& why) const;

 private:
  std::string path_, temporary_;
  Descriptor file_;
  bool committed_ = false;
};

// <path>.<pid>.adder-tmp: where this process writes what will become `path`.
std::string temporary_name(const std::string& path);
// The whole file at once.
void write_durably(const std::string& path, const std::string& text);
// Makes renames and removals in a folder last.
void sync_folder(const std::string& folder);
// Removes what killed writers left in a folder; with `all` set (under a lock) also where the pid lives again.
// Returns how many went.
int remove_stale_temporaries(const std::string& folder, bool all = false);

}  // namespace adder
