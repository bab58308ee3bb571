// The corpus: text files mapped into memory, in a fixed order, seen as a list of pieces. Nothing is copied.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace adder {

// A file mapped read-only for as long as this lives; an empty file is an empty view.
class MappedFile {
 public:
  explicit MappedFile(const std::string& path);  // UnreadableError where it can't be
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  std::string_view view() const { return {data_, size_}; }

 private:
  const char* data_ = nullptr;
  size_t size_ = 0;
};

struct TextPiece {
  std::string file;       // "" for a separator
  std::string_view text;  // never empty
};

class Text {
 public:
  // Each source is a file, a folder (all files below it, sorted by path; names that begin with "." are passed
  // over) or a glob (matches sorted); what a killed writer left half-written (*.adder-tmp) is passed over, too. `separator` stands between two files. `key` ("data.train") opens every
  // error. UnreadableError: nothing found, not readable, or no text in all of it.
  static Text load(const std::vector<std::string>& sources, const std::string& separator = "",
                   const std::string& key = "data.train");
  static Text from_string(const std::string& text, const std::string& separator = "");  // of no file
  // Documents that are held in memory, each with the name that messages call it by; `separator` between two.
  struct Document { std::string name, text; };
  static Text of_documents(const std::vector<Document>& documents, const std::string& separator = "");

  const std::vector<TextPiece>& pieces() const { return pieces_; }
  // Where documents start, in bytes, increasing: at each file, and after each separator, in the files as well
  // as between them. A separator ends the document before it; one that follows another one starts nothing.
  std::vector<int64_t> document_starts() const;
  int64_t size() const { return size_; }  // bytes, separators included
  int64_t file_count() const { return int64_t(files_.size()); }

 private:
  void append(const std::string& file, std::string_view text);

  std::vector<std::shared_ptr<const MappedFile>> files_;
  std::vector<std::shared_ptr<const std::string>> held_;  // what pieces that are no file point into
  std::string separator_;
  std::vector<TextPiece> pieces_;
  int64_t size_ = 0;
};

// The files that `sources` name, as Text::load opens them.
std::vector<std::string> find_files(const std::vector<std::string>& sources, const std::string& key);

}  // namespace adder
