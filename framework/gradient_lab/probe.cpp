#include "framework/gradient_lab/probe.h"

#include <algorithm>
#include <cmath>

#include "framework/core/error.h"
#include "framework/core/shapes.h"
#include "framework/gradient_lab/block_jacobians.h"

namespace adder::lab {
namespace {

// The largest are kept; of the batches, too.
void keep_largest(Lyapunov& l, int64_t count) {
  const auto shorten = [&](std::vector<double>& x) { x.resize(std::min(x.size(), size_t(count))); };
  shorten(l.exponents), shorten(l.errors);
  for (auto& batch : l.batches) shorten(batch);
}

Spectrum spectrum_of(Model& model, const Tensor& ids, size_t block, const Decays& decays, int64_t exponents) {
  const std::string name = "blocks." + std::to_string(block);
  if (const auto found = decays.find(name); found != decays.end() && found->second.whole) {
    Spectrum s{name, "closed form", diagonal_lyapunov(found->second)};
    keep_largest(s.lyapunov, exponents);
    return s;
  }
  return {name, "QR", lyapunov(BlockJacobians(model, ids, block), {.count = exponents})};
}

}  // namespace

double Spectrum::log_growth() const { return lyapunov.exponents[0] * double(lyapunov.steps) / std::log(10.0); }

std::vector<Spectrum> spectra(Model& model, const Tensor& ids, int64_t exponents) {
  std::vector<Spectrum> list;
  const std::vector<int64_t> sizes = recurrent_sizes(model);
  const Tensor row = some_rows(ids, 0, 1);
  const Decays decays = decays_along(model, row);
  for (size_t block = 0; block < sizes.size(); ++block)
    if (sizes[block] > 0) list.push_back(spectrum_of(model, row, block, decays, exponents));
  return list;
}

std::vector<LongProduct> long_products(Model& model, const Tensor& ids) {
  std::vector<LongProduct> list;
  const std::vector<int64_t> sizes = recurrent_sizes(model);
  const Tensor row = some_rows(ids, 0, 1);
  const Decays decays = decays_along(model, row);
  std::vector<int64_t> lags;
  for (int64_t k = 1; k < row.dim(1); k *= 2) lags.push_back(k);
  for (size_t block = 0; block < sizes.size(); ++block) {
    const std::string name = "blocks." + std::to_string(block);
    const auto found = decays.find(name);
    if (found != decays.end() && found->second.whole)
      list.push_back({name, "closed form", diagonal_norms(found->second, lags, 1)});
    else if (sizes[block] > 0 && sizes[block] <= kMostExact)
      list.push_back({name, "exact", exact_norms(BlockJacobians(model, row, block), lags, 1)});
  }
  return list;
}

Probe probe(Model& model, const Tensor& ids, const Tensor& labels, int64_t exponents) {
  const Shapes check{"probe"};
  if (!model.differentiable()) check.fail("the model learns by counting: it has no gradients to probe");
  if (model.features() > 0) check.fail("the model reads real inputs, expected one that reads token ids");
  if (model.parameters().dtype() != DType::f64) check.fail("the model is float32, expected float64");
  const int64_t length = check("ids", ids, {"probes", "length"})[1];
  if (length < kLeastTokens)
    check.fail("a stretch has " + std::to_string(length) + " tokens, expected at least " + std::to_string(kLeastTokens));
  Probe p;
  p.profile = lag_profile(model, ids, labels, length - 1);
  p.total = total_adjoint(model, ids, labels);
  if (exponents > 0) p.spectra = spectra(model, ids, exponents), p.products = long_products(model, ids);
  p.findings = findings(p.profile, p.spectra);
  return p;
}

}  // namespace adder::lab
