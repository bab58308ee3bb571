// adder report: the page of a study, or of one run, made again from what lies in its folder.
#include <CLI/CLI.hpp>
#include <filesystem>

#include "framework/cli/command.h"
#include "framework/cli/output.h"
#include "framework/core/error.h"
#include "framework/report/run_page.h"
#include "framework/studies/study_folder.h"
#include "framework/training/run_folder.h"

namespace adder {
namespace {

bool holds_study(const std::string& folder) {
  std::error_code error;
  return std::filesystem::exists(folder + "/study.json", error);
}

void write(const std::string& folder, const ModelFactory& factory) {
  if (holds_study(folder)) {
    studies::write_report(studies::stored_set(folder, factory), folder);
  } else if (RunFolder(folder).holds_run()) {
    report::write_page(folder + "/report.html", report::run_page(folder));
  } else {
    throw UnreadableError(folder + ": holds neither study.json (a study's folder) nor config.json and metrics.jsonl (a run's)");
  }
}

}  // namespace

Action declare_report(CLI::App& app) {
  auto folders = std::make_shared<std::vector<std::string>>();
  app.add_option("DIR", *folders, "folders of studies, or of runs")->required()->type_name("DIR");
  app.footer("Writes report.html, of a study results.json, results.csv and results.h5 too; byte for byte the same each time.\n"
             "Examples: adder report studies/all; adder report runs/shakespeare_mamba");
  return [folders](const ModelFactory& factory) {
    for (const std::string& folder : *folders) {
      write(folder, factory);
      print(folder + "/report.html\n");
    }
    return int(kOk);
  };
}

}  // namespace adder
