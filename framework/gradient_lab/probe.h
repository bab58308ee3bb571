// All that `adder probe` measures of one model on some stretches of tokens, and what it says about it in words.
#pragma once
#include <string>
#include <vector>

#include "framework/gradient_lab/lag_profile.h"
#include "framework/gradient_lab/long_jacobian.h"
#include "framework/gradient_lab/lyapunov.h"
#include "framework/gradient_lab/total_adjoint.h"

namespace adder::lab {

// The exponents of one block's recurrent state, along the first stretch.
struct Spectrum {
  std::string block;         // "blocks.0"
  std::string method;        // "closed form" (the state's factors are known), or "QR"
  Lyapunov lyapunov;
  double log_growth() const;  // log10 of e^(first exponent * steps): what becomes of a small difference on the way
};

// The products of one block's Jacobians over the last tokens of the first stretch.
struct LongProduct {
  std::string block, method;         // "closed form", or "exact"
  std::vector<JacobianNorms> norms;  // by lag: 1, 2, 4, …
};
inline constexpr int64_t kMostExact = 128;  // numbers of a state whose products are carried whole

enum class Verdict { healthy, vanishing, exploding, wrong };
std::string name(Verdict verdict);

struct Finding {
  std::string what;  // "reach in time", "depth", "blocks.0.mixer"
  Verdict verdict;
  std::string text;  // with its figures
};

struct Probe {
  LagProfile profile;
  TotalAdjoint total;              // of the whole loss, by place and time
  std::vector<Spectrum> spectra;   // a block with a recurrent state each
  std::vector<LongProduct> products;  // the same, where the state is small or its factors are known
  std::vector<Finding> findings;
  int64_t probes() const { return profile.embedding.dim(0); }
  int64_t lags() const { return profile.embedding.dim(1) - 1; }
};

// Beyond these bounds a finding is no longer healthy. What is smaller than 2^-23 of its neighbours is rounded away when
// gradients are added up in float32; what is a hundred times larger outshouts them.
inline constexpr double kVanished = -6.92, kExploded = 2;  // decades
inline constexpr double kDepth = 3;                        // decades between the last layer and the embedding, either way

inline constexpr int64_t kLeastTokens = 16;  // ten stretches of steps are where the exponents' errors come from

// The model is float64; ids, labels int32 (probes, length), length at least kLeastTokens; the loss is that of each row's
// last token. `exponents`: of each block, the largest; 0: none are measured. An Error names the model that has no
// gradients or reads no tokens.
Probe probe(Model& model, const Tensor& ids, const Tensor& labels, int64_t exponents);

std::vector<Spectrum> spectra(Model& model, const Tensor& ids, int64_t exponents);
std::vector<LongProduct> long_products(Model& model, const Tensor& ids);
std::vector<Finding> findings(const LagProfile& profile, const std::vector<Spectrum>& spectra);

}  // namespace adder::lab
