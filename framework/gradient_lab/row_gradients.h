// What the gradients of a batch's rows, one by one, say of the batch. G is their mean, N how many they are, Sigma their
// covariance (unbiased, divided by N - 1), D the number of coordinates. As Cockpit has it (Schneider, Dangel, Hennig 2021,
// "Cockpit: A Practical Debugging Tool for the Training of Deep Neural Networks", appendix C); its sources:
//   norm test            theta^2 = sum |g_n - G|^2 / (N (N - 1) |G|^2)            Byrd, Chin, Nocedal, Wu 2012
//   inner product test   theta^2 = sum (g_n . G / |G|^2 - 1)^2 / (N (N - 1))      Bollapragada, Byrd, Nocedal 2018
//   orthogonality test   nu^2 = norm test's - inner product test's: the part of g_n across G     the same
//   noise scale          tr(Sigma) / |G|^2, without bias (gradient_noise.h)       McCandlish et al. 2018
//   CABS                 batch = learning rate * tr(Sigma) / L                    Balles, Romero, Hennig 2017, with L's least value as 0
//   mean GSNR            mean over j of G_j^2 / Sigma_jj                          Liu et al. 2020
//   early stopping       1 - N / D sum_j G_j^2 / Sigma_jj                         Mahsereci et al. 2017; above 0: stop
// One pass over the rows; memory is that of three gradients, whatever N is.
#pragma once
#include "framework/gradient_lab/flat.h"
#include "framework/gradient_lab/gradient_noise.h"

namespace adder::lab {

struct RowFigures {
  int64_t rows = 0, size = 0;
  double square = 0, mean_square = 0;       // |G|^2, and the mean of |g_n|^2
  double trace = 0;                         // tr(Sigma)
  double norm_test = 0, inner_product_test = 0, orthogonality_test = 0;  // theta, theta, nu
  GradientNoise noise;
  double mean_gsnr = 0, early_stopping = 0;
  int64_t still = 0;                        // coordinates that are alike in all rows: left out of these two, and of D
  std::vector<double> norms, projections;   // of each row: |g_n|, and g_n . G / |G|^2, whose mean is 1
  double cabs(double learning_rate, double loss) const { return learning_rate * trace / loss; }
};

class RowGradients {
 public:
  explicit RowGradients(Flat mean) : mean_(std::move(mean)), squares_(mean_.size(), 0) {}
  void add(const Flat& gradient);
  // An Error for fewer than two rows.
  RowFigures figures() const;

 private:
  Flat mean_, squares_;  // the sum of (g_n - G)^2 by coordinate
  std::vector<double> norms_, dots_;
};

}  // namespace adder::lab
