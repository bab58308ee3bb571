// All parameters of a model, or their gradients, as one vector of doubles in the order of declaration.
#pragma once
#include <vector>

#include "framework/nn/module.h"

namespace adder::lab {

using Flat = std::vector<double>;

Flat flat(const Tensor& x);
Flat flat_values(const ParameterList& parameters);
Flat flat_gradients(const ParameterList& parameters);  // 0 where a parameter has none
void put_values(const ParameterList& parameters, const Flat& values);

double dot(const Flat& a, const Flat& b);
double norm(const Flat& a);
Flat difference(const Flat& a, const Flat& b);
void add_scaled(Flat& to, double factor, const Flat& from);

}  // namespace adder::lab
