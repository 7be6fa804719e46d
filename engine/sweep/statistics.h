#pragma once

// What a handful of repeated measurements says. All intervals are of 95 % and assume that the
// repetitions (seeds) are independent and about normally distributed.

#include <cstddef>
#include <span>
#include <vector>

namespace engine {

/// Mean with an interval by Student's t (n - 1 degrees of freedom): Student, The probable error of
/// a mean, Biometrika 6 (1908). With one value there is no deviation and no interval: NaN. With
/// none, the mean is NaN too. Of equal values it is that value exactly, the deviation 0. The values
/// must be finite; the result has their unit.
struct MeanInterval {
  size_t count = 0;
  double mean = 0;
  double deviation = 0;  ///< of the sample (n - 1)
  double low = 0, high = 0;
};
MeanInterval mean_interval(std::span<const double> values);

/// Mean of values[i] - baseline[i] with an interval and the two-sided p-value of a paired t-test.
/// All differences equal: the interval is that value, p is 0, or 1 when the value is 0. Fewer than
/// two pairs: no interval and no p (NaN). If one span is longer, its rest is left out.
struct PairedDifference {
  MeanInterval difference;
  double t = 0, p = 0;
};
PairedDifference paired_difference(std::span<const double> values,
                                   std::span<const double> baseline);

/// p-values corrected for their number, in the order given: Holm, A simple sequentially rejective
/// multiple test procedure, Scandinavian Journal of Statistics 6 (1979). NaN stays NaN and does not
/// count.
std::vector<double> holm(std::span<const double> p);

}  // namespace engine
