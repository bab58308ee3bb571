// Two passes each way. Between chunks: a task is a head of a sequence and carries the state (backward: its adjoint)
// from chunk to chunk. Inside: a task is a chunk of a group, whose heads share C.B and the sums for dB and dC.
// Everything is cut by shape and resets alone, and every sum has one order. Scratch is padded to whole vectors; what
// lies in the padding never meets another lane.
#include "kernels/ssd/ssd.h"

#include "kernels/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/ssd/cpu.cpp"
#include "hwy/foreach_target.h"
#include "kernels/simd.h"
#include "kernels/transpose.h"
#include "kernels/ssd/products.h"

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {
namespace {

enum Slot { kTask, kFinish };

// exp(-1000) is 0 in either precision. Steps no lower keep their cumulative sums finite, whatever dt.
constexpr int kLowestStep = -1000;

template <class T>
int64_t padded(int64_t n) { return (n + kLanes<T> - 1) / kLanes<T> * kLanes<T>; }

// The call, its plan, and the padded widths of rows over channels, state and time.
template <class T>
struct View {
  const Ssd<T>& a;
  const SsdPlan& plan;
  int64_t P, N, Q;

  View(const Ssd<T>& args, const SsdPlan& p)
      : a(args), plan(p), P(padded<T>(args.head_dim)), N(padded<T>(args.state)),
        Q(padded<T>(std::min(args.length, args.chunk_size))) {}

  int64_t border_size() const { return a.state * P; }
  // State `index` of head h; null where there is none.
  T* border(T* base, int64_t index, int64_t h) const {
    return index < 0 ? nullptr : base + (index * a.heads + h) * border_size();
  }
  int64_t outer(int64_t b, int64_t h) const { return (b * a.heads + h) * a.head_dim * a.state; }
  int64_t group(int64_t h) const { return h / (a.heads / a.groups); }
  const T* x(const SsdChunk& c, int64_t h, int64_t i) const { return a.x.row(c.b, c.first + i) + h * a.head_dim; }
  const T* B(const SsdChunk& c, int64_t g, int64_t i = 0) const { return a.B.row(c.b, c.first + i) + g * a.state; }
  const T* C(const SsdChunk& c, int64_t g, int64_t i = 0) const { return a.C.row(c.b, c.first + i) + g * a.state; }
};

template <class T>
struct Workspace {
  T* next;
  explicit Workspace(int64_t elements) : next(scratch<T>(size_t(elements), kTask)) {}
  T* take(int64_t elements) {
    T* p = next;
    next += padded<T>(elements);
    return p;
  }
};

// What depends on dt alone, for one head of one chunk; each [Q].
template <class T>
struct Steps {
  T *raw, *soft, *dt;   // delta + dt_bias; its softplus; that between dt_min and dt_max
  T *high, *low;        // cs = high + low: the sum's rounding errors are kept, as differences of cs are wanted
  T *decay, *rest;      // exp(cs[i]), exp(cs[last] - cs[i])

  Steps(Workspace<T>& memory, int64_t Q) {
    for (T** p : {&raw, &soft, &dt, &high, &low, &decay, &rest}) *p = memory.take(Q);
  }
};
int64_t steps_size(int64_t Q) { return 7 * Q; }

template <class T>
void cumulative_sum(const T* dt, T A, int64_t steps, int64_t Q, T* high, T* low) {
  T sum = 0, lost = 0;
  for (int64_t i = 0; i < steps; ++i) {
    const T product = dt[i] * A, step = product < kLowestStep ? T(kLowestStep) : product;
    const T next = sum + step, added = next - sum;
    lost += (sum - (next - added)) + (step - added);
    sum = next;
    high[i] = sum, low[i] = lost;
  }
  for (int64_t i = steps; i < Q; ++i) high[i] = sum, low[i] = lost;
}

template <class T>
void time_steps(const View<T>& v, const SsdChunk& c, int64_t h, const Steps<T>& s) {
  const Ssd<T>& a = v.a;
  const T bias = a.dt_bias ? a.dt_bias[h] : T(0);
  const int64_t Q = padded<T>(c.length);
  for (int64_t i = 0; i < c.length; ++i) s.raw[i] = a.delta.row(c.b, c.first + i)[h] + bias;
  for (int64_t i = c.length; i < Q; ++i) s.raw[i] = T(0);
  for (int64_t i = 0; i < Q; i += kLanes<T>) {
    const auto soft = softplus(load(s.raw + i));
    store(s.soft + i, soft);
    store(s.dt + i, min(set(a.dt_max), max(set(a.dt_min), soft)));
  }
  cumulative_sum(s.dt, a.A[h], c.length, Q, s.high, s.low);
  const auto high = set(s.high[c.length - 1]), low = set(s.low[c.length - 1]);
  for (int64_t i = 0; i < Q; i += kLanes<T>) {
    store(s.decay + i, exp(load(s.high + i) + load(s.low + i)));
    store(s.rest + i, exp((high - load(s.high + i)) + (low - load(s.low + i))));
  }
}

// exp(cs[i] - cs[j]) for a vector of j; beyond j = i it means nothing.
template <class T>
HWY_INLINE Vec<T> decay_between(const Steps<T>& s, int64_t i, int64_t j) {
  return exp((set(s.high[i]) - load(s.high + j)) + (set(s.low[i]) - load(s.low + j)));
}

// out = factor * in, or 0 without `in`
template <class T>
void scaled(const T* in, T factor, int64_t size, T* out) {
  for (int64_t i = 0; i < size; i += kLanes<T>) store(out + i, in ? load(in + i) * set(factor) : zero<T>());
}

// A row of n elements times a factor, and zeros up to whole vectors.
template <class T>
HWY_INLINE void pack_row(const T* in, T factor, int64_t n, T* out) {
  for (int64_t j = 0; j < n; j += kLanes<T>) store(out + j, load(in + j, n - j) * set(factor));
}

// ---- forward -------------------------------------------------------------------------------------------------

// The states before and after the chunks of one head of one sequence.
template <class T>
void pass_states(const View<T>& v, int64_t b, int64_t h) {
  const Ssd<T>& a = v.a;
  const int64_t g = v.group(h);
  Workspace<T> memory(steps_size(v.Q) + v.Q * v.P);
  const Steps<T> s(memory, v.Q);
  T* inputs = memory.take(v.Q * v.P);
  for (int64_t k = v.plan.rows[size_t(b)]; k < v.plan.rows[size_t(b) + 1]; ++k) {
    const SsdChunk& c = v.plan.chunks[size_t(k)];
    T *enter = v.border(a.borders, c.enter, h), *leave = v.border(a.borders, c.leave, h);
    if (enter && c.first == 0) {
      std::fill_n(enter, v.border_size(), T(0));
      transpose(a.h0 + v.outer(b, h), a.state, a.head_dim, a.state, enter, v.P);
    }
    if (!leave) continue;
    time_steps(v, c, h, s);
    for (int64_t i = 0; i < c.length; ++i)
      pack_row(v.x(c, h, i), s.rest[i] * s.dt[i], a.head_dim, inputs + i * v.P);
    scaled(enter, s.decay[c.length - 1], v.border_size(), leave);
    multiply<Reach::all, T>({.rows = a.state, .columns = a.head_dim, .depth = c.length, .a = v.B(c, g), .a_row = 1,
                             .a_column = a.B.stride, .b = inputs, .b_row = v.P, .out = leave, .out_row = v.P,
                             .accumulate = true});
    if (c.first + c.length == a.length)
      transpose(leave, v.P, a.state, a.head_dim, a.last + v.outer(b, h), a.state);
  }
}

// CB[i][j] = C[i].B[j] for j <= i
template <class T>
void inner_products(const View<T>& v, const SsdChunk& c, int64_t g, T* B_columns, T* CB) {
  transpose(v.B(c, g), v.a.B.stride, c.length, v.a.state, B_columns, v.Q);
  multiply<Reach::all, T>({.rows = c.length, .columns = c.length, .depth = v.a.state, .a = v.C(c, g),
                           .a_row = v.a.C.stride, .a_column = 1, .b = B_columns, .b_row = v.Q, .out = CB,
                           .out_row = v.Q, .lower_result = true});
}

template <class T>
void forward_chunk(const View<T>& v, const SsdChunk& c, int64_t g) {
  const Ssd<T>& a = v.a;
  const int64_t steps = c.length, heads = a.heads / a.groups;
  Workspace<T> memory(steps_size(v.Q) + a.state * v.Q + 2 * v.Q * v.Q + 2 * v.Q * v.P);
  const Steps<T> s(memory, v.Q);
  T *B_columns = memory.take(a.state * v.Q), *CB = memory.take(v.Q * v.Q), *mix = memory.take(v.Q * v.Q);
  T *u = memory.take(v.Q * v.P), *y = memory.take(v.Q * v.P);
  inner_products(v, c, g, B_columns, CB);
  for (int64_t h = g * heads; h < (g + 1) * heads; ++h) {
    time_steps(v, c, h, s);
    for (int64_t i = 0; i < steps; ++i) {
      pack_row(v.x(c, h, i), s.dt[i], a.head_dim, u + i * v.P);
      for (int64_t j = 0; j <= i; j += kLanes<T>)
        store(mix + i * v.Q + j, load(CB + i * v.Q + j) * decay_between(s, i, j));
    }
    const T* enter = v.border(a.borders, c.enter, h);
    if (enter)
      multiply<Reach::all, T>({.rows = steps, .columns = a.head_dim, .depth = a.state, .a = v.C(c, g),
                               .a_row = a.C.stride, .a_column = 1, .b = enter, .b_row = v.P, .out = y,
                               .out_row = v.P, .scale = s.decay});
    multiply<Reach::lower, T>({.rows = steps, .columns = a.head_dim, .depth = steps, .a = mix, .a_row = v.Q,
                               .a_column = 1, .b = u, .b_row = v.P, .out = y, .out_row = v.P,
                               .accumulate = enter != nullptr});
    const auto skip = set(a.D ? a.D[h] : T(0));
    for (int64_t i = 0; i < steps; ++i) {
      const T* x = v.x(c, h, i);
      T* out = a.y.row(c.b, c.first + i) + h * a.head_dim;
      for (int64_t j = 0, left; (left = a.head_dim - j) > 0; j += kLanes<T>) {
        const auto sum = load(y + i * v.P + j);
        store(out + j, a.D ? fma(skip, load(x + j, left), sum) : sum, left);
      }
    }
  }
}

// One token of one head: the recurrence itself.
template <class T>
void step(const View<T>& v, int64_t b, int64_t h) {
  const Ssd<T>& a = v.a;
  Workspace<T> memory(steps_size(kLanes<T>));
  const Steps<T> s(memory, kLanes<T>);
  const SsdChunk c{b, 0, 1, -1, -1};
  time_steps(v, c, h, s);
  const bool carry = a.h0 && !(a.resets && a.resets[b] != 0);
  const T *B = v.B(c, v.group(h)), *C = v.C(c, v.group(h)), *x = v.x(c, h, 0);
  const auto decay = set(s.decay[0]);
  for (int64_t p = 0; p < a.head_dim; ++p) {
    const int64_t row = v.outer(b, h) + p * a.state;
    const auto u = set(s.dt[0] * x[p]);
    auto y = zero<T>();
    for (int64_t n = 0, left; (left = a.state - n) > 0; n += kLanes<T>) {
      auto state = u * load(B + n, left);
      if (carry) state = fma(decay, load(a.h0 + row + n, left), state);
      y = fma(load(C + n, left), state, y);
      store(a.last + row + n, state, left);
    }
    a.y.row(b, 0)[h * a.head_dim + p] = a.D ? sum(y) + a.D[h] * x[p] : sum(y);
  }
}

template <class T>
void forward_step(const View<T>& v) {
  const Ssd<T>& a = v.a;
  constexpr int64_t kElements = 1 << 14;  // of the state in a task
  const int64_t block = std::max<int64_t>(1, kElements / (a.head_dim * a.state));
  parallel_blocks(a.batch * a.heads, block, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) step(v, i / a.heads, i % a.heads);
  });
}

template <class T>
void forward(const Ssd<T>& a) {
  const SsdPlan plan = ssd_plan(a);
  const View<T> v(a, plan);
  if (a.borders)
    parallel_for(a.batch * a.heads, [&](int64_t i) { pass_states(v, i / a.heads, i % a.heads); });
  if (a.length == 1) return forward_step(v);  // writes `last` again, to the bits that it has without a tape
  parallel_for(int64_t(plan.chunks.size()) * a.groups, [&](int64_t i) {
    forward_chunk(v, plan.chunks[size_t(i / a.groups)], i % a.groups);
  });
}

// ---- backward ------------------------------------------------------------------------------------------------
// With G the adjoint of the state after a chunk, S the state before it, e[i] = exp(cs[i]), f[j] = exp(cs[last] - cs[j]),
// E[i][j] = exp(cs[i] - cs[j]), and W[i][j] = dy[i].u[j], all for j <= i:
//   dS     = e[last] G + sum_i e[i] dy[i] C[i]
//   dC[i]  = sum_j W E B[j] + e[i] S dy[i]                     dB[j] = sum_i W E C[i] + f[j] G u[j]
//   du[j]  = sum_i CB E dy[i] + f[j] G B[j]                    dx = dt du + D dy
//   da[k]  = sum_{j<k<=i} W CB E + sum_{j<k} f[j] u[j].(G B[j]) + sum_{i>=k} C[i].(e[i] S dy[i]) + e[last] <G, S>
//   ddt    = A da + x.du,  dA = sum dt da,  ddelta = ddt sigmoid(raw) where dt is no limit
// da[k], the gradient of the step dt A at k, is built of terms that all cross k: none has to cancel another.

struct Sums {
  double A, D, bias;
};

// The adjoints of the states before and after the chunks of one head of one sequence.
template <class T>
void pass_adjoints(const View<T>& v, T* adjoints, int64_t b, int64_t h) {
  const Ssd<T>& a = v.a;
  const int64_t g = v.group(h);
  Workspace<T> memory(steps_size(v.Q) + v.Q * v.P);
  const Steps<T> s(memory, v.Q);
  T* dy = memory.take(v.Q * v.P);
  for (int64_t k = v.plan.rows[size_t(b) + 1]; k-- > v.plan.rows[size_t(b)];) {
    const SsdChunk& c = v.plan.chunks[size_t(k)];
    T *enter = v.border(adjoints, c.enter, h), *leave = v.border(adjoints, c.leave, h);
    if (c.first + c.length == a.length) {
      std::fill_n(leave, v.border_size(), T(0));
      if (a.dlast) transpose(a.dlast + v.outer(b, h), a.state, a.head_dim, a.state, leave, v.P);
    }
    if (!enter) continue;
    time_steps(v, c, h, s);
    scaled(leave, s.decay[c.length - 1], v.border_size(), enter);
    for (int64_t i = 0; a.dy && i < c.length; ++i)
      pack_row(a.dy.row(b, c.first + i) + h * a.head_dim, s.decay[i], a.head_dim, dy + i * v.P);
    if (a.dy)
      multiply<Reach::all, T>({.rows = a.state, .columns = a.head_dim, .depth = c.length, .a = v.C(c, g), .a_row = 1,
                               .a_column = a.C.stride, .b = dy, .b_row = v.P, .out = enter, .out_row = v.P,
                               .accumulate = true});
    if (c.first != 0 || !a.dh0) continue;
    T* dh0 = a.dh0 + v.outer(b, h);
    for (int64_t p = 0; p < a.head_dim; ++p)
      for (int64_t n = 0; n < a.state; ++n) dh0[p * a.state + n] += enter[n * v.P + p];
  }
}

// One chunk of one group.
template <class T>
class ChunkGradient {
 public:
  static int64_t elements(const View<T>& v) {
    return steps_size(v.Q) + 4 * v.Q + 5 * v.a.state * v.Q + 3 * v.Q * v.Q + 2 * v.Q * v.N + 2 * v.Q * v.P +
           2 * v.a.head_dim * v.Q;
  }

  ChunkGradient(const View<T>& view, const SsdChunk& chunk, int64_t group, T* state_adjoints)
      : v(view), a(view.a), c(chunk), g(group), adjoints(state_adjoints), memory(elements(view)), s(memory, v.Q) {
    for (T** p : {&da, &slope, &columns, &crossing}) *p = memory.take(v.Q);
    for (T** p : {&B_columns, &C_columns, &dB_columns, &dC_columns, &part}) *p = memory.take(a.state * v.Q);
    for (T** p : {&CB, &dCB, &mix}) *p = memory.take(v.Q * v.Q);
    for (T** p : {&B_rows, &C_rows}) *p = memory.take(v.Q * v.N);
    for (T** p : {&dy, &du}) *p = memory.take(v.Q * v.P);
    for (T** p : {&dy_columns, &u_columns}) *p = memory.take(a.head_dim * v.Q);
  }

  void run(Sums* sums) {
    const int64_t heads = a.heads / a.groups;
    inner_products(v, c, g, B_columns, CB);
    transpose(v.C(c, g), a.C.stride, c.length, a.state, C_columns, v.Q);
    std::fill_n(dB_columns, a.state * v.Q, T(0));
    std::fill_n(dC_columns, a.state * v.Q, T(0));
    std::fill_n(dCB, v.Q * v.Q, T(0));
    for (int64_t h = g * heads; h < (g + 1) * heads; ++h) sums[h] = head(h);
    add_group();
  }

 private:
  const T* x(int64_t h, int64_t i) const { return v.x(c, h, i); }

  Sums head(int64_t h) {
    time_steps(v, c, h, s);
    const T *S = v.border(a.borders, c.enter, h), *G = v.border(adjoints, c.leave, h);
    pack(h);
    within_chunk();
    T both = 0;
    for (int64_t n = 0; S && G && n < a.state; ++n) both += dot(S + n * v.P, G + n * v.P);
    if (G) through_leaving(h, G);
    multiply<Reach::upper, T>({.rows = c.length, .columns = a.head_dim, .depth = c.length, .a = mix, .a_row = 1,
                               .a_column = v.Q, .b = dy, .b_row = v.P, .out = du, .out_row = v.P,
                               .accumulate = G != nullptr});
    if (S) through_entering(S);
    add_carried(s.decay[c.length - 1] * both, G, S);
    return add_head(h);
  }

  // dy by rows and by columns, u by columns
  void pack(int64_t h) {
    for (int64_t i = 0; i < c.length; ++i) {
      if (a.dy) pack_row(a.dy.row(c.b, c.first + i) + h * a.head_dim, T(1), a.head_dim, dy + i * v.P);
      else std::fill_n(dy + i * v.P, v.P, T(0));
    }
    transpose(dy, v.P, c.length, a.head_dim, dy_columns, v.Q);
    transpose(x(h, 0), a.x.stride, c.length, a.head_dim, u_columns, v.Q);
    scale_columns(u_columns, s.dt);
  }

  void scale_columns(T* rows, const T* factor) {
    for (int64_t p = 0; p < a.head_dim; ++p)
      for (int64_t i = 0; i < c.length; i += kLanes<T>)
        store(rows + p * v.Q + i, load(rows + p * v.Q + i) * load(factor + i));
  }

  // W, then CB E in its place; dCB; and the sums over j < k <= i of da[k]. Going down in i, `columns` holds
  // sum_{i>=k} of each column.
  void within_chunk() {
    multiply<Reach::all, T>({.rows = c.length, .columns = c.length, .depth = a.head_dim, .a = dy, .a_row = v.P,
                             .a_column = 1, .b = u_columns, .b_row = v.Q, .out = mix, .out_row = v.Q,
                             .lower_result = true});
    std::fill_n(columns, v.Q, T(0));
    for (int64_t i = c.length; i-- > 0;) {
      const T* cb = CB + i * v.Q;
      T *m = mix + i * v.Q, *d = dCB + i * v.Q;
      auto total = zero<T>();
      for (int64_t j = 0; j <= i; j += kLanes<T>) {
        const auto decay = decay_between(s, i, j), inner = load(cb + j), w = load(m + j) * decay;
        store(d + j, load(d + j) + w);
        store(m + j, inner * decay);
        const auto column = fma(w, inner, load(columns + j));
        store(columns + j, column);
        total += keep(column, std::max<int64_t>(0, i - j));
      }
      da[i] = sum(total);
    }
  }

  // du = f G B, crossing[j] = u[j].du[j], and dB += f G u
  void through_leaving(int64_t h, const T* G) {
    multiply<Reach::all, T>({.rows = c.length, .columns = a.head_dim, .depth = a.state, .a = v.B(c, g),
                             .a_row = a.B.stride, .a_column = 1, .b = G, .b_row = v.P, .out = du, .out_row = v.P,
                             .scale = s.rest});
    for (int64_t i = 0; i < c.length; ++i) crossing[i] = s.dt[i] * dot(x(h, i), du + i * v.P);
    scale_columns(u_columns, s.rest);
    multiply<Reach::all, T>({.rows = a.state, .columns = c.length, .depth = a.head_dim, .a = G, .a_row = v.P,
                             .a_column = 1, .b = u_columns, .b_row = v.Q, .out = dB_columns, .out_row = v.Q,
                             .accumulate = true});
  }

  // part = e S dy, dC += part, and in `columns` C.part
  void through_entering(const T* S) {
    scale_columns(dy_columns, s.decay);
    multiply<Reach::all, T>({.rows = a.state, .columns = c.length, .depth = a.head_dim, .a = S, .a_row = v.P,
                             .a_column = 1, .b = dy_columns, .b_row = v.Q, .out = part, .out_row = v.Q});
    for (int64_t i = 0; i < c.length; i += kLanes<T>) {
      auto product = zero<T>();
      for (int64_t n = 0; n < a.state; ++n) {
        const int64_t at = n * v.Q + i;
        const auto p = load(part + at);
        product = fma(load(C_columns + at), p, product);
        store(dC_columns + at, load(dC_columns + at) + p);
      }
      store(columns + i, product);
    }
  }

  // To da, what crosses in the states: `both` crosses every step.
  void add_carried(T both, bool leaves, bool enters) {
    T carried = both;
    for (int64_t k = 0; leaves && k < c.length; ++k) da[k] += carried, carried += crossing[k];
    carried = 0;
    for (int64_t k = c.length; enters && k-- > 0;) carried += columns[k], da[k] += carried;
  }

  Sums add_head(int64_t h) {
    Sums sums{0, 0, 0};
    const T skip = a.D ? a.D[h] : T(0);
    for (int64_t i = 0; i < padded<T>(c.length); i += kLanes<T>) store(slope + i, sigmoid(load(s.raw + i)));
    for (int64_t i = 0; i < c.length; ++i) {
      const T *in = x(h, i), *d = du + i * v.P, *out = dy + i * v.P;
      const T ddt = a.A[h] * da[i] + dot(in, d);
      const bool limited = s.soft[i] < a.dt_min || s.soft[i] > a.dt_max;
      const T ddelta = limited ? T(0) : ddt * slope[i];
      if (a.ddelta) {
        T& to = a.ddelta.row(c.b, c.first + i)[h];
        to = a.overwrite_ddelta ? ddelta : to + ddelta;
      }
      sums.A += double(s.dt[i]) * double(da[i]);
      sums.bias += double(ddelta);
      if (a.dD) sums.D += double(dot(in, out));
      if (!a.dx) continue;
      T* dx = a.dx.row(c.b, c.first + i) + h * a.head_dim;
      for (int64_t j = 0, left; (left = a.head_dim - j) > 0; j += kLanes<T>) {
        const auto direct = fma(set(s.dt[i]), load(d + j), set(skip) * load(out + j));
        store(dx + j, a.overwrite_dx ? direct : load(dx + j, left) + direct, left);
      }
    }
    return sums;
  }

  // dB and dC of the group's heads together, with what goes through C.B
  void add_group() {
    for (int64_t i = 0; i < c.length; ++i) {
      pack_row(v.B(c, g, i), T(1), a.state, B_rows + i * v.N);
      pack_row(v.C(c, g, i), T(1), a.state, C_rows + i * v.N);
    }
    add_rows<Reach::lower>(a.dC, a.overwrite_dC, dC_columns, B_rows, v.Q, 1);
    add_rows<Reach::upper>(a.dB, a.overwrite_dB, dB_columns, C_rows, 1, v.Q);
  }

  template <Reach reach>
  void add_rows(const Sequence<T>& gradient, bool overwrite, const T* columns_of, const T* others, int64_t row, int64_t column) {
    if (!gradient) return;
    T* sum = scratch<T>(size_t(v.Q * v.N), kFinish);
    transpose(columns_of, v.Q, a.state, c.length, sum, v.N);
    multiply<reach, T>({.rows = c.length, .columns = a.state, .depth = c.length, .a = dCB, .a_row = row,
                        .a_column = column, .b = others, .b_row = v.N, .out = sum, .out_row = v.N,
                        .accumulate = true});
    for (int64_t i = 0; i < c.length; ++i) {
      T* to = gradient.row(c.b, c.first + i) + g * a.state;
      for (int64_t n = 0, left; (left = a.state - n) > 0; n += kLanes<T>) {
        const auto more = load(sum + i * v.N + n);
        store(to + n, overwrite ? more : load(to + n, left) + more, left);
      }
    }
  }

  // Over the channels of a head; what pads the rows is left out.
  T dot(const T* one, const T* other) const {
    auto total = zero<T>();
    for (int64_t j = 0, left; (left = a.head_dim - j) > 0; j += kLanes<T>)
      total = fma(load(one + j, left), load(other + j, left), total);
    return sum(total);
  }

  const View<T>& v;
  const Ssd<T>& a;
  const SsdChunk& c;
  const int64_t g;
  T* adjoints;
  Workspace<T> memory;
  const Steps<T> s;
  T *da, *slope, *columns, *crossing;                         // [Q]
  T *B_columns, *C_columns, *dB_columns, *dC_columns, *part;  // [state][Q]
  T *CB, *dCB, *mix;                                          // [Q][Q]
  T *B_rows, *C_rows;                                         // [Q][N]
  T *dy, *du;                                                 // [Q][P]
  T *dy_columns, *u_columns;                                  // [head_dim][Q]
};

// Sums over all chunks, in their order.
template <class T>
void add_sums(const Ssd<T>& a, const std::vector<Sums>& sums) {
  for (int64_t h = 0; h < a.heads; ++h) {
    Sums total{0, 0, 0};
    for (size_t i = size_t(h); i < sums.size(); i += size_t(a.heads))
      total.A += sums[i].A, total.D += sums[i].D, total.bias += sums[i].bias;
    if (a.dA) a.dA[h] += T(total.A);
    if (a.dD) a.dD[h] += T(total.D);
    if (a.ddt_bias) a.ddt_bias[h] += T(total.bias);
  }
}

template <class T>
void backward(const Ssd<T>& a) {
  const SsdPlan plan = ssd_plan(a);
  const View<T> v(a, plan);
  std::vector<T> adjoints(size_t(plan.borders * a.heads * v.border_size()));
  parallel_for(a.batch * a.heads, [&](int64_t i) { pass_adjoints(v, adjoints.data(), i / a.heads, i % a.heads); });
  std::vector<Sums> sums(plan.chunks.size() * size_t(a.heads));
  parallel_for(int64_t(plan.chunks.size()) * a.groups, [&](int64_t i) {
    const int64_t chunk = i / a.groups;
    ChunkGradient<T>(v, plan.chunks[size_t(chunk)], i % a.groups, adjoints.data())
        .run(sums.data() + chunk * a.heads);
  });
  add_sums(a, sums);
}

}  // namespace
SIMD_KERNEL(ssd_fwd, Ssd, forward)
SIMD_KERNEL(ssd_bwd, Ssd, backward)
}  // namespace HWY_NAMESPACE
}  // namespace kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kernels {
SIMD_DISPATCH(ssd_fwd, Ssd)
SIMD_DISPATCH(ssd_bwd, Ssd)
}  // namespace kernels
#endif
