#include "framework/training/optimizer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>

#include "framework/checks/check_op.h"
#include "framework/core/error.h"
#include "framework/data/hdf5.h"
#include "framework/training/clip.h"
#include "kernels/adamw/ref.h"
#include "kernels/kernel.h"
#include "kernels/lion/ref.h"
#include "kernels/muon/ref.h"
#include "kernels/newton_schulz/newton_schulz.h"
#include "kernels/parallel.h"
#include "kernels/sgd/ref.h"
#include "kernels/simd_target.h"

namespace adder {
namespace {

constexpr DType kTypes[] = {DType::f32, DType::f64};

// max |got - want| / max |want - start|: the error of what a step changed.
double error_of_change(const Tensor& got, const Tensor& want, const Tensor& start) {
  double error = 0, peak = 0;
  for (int64_t i = 0; i < got.size(); ++i) {
    error = std::max(error, std::abs(got.item(i) - want.item(i)));
    peak = std::max(peak, std::abs(want.item(i) - start.item(i)));
  }
  return error / peak;
}

std::string bytes(const Tensor& t) {
  const Tensor c = t.clone();
  return std::string(static_cast<const char*>(c.raw()), size_t(c.size()) * bytes_of(c.dtype()));
}

Parameter& add(ParameterList& list, const std::string& name, const Tensor& value, bool decay) {
  Parameter& p = list.add(name, value.shape(), init::constant(0), decay);
  p.value.copy_from(value);
  return p;
}

kernels::Array<double> array_of(const Tensor& x) {
  kernels::Array<double> a({x.size()});
  for (int64_t i = 0; i < x.size(); ++i) a(i) = x.item(i);
  return a;
}
Tensor tensor_of(const kernels::Array<double>& a) { return Tensor::from(a.shape, a.data); }

TEST(Optimizer, AdamWMatchesItsDefinition) {
  for (const DType dtype : kTypes)
    for (const int64_t n : {1, 15, 16, 17, 8193}) {
      ParameterList list(1, dtype);
      const Tensor start = normal_input({n}, 1);
      add(list, "decays", start, true), add(list, "stays", start, false);
      const OptimizerOptions options{
          .name = "adamw", .beta1 = 0.8, .beta2 = 0.9, .eps = 1e-6, .weight_decay = 0.3};
      const auto optimizer = make_optimizer(options, list);
      Arrays<double> want[2];
      for (auto& w : want)
        w = {array_of(start), {}, kernels::Array<double>({n}), kernels::Array<double>({n})};
      for (int t = 1; t <= 3; ++t) {
        const Tensor g = normal_input({n}, uint64_t(10 + t), 0.1);
        for (int k = 0; k < 2; ++k) {
          list[size_t(k)].grad = g.to(dtype);
          want[k][1] = array_of(g);
          kernels::ref::AdamWSettings settings{.lr = 0.01, .beta1 = 0.8, .beta2 = 0.9, .eps = 1e-6};
          settings.weight_decay = k ? 0 : 0.3, settings.gradient_scale = 0.5, settings.t = t;
          const auto out = kernels::ref::adamw<double>(want[k], settings);
          want[k] = {out[0], want[k][1], out[1], out[2]};
        }
        optimizer->step(0.01, 0.5);
      }
      EXPECT_EQ(optimizer->steps(), 3);
      for (size_t k = 0; k < 2; ++k) {
        const double tolerance = dtype == DType::f32 ? 3e-5 : 1e-13;
        EXPECT_LT(error_of_change(list[k].value, tensor_of(want[k][0]), start), tolerance)
            << n << list[k].name;
        for (size_t slot = 0; slot < 2; ++slot)
          EXPECT_LT(error_of_change(optimizer->slots()[slot].second[k], tensor_of(want[k][2 + slot]),
                                    Tensor::zeros({n})),
                    dtype == DType::f32 ? 1e-6 : 1e-14);
      }
    }
}

TEST(Optimizer, SgdMatchesItsDefinition) {
  for (const DType dtype : kTypes)
    for (const auto& [momentum, nesterov] : {std::pair{0.0, false}, {0.9, false}, {0.9, true}})
      for (const int64_t n : {1, 15, 16, 17, 8193}) {
        ParameterList list(1, dtype);
        const Tensor start = normal_input({n}, 1);
        add(list, "decays", start, true);
        const auto optimizer = make_optimizer(
            {.name = "sgd", .weight_decay = 0.3, .momentum = momentum, .nesterov = nesterov}, list);
        Arrays<double> want = {array_of(start), {}, kernels::Array<double>({n})};
        for (int t = 1; t <= 3; ++t) {
          const Tensor g = normal_input({n}, uint64_t(10 + t), 0.1);
          list[0].grad = g.to(dtype);
          want[1] = array_of(g);
          kernels::ref::SgdSettings settings{.lr = 0.01, .momentum = momentum, .weight_decay = 0.3};
          settings.nesterov = nesterov, settings.gradient_scale = 0.5;
          const auto out = kernels::ref::sgd<double>(want, settings);
          want[0] = out[0], want[2] = out[1];
          optimizer->step(0.01, 0.5);
        }
        EXPECT_LT(error_of_change(list[0].value, tensor_of(want[0]), start),
                  dtype == DType::f32 ? 3e-5 : 1e-13);
      }
}

TEST(Optimizer, LionMatchesItsDefinition) {
  for (const DType dtype : kTypes)
    for (const int64_t n : {1, 15, 16, 17, 8193}) {
      ParameterList list(1, dtype);
      const Tensor start = normal_input({n}, 1);
      add(list, "decays", start, true), add(list, "stays", start, false);
      const auto optimizer =
          make_optimizer({.name = "lion", .beta1 = 0.75, .beta2 = 0.5, .weight_decay = 0.3}, list);
      Arrays<double> want[2];
      for (auto& w : want) w = {array_of(start), {}, kernels::Array<double>({n})};
      for (int t = 1; t <= 3; ++t) {
        // Binary fractions, so that every sum is exact and no sign hangs on rounding; some are always zero.
        Tensor g = normal_input({n}, uint64_t(10 + t), 1);
        for (int64_t i = 0; i < n; ++i) g.data<double>()[i] = i % 5 == 3 ? 0 : std::round(8 * g.item(i)) / 8;
        for (int k = 0; k < 2; ++k) {
          list[size_t(k)].grad = g.to(dtype);
          want[k][1] = array_of(g);
          const auto out = kernels::ref::lion(want[k], {.lr = 0.01, .beta1 = 0.75, .beta2 = 0.5,
                                                        .weight_decay = k ? 0 : 0.3, .gradient_scale = 0.5});
          want[k] = {out[0], want[k][1], out[1]};
        }
        optimizer->step(0.01, 0.5);
      }
      for (size_t k = 0; k < 2; ++k) {
        EXPECT_LT(error_of_change(list[k].value, tensor_of(want[k][0]), start),
                  dtype == DType::f32 ? 3e-5 : 1e-13)
            << n << list[k].name;
        EXPECT_LT(error_of_change(optimizer->slots()[0].second[k], tensor_of(want[k][2]), Tensor::full({n}, 1)),
                  dtype == DType::f32 ? 1e-6 : 1e-14);
      }
    }
}

kernels::Array<double> matrix_of(const Tensor& x) {
  kernels::Array<double> a({x.dim(0), x.dim(1)});
  for (int64_t i = 0; i < x.size(); ++i) a.data[size_t(i)] = x.item(i);
  return a;
}

TEST(Optimizer, MuonMatchesItsDefinition) {
  for (const DType dtype : kTypes)
    for (const auto& [rows, columns] : {std::pair<int64_t, int64_t>{1, 1}, {1, 17}, {17, 1}, {9, 33}, {65, 12}}) {
      ParameterList list(1, dtype);
      const Tensor start = normal_input({rows, columns}, 1);
      add(list, "blocks.0.mixer.w", start, true);
      const auto optimizer = make_optimizer(
          {.name = "muon", .weight_decay = 0.3, .muon_momentum = 0.8, .muon_rate_ratio = 2}, list);
      Arrays<double> want = {matrix_of(start), {}, kernels::Array<double>({rows, columns})};
      for (int t = 1; t <= 3; ++t) {
        const Tensor g = normal_input({rows, columns}, uint64_t(10 + t), 0.1);
        list[0].grad = g.to(dtype);
        want[1] = matrix_of(g);
        const auto out = kernels::ref::muon(
            want, {.lr = 0.02, .momentum = 0.8, .weight_decay = 0.3, .gradient_scale = 0.5});
        want[0] = out[0], want[2] = out[1];
        optimizer->step(0.01, 0.5);
      }
      EXPECT_LT(error_of_change(list[0].value, tensor_of(want[0]), start), dtype == DType::f32 ? 3e-4 : 1e-11)
          << rows << " x " << columns;
    }
}

// Muon takes the blocks' matrices; every other parameter goes AdamW's way, to the bit, at its own rate.
TEST(Optimizer, MuonLeavesTheRestToAdamW) {
  ParameterList list(1, DType::f32), plain(1, DType::f32);
  const std::vector<std::pair<std::string, Shape>> others = {
      {"embedding.weight", {7, 5}}, {"head.weight", {7, 5}}, {"positions.weight", {9, 5}},
      {"blocks.0.norm.weight", {5}}, {"blocks.0.mixer.C", {3, 5}}};
  for (auto* l : {&list, &plain})
    for (const auto& [name, shape] : others)
      add(*l, name, normal_input(shape, 3), shape.size() == 2 && name != "blocks.0.mixer.C");
  add(list, "blocks.0.mixer.in_proj.weight", normal_input({6, 5}, 4), true);
  const auto muon = make_optimizer({.name = "muon", .muon_rate_ratio = 20}, list);
  const auto adamw = make_optimizer({.name = "adamw"}, plain);
  for (uint64_t t = 1; t <= 3; ++t) {
    for (size_t i = 0; i < list.size(); ++i) list[i].grad = normal_input(list[i].value.shape(), t).to(DType::f32);
    for (size_t i = 0; i < plain.size(); ++i) plain[i].grad = list[i].grad;
    muon->step(0.01, 0.7), adamw->step(0.01, 0.7);
  }
  for (size_t i = 0; i < plain.size(); ++i) EXPECT_EQ(bytes(list[i].value), bytes(plain[i].value)) << list[i].name;
  ASSERT_EQ(muon->slots().size(), 3u);
  for (size_t i = 0; i < list.size(); ++i) {
    const bool matrix = i == plain.size();
    EXPECT_EQ(is_muon_matrix(list[i]), matrix) << list[i].name;
    EXPECT_EQ(muon->slots()[0].second[i].defined(), matrix);
    EXPECT_EQ(muon->slots()[1].second[i].defined(), !matrix);
    EXPECT_EQ(muon->slots()[2].second[i].defined(), !matrix);
  }
}

TEST(Optimizer, AMissingGradientIsAZeroGradient) {
  for (const char* name : {"adamw", "sgd", "lion", "muon"}) {
    std::string results[2];
    for (int given = 0; given < 2; ++given) {
      ParameterList list(1, DType::f32);
      Parameter& p = add(list, "blocks.0.w", normal_input({3, 7}, 1), true);
      const auto optimizer = make_optimizer({.name = name, .weight_decay = 0.1, .momentum = 0.5}, list);
      p.grad = normal_input({3, 7}, 2).to(DType::f32);
      optimizer->step(0.01);
      p.grad = given ? Tensor::zeros({3, 7}) : Tensor();
      const Tensor before = p.value.clone();
      optimizer->step(0.01);
      EXPECT_NE(bytes(before), bytes(p.value)) << name;  // it decays, and the state's inertia moves it
      results[given] = bytes(p.value) + bytes(optimizer->slots()[0].second[0]);
    }
    EXPECT_EQ(results[0], results[1]) << name;
  }
}

TEST(Optimizer, StateThatIsPutBackGoesOnToTheSameBits) {
  for (const char* name : {"adamw", "sgd", "lion", "muon"}) {
    const OptimizerOptions options{.name = name, .momentum = 0.9};
    ParameterList straight(1, DType::f32), resumed(1, DType::f32);
    for (ParameterList* list : {&straight, &resumed}) add(*list, "blocks.0.w", normal_input({5, 9}, 1), true);
    const auto one = make_optimizer(options, straight);
    const auto advance = [](ParameterList& list, Optimizer& optimizer, uint64_t t) {
      list[0].grad = normal_input({5, 9}, t).to(DType::f32);
      optimizer.step(0.01);
    };
    for (uint64_t t = 1; t <= 2; ++t) advance(straight, *one, t);
    const auto two = make_optimizer(options, resumed);
    resumed[0].value.copy_from(straight[0].value);
    two->set_steps(one->steps());
    for (size_t s = 0; s < one->slots().size(); ++s) {
      EXPECT_EQ(two->slots()[s].first, one->slots()[s].first);
      if (const Tensor& kept = one->slots()[s].second[0]; kept.defined()) two->slots()[s].second[0].copy_from(kept);
    }
    for (uint64_t t = 3; t <= 4; ++t) advance(straight, *one, t), advance(resumed, *two, t);
    EXPECT_EQ(bytes(straight[0].value), bytes(resumed[0].value)) << name;
  }
}

// Norm, parameters and state after one step, as bytes.
std::string step_bits(const char* name, DType dtype) {
  ParameterList list(1, dtype);
  const Shape shape = {123, 457};  // several blocks of every kernel, with a tail
  Parameter& p = add(list, "blocks.0.w", normal_input(shape, 1), true);
  const auto optimizer = make_optimizer({.name = name, .momentum = 0.9, .nesterov = true}, list);
  p.grad = normal_input(shape, 2).to(dtype);
  const double norm = global_norm(list);
  optimizer->step(0.01, clip_scale(norm, 1));
  std::string all(reinterpret_cast<const char*>(&norm), sizeof norm);
  all += bytes(p.value);
  for (const auto& slot : optimizer->slots())
    if (slot.second[0].defined()) all += bytes(slot.second[0]);
  return all;
}

TEST(Optimizer, SameBitsOnThreadsAndTargets) {
  const int threads = kernels::threads();
  const std::string target = kernels::simd_target();
  for (const DType dtype : kTypes)
    for (const char* optimizer : {"adamw", "sgd", "lion", "muon"}) {
      kernels::set_threads(1);
      const std::string want = step_bits(optimizer, dtype);
      for (const int n : {2, 5}) {
        kernels::set_threads(n);
        EXPECT_TRUE(step_bits(optimizer, dtype) == want) << optimizer << ", " << n << " threads";
      }
      for (const auto& other : kernels::simd_targets()) {
        if (other == "scalar") continue;  // it has no fused multiply-add: other bits
        kernels::set_simd_target(other);
        EXPECT_TRUE(step_bits(optimizer, dtype) == want) << optimizer << ", " << other;
      }
      kernels::set_simd_target(target);
    }
  kernels::set_threads(threads);
}

TEST(Optimizer, RefusesWhatItDoesNotKnow) {
  ParameterList list(1, DType::f32);
  EXPECT_THROW(make_optimizer({.name = "adam"}, list), UsageError);
  EXPECT_THROW(make_optimizer({.name = "sgd", .nesterov = true}, list), UsageError);
}

TEST(GlobalNorm, SumsAllGradientsInDouble) {
  ParameterList list(1, DType::f32);
  for (const char* name : {"a", "b", "without"}) list.add(name, {3, 20001}, init::constant(0), true);
  double want = 0;
  for (size_t k = 0; k < 2; ++k) {
    list[k].grad = normal_input({3, 20001}, k).to(DType::f32);
    for (int64_t i = 0; i < list[k].grad.size(); ++i) want += list[k].grad.item(i) * list[k].grad.item(i);
  }
  EXPECT_NEAR(global_norm(list), std::sqrt(want), 1e-10 * std::sqrt(want));
  // Squares that no float can hold.
  list[0].grad.zero(), list[1].grad.zero();
  list[0].grad.data<float>()[5] = 3e30f, list[1].grad.data<float>()[60002] = 4e30f;
  EXPECT_NEAR(global_norm(list), 5e30, 1e24);
}

TEST(GlobalNorm, SaysWhenItIsNotFinite) {
  ParameterList list(1, DType::f32);
  Parameter& p = list.add("a", {5}, init::constant(0), true);
  for (const float bad : {INFINITY, NAN}) {
    p.grad = Tensor::zeros({5});
    p.grad.data<float>()[3] = bad;
    EXPECT_FALSE(std::isfinite(global_norm(list)));
    EXPECT_TRUE(std::isnan(clip_scale(global_norm(list), 1)));
    EXPECT_TRUE(std::isnan(clip_scale(global_norm(list), 0)));
  }
}

TEST(ClipScale, IsTorchs) {
  EXPECT_DOUBLE_EQ(clip_scale(4, 1), 1 / (4 + 1e-6));
  EXPECT_EQ(clip_scale(0.5, 1), 1);
  EXPECT_EQ(clip_scale(4, 0), 1);
  EXPECT_EQ(clip_scale(0, 1), 1);
}

// ---- what the field's own implementations compute ----

const std::string kParity = std::string(ADDER_SOURCE_DIR) + "/../shared/parity/ops.h5";
#define NEEDS_PARITY() \
  if (!std::filesystem::exists(kParity)) GTEST_SKIP() << kParity << " is not there"

void expect_optimizer_parity(const std::string& group, OptimizerOptions options) {
  const Hdf5File file = Hdf5File::open(kParity);
  const auto hyper = [&](const char* name) { return file.read_double(group + "/hyper/" + name); };
  options.weight_decay = hyper("weight_decay");
  if (options.name == "muon") options.muon_momentum = hyper("momentum");
  if (options.name == "lion") options.beta1 = hyper("beta1"), options.beta2 = hyper("beta2");
  if (options.name == "adamw")
    options.beta1 = hyper("beta1"), options.beta2 = hyper("beta2"), options.eps = hyper("eps");
  if (options.name == "sgd") options.momentum = hyper("momentum");
  const Tensor p0 = file.read(group + "/in/p0"), grads = file.read(group + "/in/grads");
  const Tensor want = file.read(group + "/out/p");
  for (const DType dtype : kTypes) {
    ParameterList list(1, dtype);
    Parameter& p = add(list, "blocks.0.p", p0, true);
    const auto optimizer = make_optimizer(options, list);
    for (int64_t t = 0; t < grads.dim(0); ++t) {
      p.grad = grads.narrow(0, t, 1).reshape(p0.shape()).to(dtype);
      optimizer->step(hyper("lr"));
      EXPECT_LT(error_of_change(p.value, want.narrow(0, t, 1).reshape(p0.shape()), p0),
                dtype == DType::f32 ? 3e-4 : 1e-11)
          << group << ", " << name(dtype) << ", step " << t;
    }
    for (const auto& [slot, tensors] : optimizer->slots()) {
      const std::string kept = group + "/out/state_" + (options.name == "muon" ? "m" : slot);
      if (!file.exists(kept) || !tensors[0].defined()) continue;
      EXPECT_LT(
          error_of_change(tensors[0], file.read(kept), Tensor::zeros(p0.shape())),
          dtype == DType::f32 ? 1e-5 : 1e-11);
    }
  }
}

TEST(Parity, AdamW) {
  NEEDS_PARITY();
  for (const char* shape : {"tall", "wide", "vector"})
    expect_optimizer_parity(std::string("optim/adamw/") + shape, {.name = "adamw"});
}

TEST(Parity, SgdNesterov) {
  NEEDS_PARITY();
  for (const char* shape : {"tall", "wide", "vector"})
    expect_optimizer_parity(std::string("optim/sgd_nesterov/") + shape, {.name = "sgd", .nesterov = true});
}

TEST(Parity, Lion) {
  NEEDS_PARITY();
  for (const char* shape : {"tall", "wide", "vector"})
    expect_optimizer_parity(std::string("optim/lion/") + shape, {.name = "lion"});
}

TEST(Parity, Muon) {
  NEEDS_PARITY();
  for (const char* shape : {"tall", "wide"})
    expect_optimizer_parity(std::string("optim/muon/") + shape, {.name = "muon"});
}

TEST(Parity, NewtonSchulz) {
  NEEDS_PARITY();
  const Hdf5File file = Hdf5File::open(kParity);
  for (const char* shape : {"square", "tall", "wide"})
    for (const DType dtype : kTypes) {
      const std::string group = std::string("newton_schulz/") + shape;
      const Tensor g = file.read(group + "/in/G").to(dtype), x = Tensor::like(g), spare = Tensor::like(g);
      const int64_t k = std::min(g.dim(0), g.dim(1));
      const Tensor a = Tensor::empty({k, k}, dtype), b = Tensor::empty({k, k}, dtype);
      by_dtype(dtype, [&](auto zero) {
        using T = decltype(zero);
        KERNEL(newton_schulz, T)(Device::cpu, {.rows = g.dim(0), .columns = g.dim(1), .g = g.data<T>(),
                                               .x = x.data<T>(), .spare = spare.data<T>(), .a = a.data<T>(),
                                               .b = b.data<T>()});
      });
      EXPECT_LT(error_of_change(x, file.read(group + "/out/X"), Tensor::zeros(g.shape())),
                dtype == DType::f32 ? 2e-5 : 1e-11)
          << group << ", " << name(dtype);
    }
}

TEST(Parity, GradientClipping) {
  NEEDS_PARITY();
  const Hdf5File file = Hdf5File::open(kParity);
  for (const std::string group : {"grad_clip/clipped", "grad_clip/not_clipped"})
    for (const DType dtype : kTypes) {
      ParameterList list(1, dtype);
      for (const std::string name : {"g0", "g1"}) {
        const Tensor g = file.read(group + "/in/" + name);
        list.add(name, g.shape(), init::constant(0), true).grad = g.to(dtype);
      }
      const double norm = global_norm(list), want = file.read_double(group + "/out/norm");
      EXPECT_NEAR(norm, want, (dtype == DType::f32 ? 1e-6 : 1e-13) * want) << group;
      const double scale = clip_scale(norm, file.read_double(group + "/hyper/max_norm"));
      for (size_t k = 0; k < 2; ++k) {
        const Tensor out = file.read(group + "/out/" + list[k].name);
        for (int64_t i = 0; i < out.size(); ++i)
          EXPECT_NEAR(list[k].grad.item(i) * scale, out.item(i), dtype == DType::f32 ? 1e-6 : 1e-14);
      }
    }
}

}  // namespace
}  // namespace adder
