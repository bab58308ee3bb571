// What the two halves of Hdf5File (hdf5_read.cpp, hdf5.cpp) share over HDF5's C interface. Not for others.
#pragma once
#include <hdf5.h>

#include <string>
#include <vector>

#include "framework/core/tensor.h"

namespace adder::hdf5 {

// An identifier of HDF5's that is closed at the end of its scope.
class Handle {
 public:
  Handle(hid_t id, herr_t (*close)(hid_t)) : id_(id), close_(close) {}
  ~Handle() { if (id_ >= 0) close_(id_); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  operator hid_t() const { return id_; }
  bool valid() const { return id_ >= 0; }

 private:
  hid_t id_;
  herr_t (*close_)(hid_t);
};

// Comes before every other call: HDF5 keeps its printing switch per thread.
void silence();
// The innermost cause of the call that just failed, as HDF5 tells it.
std::string reason();
// "model//x", "a/./b" and "" are refused with a UsageError; "/a/b.c" is {"a", "b.c"}; "/" is {}.
std::vector<std::string> components(const std::string& path);
std::string absolute(const std::string& path);  // with exactly one "/" in front
std::string type_name(hid_t type);
Handle utf8_type();  // variable-length UTF-8 string

}  // namespace adder::hdf5
