// adder report: the page of a study, or of one run, made again from what lies in its folder.
#include <CLI/CLI.hpp>
#include <filesystem>

#include "framework/cli/command.h"
#include "framework/cli/output.h"
#include "framework/core/error.h"
#include "framework/report/run_page.h"
#include "framework/report/runs_page.h"
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
    std::error_code error;
    const std::filesystem::file_status status = std::filesystem::status(folder, error);
    const std::string found = !std::filesystem::exists(status) ? "there is no such folder" :
                              !std::filesystem::is_directory(status) ? "is no folder" : "holds neither study.json nor config.json and metrics.jsonl";
    throw UnreadableError(folder + ": " + found + "; expected what adder study or adder train --out has made");
  }
}

struct ReportOptions {
  std::vector<std::string> folders;
  std::string out;
};

int compare_runs(const ReportOptions& o) {
  if (o.folders.size() < 2) throw UsageError("--out is the folder of several runs' report, and 1 was given; leave it out, or give another run");
  std::string command = "adder report";
  for (const std::string& folder : o.folders) command += " " + shell_quoted(folder);
  report::write_runs_report(o.out, o.folders, command + " --out " + shell_quoted(o.out));
  print(o.out + "/report.html\n");
  return kOk;
}

}  // namespace

Action declare_report(CLI::App& app) {
  auto options = std::make_shared<ReportOptions>();
  app.add_option("DIR", options->folders, "folders of studies, or of runs")->required()->type_name("DIR");
  app.add_option("--out", options->out, "runs beside each other: their report and its figures as SVG files go there")->type_name("DIR");
  app.footer("Writes report.html, of a study results.json, results.csv and results.h5 too; byte for byte the same each time.\n"
             "Examples: adder report studies/all; adder report runs/shakespeare_mamba; adder report runs/a runs/b --out runs/a_and_b");
  return [options](const ModelFactory& factory) {
    if (!options->out.empty()) return compare_runs(*options);
    for (const std::string& folder : options->folders) {
      write(folder, factory);
      print(folder + "/report.html\n");
    }
    return int(kOk);
  };
}

}  // namespace adder
