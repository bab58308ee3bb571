// The report of a study: what is claimed and what came out on the first screen, then everything that was measured.
#pragma once
#include "framework/report/page.h"
#include "framework/studies/findings.h"

namespace adder::studies {

struct StudySet;

report::Page study_page(const StudySet& set, const std::vector<Findings>& all);
// The reviewers' checklist (what a comparison is criticised for), each passed, failed or open.
std::vector<std::pair<report::Tone, std::string>> checklist(const StudySet& set, const std::vector<Findings>& all);

std::string shown_number(double x);                       // three or four digits
std::string shown_interval(double low, double high);       // "[-0.003, 0.027]"
std::string shown_effect(const Verdict& v);               // "0.012 [-0.003, 0.027]"
std::string shown_claim(const ClaimConfig& c, const Verdict& v);  // one line

}  // namespace adder::studies
