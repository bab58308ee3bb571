// What adder probe prints of one model.
#pragma once
#include "framework/config/json.h"
#include "framework/gradient_lab/probe_report.h"

namespace adder {

JsonValue to_json(const std::vector<lab::Finding>& findings);
JsonValue to_json(const lab::Probe& probe, const lab::ProbeSubject& subject);
void print_text(const lab::Probe& probe, const lab::ProbeSubject& subject);

}  // namespace adder
