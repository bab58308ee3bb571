// Named axes in Hdf5File: dimension scales by HDF5's own high-level library.
#include <hdf5_hl.h>

#include "framework/core/error.h"
#include "framework/data/hdf5.h"
#include "framework/data/hdf5_handle.h"

namespace adder {

using hdf5::Handle;

void Hdf5File::write_strings(const std::string& path, const std::vector<std::string>& texts) {
  std::vector<const char*> values;
  for (const std::string& text : texts) {
    if (text.find('\0') != std::string::npos)
      throw Error(file_ + ": dataset " + hdf5::absolute(path) + ": text with a NUL character can't be stored as a string");
    values.push_back(text.c_str());
  }
  const Handle type = hdf5::utf8_type();
  const char* none = "";  // HDF5 wants an address even for no strings
  put(path, type, type, {int64_t(texts.size())}, values.empty() ? &none : values.data());
}

void Hdf5File::set_scales(const std::string& dataset, const std::vector<std::string>& scales) {
  const std::string full = hdf5::absolute(dataset);
  const Shape shape = describe(full).shape;
  if (scales.size() != shape.size())
    throw Error(file_ + ": dataset " + full + " has " + std::to_string(shape.size()) + " axes, but " +
                std::to_string(scales.size()) + " scales are given");
  const Handle set(H5Dopen2(id(), full.c_str(), H5P_DEFAULT), H5Dclose);
  for (size_t axis = 0; axis < scales.size(); ++axis) {
    const std::string path = hdf5::absolute(scales[axis]);
    const Shape found = describe(path).shape;
    if (found != Shape{shape[axis]})
      throw Error(file_ + ": scale " + path + " has shape " + to_string(found) + ", expected [" +
                  std::to_string(shape[axis]) + "], as axis " + std::to_string(axis) + " of " + full);
    const Handle scale(H5Dopen2(id(), path.c_str(), H5P_DEFAULT), H5Dclose);
    const std::string name = path.substr(path.rfind('/') + 1);
    if (H5DSis_scale(scale) <= 0 && H5DSset_scale(scale, name.c_str()) < 0)
      throw Error(file_ + ": dataset " + path + " can't be made a scale: " + hdf5::reason());
    if (H5DSattach_scale(set, scale, unsigned(axis)) < 0)
      throw Error(file_ + ": scale " + path + " can't be attached to " + full + ": " + hdf5::reason());
  }
}

}  // namespace adder
