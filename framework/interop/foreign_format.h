// The formats of foreign folders, one line each in foreign_format.cpp: what is read, and what is written.
#pragma once
#include <vector>

#include "framework/interop/foreign_layout.h"

namespace adder {

struct ForeignFormat {
  const char* name;                        // of `adder export --format`, and Hugging Face's model_type
  bool hugging_face;                       // else torch's own names
  std::vector<std::string> architectures;  // of ours, that it is for
  ForeignLayout (*layout)(const ForeignConfig&);
  ForeignJson (*config)(const OwnModel&);
};

const std::vector<ForeignFormat>& foreign_formats();
// Of folders whose config.json says "format": kParityFormat.
inline constexpr char kParityFormat[] = "parity-lm/1";
const ForeignFormat& torch_format();

}  // namespace adder
