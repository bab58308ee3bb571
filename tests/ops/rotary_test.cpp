#include "framework/ops/rotary.h"

#include "kernels/rotary/ref.h"
#include "tests/support/check.h"
#include "tests/support/fixtures.h"

namespace adder {
namespace {

OpCase rotary_case(int64_t batch, int64_t length, int64_t heads, int64_t dim, bool interleaved) {
  std::vector<int32_t> positions;
  for (int64_t i = 0; i < batch * length; ++i) positions.push_back(int32_t(i * 7 % 11));
  const ops::RotaryTables tables = ops::rotary_tables(11, dim, 100, DType::f64);
  const Tensor at = Tensor::from<int32_t>({batch, length}, positions);
  return {.op =
              [=](const std::vector<Var>& v) {
                const ops::RotaryTables t{tables.cos.to(v[0].dtype()), tables.sin.to(v[0].dtype())};
                return std::vector<Var>{ops::rotary(v[0], at, t, heads, interleaved)};
              },
          .ref = reference([=](const auto& v) {
            using Numbers = std::decay_t<decltype(v[0])>;
            Numbers cosine({11, dim / 2}), sine({11, dim / 2});
            for (int64_t i = 0; i < tables.cos.size(); ++i)
              cosine.data[size_t(i)] = tables.cos.item(i), sine.data[size_t(i)] = tables.sin.item(i);
            return kernels::ref::rotary(std::vector<Numbers>{v[0], cosine, sine}, heads, interleaved, positions);
          }),
          .inputs = {normal_input({batch, length, heads * dim}, 1)}};
}

TEST(Rotary, MatchesItsDefinition) {
  for (const bool interleaved : {false, true}) {
    expect_op("rotary", rotary_case(1, 1, 1, 2, interleaved));
    expect_op("rotary", rotary_case(2, 5, 3, 6, interleaved));
    expect_bits("rotary", rotary_case(3, 50, 4, 34, interleaved));
  }
}

TEST(Rotary, NamesTheArgumentThatDoesNotFit) {
  const auto tables = ops::rotary_tables(4, 6, 100, DType::f32);
  const Var x = Tensor::zeros({1, 2, 12});
  EXPECT_EQ(message_of([&] { ops::rotary(x, Tensor::full({1, 2}, 4, DType::i32), tables, 2, false); }),
            "[rotary] positions[0] is 4, expected 0 to 3");
  EXPECT_EQ(message_of([&] { ops::rotary(x, Tensor::full({1, 2}, 0, DType::i32), tables, 4, false); }),
            "[rotary] x has rows of 12, expected an even number for each of 4 heads");
}

TEST(Rotary, Parity) {
  SKIP_WITHOUT_SHARED();
  const Hdf5File file = fixtures::open("ops.h5");
  for (const std::string name : {"half", "half_offset", "interleaved", "interleaved_offset"}) {
    const auto read = [&](const std::string& what) { return fixtures::read(file, "rotary/" + name + "/" + what); };
    const Tensor x = read("in/x"), once = read("in/positions").to(DType::f64);
    const int64_t batch = x.dim(0), length = x.dim(1), heads = x.dim(2), dim = x.dim(3);
    const Tensor positions = Tensor::empty({batch, length}, DType::i32);
    double most = 0;
    for (int64_t i = 0; i < positions.size(); ++i) {
      positions.data<int32_t>()[i] = int32_t(once.item(i % length));
      most = std::max(most, once.item(i % length));
    }
    double base = 10000;
    for (const char* key : {"hyper/theta", "hyper/base"})
      if (file.exists("rotary/" + name + "/" + key)) base = read(key).item();
    for (const DType dtype : {DType::f32, DType::f64}) {
      Tape tape;
      const Var in = tape.leaf(x.reshape({batch, length, heads * dim}).to(dtype));
      Tensor grad;
      watch(in, [&](const Tensor& g) { grad = g; });
      const auto tables = ops::rotary_tables(int64_t(most) + 1, dim, base, dtype);
      const Var y = ops::rotary(in, positions, tables, heads, name.starts_with("interleaved"));
      tape.backward({{y, read("dout/y").reshape(y.shape()).to(dtype)}});
      const double limit = dtype == DType::f32 ? 1e-5 : 1e-11;
      EXPECT_LT(fixtures::nmax(y.value(), read("out/y")), limit) << name;
      EXPECT_LT(fixtures::nmax(grad, read("din/x")), limit) << name;
    }
  }
}

}  // namespace
}  // namespace adder
