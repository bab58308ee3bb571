// What a comparison may say: intervals and tests on few seeds, each exact or checked against a textbook.
// Differences are paired (same seed, same data order): d_i = a_i - b_i.
#pragma once
#include <cstdint>
#include <vector>

namespace adder::statistics {

double mean(const std::vector<double>& x);
double deviation(const std::vector<double>& x);  // of the sample, n - 1 below; 0 for fewer than two
double median(std::vector<double> x);
double quantile(std::vector<double> x, double share);  // linear between order statistics

struct Interval {
  double low, high;
};

// Student's interval of the mean; infinite for fewer than two values.
Interval t_interval(const std::vector<double>& x, double confidence = 0.95);
// Two-sided p of "the mean is `value`": t test. 1 where all values are equal to it.
double t_test(const std::vector<double>& x, double value = 0);
// One-sided p of "the mean is at least `bound`" against below it.
double t_test_below(const std::vector<double>& x, double bound);

// Two-sided p of "d and -d are equally likely" by all sign changes of the values: exact up to 20 values, beyond by
// 100,000 drawn ones. At least 2^(1-n).
double sign_flip_test(const std::vector<double>& d, uint64_t seed = 0);

// Non-inferiority: p of "d is `margin` or more", small where d is shown to be less. Equivalence: p of "|d| is `margin` or
// more" (two one-sided tests; Schuirmann, 1987).
double non_inferiority_test(const std::vector<double>& d, double margin);
double equivalence_test(const std::vector<double>& d, double margin);

// Of the median, by order statistics: x_(k) to x_(n+1-k) with the largest k that leaves no more than 1 - confidence outside
// (binomial, exact whatever the distribution). Values may be infinite; so is the interval where n is too small.
Interval median_interval(std::vector<double> x, double confidence = 0.95);

// p values that hold together (Holm, 1979): in the order given, each at least its own.
std::vector<double> holm(const std::vector<double>& p);

// k successes of n (Wilson, 1927).
Interval wilson(int64_t k, int64_t n, double confidence = 0.95);

// The mean of a series whose neighbours depend on one another (losses along a text): blocks of `block` values that lie
// side by side are drawn with replacement, `draws` times; percentiles of the means.
Interval block_bootstrap(const std::vector<double>& x, int64_t block, double confidence = 0.95, int64_t draws = 10000,
                         uint64_t seed = 0);
// median(a) / median(b), a_i and b_i measured in turn: pairs are drawn together.
Interval ratio_bootstrap(const std::vector<double>& a, const std::vector<double>& b, double confidence = 0.95,
                         int64_t draws = 10000, uint64_t seed = 0);

// The power of a two-sided paired t test at level `alpha`: how likely it is to find a difference of `effect` standard
// deviations with n pairs.
double t_test_power(double effect, int64_t n, double alpha = 0.05);
// The effect, in standard deviations of a pair's difference, that it finds with this power; infinite below two pairs.
double detectable_effect(int64_t n, double alpha = 0.05, double power = 0.8);
// The fewest seeds whose exact sign-flip test can reach `alpha` at all when `tests` of them hold together:
// 2^(1-n) <= alpha / tests.
int64_t seeds_for_sign_flip(double alpha, int64_t tests);
// The fewest seeds at which an interval of this confidence around a difference as it was seen would lie on one side of
// `bound`; 0 where none up to 10,000 would.
int64_t seeds_to_decide(const std::vector<double>& d, double bound, double confidence = 0.95);

}  // namespace adder::statistics
