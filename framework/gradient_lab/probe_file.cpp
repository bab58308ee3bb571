#include "framework/data/hdf5.h"
#include "framework/gradient_lab/probe_report.h"
#include "framework/training/durable_file.h"

namespace adder::lab {
namespace {

Tensor counted(int64_t n) {
  const Tensor t = Tensor::empty({n}, DType::i32);
  for (int64_t i = 0; i < n; ++i) t.data<int32_t>()[i] = int32_t(i);
  return t;
}

void write_spectrum(Hdf5File& file, const Spectrum& s) {
  const Lyapunov& l = s.lyapunov;
  const std::string group = "/lyapunov/" + s.block + "/";
  const int64_t count = int64_t(l.exponents.size()), batches = int64_t(l.batches.size());
  std::vector<double> all;
  for (const auto& batch : l.batches) all.insert(all.end(), batch.begin(), batch.end());
  file.write(group + "exponent", counted(count));
  file.write(group + "batch", counted(batches));
  file.write(group + "exponents", Tensor::from<double>({count}, l.exponents));
  file.write(group + "errors", Tensor::from<double>({count}, l.errors));
  file.write(group + "batches", Tensor::from<double>({batches, count}, all));
  file.set_scales(group + "exponents", {group + "exponent"});
  file.set_scales(group + "errors", {group + "exponent"});
  file.set_scales(group + "batches", {group + "batch", group + "exponent"});
  file.set_attribute(group, "method", s.method);
  file.set_attribute(group, "size", l.size);
  file.set_attribute(group, "steps", l.steps);
  file.set_attribute(group, "batch_steps", l.batch_steps);
}

void write_total(Hdf5File& file, const TotalAdjoint& total) {
  file.write_strings("/total/place", total.places);
  file.write("/total/time", counted(total.norms.dim(1)));
  file.write("/total/adjoint", total.norms);
  file.set_scales("/total/adjoint", {"/total/place", "/total/time"});
  file.set_attribute("/total/adjoint", "units", "log10 of the norm of d (the sum of all losses) / d what stands there, mean of the probes");
}

void write_product(Hdf5File& file, const LongProduct& product) {
  const std::string group = "/long_jacobian/" + product.block + "/";
  std::vector<double> sigma, frobenius, rank;
  std::vector<int32_t> lags;
  for (const JacobianNorms& n : product.norms) {
    lags.push_back(int32_t(n.lag)), sigma.push_back(n.sigma[0]), frobenius.push_back(n.frobenius);
    rank.push_back(n.stable_rank());
  }
  const Shape shape = {int64_t(lags.size())};
  file.write(group + "lag", Tensor::from<int32_t>(shape, lags));
  for (const auto& [name, values] : {std::pair{"sigma_max", &sigma}, {"frobenius", &frobenius}, {"stable_rank", &rank}}) {
    file.write(group + name, Tensor::from<double>(shape, *values));
    file.set_scales(group + name, {group + "lag"});
  }
  file.set_attribute(group, "method", product.method);
}

void write_all(Hdf5File& file, const Probe& probe, const ProbeSubject& subject) {
  const LagProfile& p = probe.profile;
  file.write("/lag", counted(probe.lags() + 1));
  file.write("/probe", counted(probe.probes()));
  file.write_strings("/place", p.places);
  file.write("/stream", p.stream);
  file.set_scales("/stream", {"/place", "/probe", "/lag"});
  file.set_attribute("/stream", "units", "log10 of the norm of d loss_t / d stream at t - lag");
  if (!p.states.empty()) {
    file.write_strings("/state_name", p.states);
    file.write("/state", p.state);
    file.set_scales("/state", {"/state_name", "/probe", "/lag"});
    file.set_attribute("/state", "units", "log10 of the norm of d loss_t / d the state that token t - lag leaves");
  }
  write_total(file, probe.total);
  for (const Spectrum& s : probe.spectra) write_spectrum(file, s);
  for (const LongProduct& product : probe.products) write_product(file, product);
  file.set_attribute("/", "title", subject.title);
  file.set_attribute("/", "command", subject.command);
  for (const auto& [name, value] : subject.facts) file.set_attribute("/", name, value);
  file.set_attribute("/", "memory_length", p.memory.xi());
  for (size_t i = 0; i < probe.findings.size(); ++i) {
    const Finding& f = probe.findings[i];
    file.set_attribute("/", "finding_" + std::to_string(i), f.what + ": " + name(f.verdict) + ": " + f.text);
  }
}

}  // namespace

void write_probe_file(const std::string& path, const Probe& probe, const ProbeSubject& subject) {
  DurableFile durable(path);
  Hdf5File file = Hdf5File::create(durable.temporary());
  write_all(file, probe, subject);
  file.close();
  durable.commit();
}

}  // namespace adder::lab
