// The distributions that the tests need.
#pragma once

namespace adder::statistics {

double normal_cdf(double z);
double normal_quantile(double p);               // 0 < p < 1, else an Error
double t_cdf(double t, double freedom);         // Student's, `freedom` > 0
double t_quantile(double p, double freedom);
double incomplete_beta(double a, double b, double x);  // regularised, I_x(a, b)
// P(T <= t) where T = (Z + shift) / sqrt(chi^2 / freedom): the noncentral t distribution.
double noncentral_t_cdf(double t, double freedom, double shift);

}  // namespace adder::statistics
