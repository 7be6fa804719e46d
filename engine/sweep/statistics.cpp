#include "engine/sweep/statistics.h"

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <limits>

namespace engine {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr double kOutside = 0.05;  // of a 95 % interval

}  // namespace

MeanInterval mean_interval(std::span<const double> values) {
  MeanInterval result{values.size(), kNone, kNone, kNone, kNone};
  if (values.empty()) return result;
  const auto count = static_cast<double>(values.size());
  // From the first value on, so that the mean of equal values is that value and not one beside it.
  double shifts = 0;
  for (const double value : values) shifts += value - values.front();
  result.mean = values.front() + shifts / count;
  if (values.size() < 2) return result;
  double squares = 0;
  for (const double value : values) squares += (value - result.mean) * (value - result.mean);
  result.deviation = std::sqrt(squares / (count - 1));
  const boost::math::students_t distribution(count - 1);
  const double half = boost::math::quantile(boost::math::complement(distribution, kOutside / 2)) *
                      result.deviation / std::sqrt(count);
  result.low = result.mean - half;
  result.high = result.mean + half;
  return result;
}

PairedDifference paired_difference(std::span<const double> values,
                                   std::span<const double> baseline) {
  std::vector<double> differences(std::min(values.size(), baseline.size()));
  for (size_t i = 0; i < differences.size(); ++i) differences[i] = values[i] - baseline[i];
  PairedDifference result{mean_interval(differences), kNone, kNone};
  const MeanInterval& difference = result.difference;
  if (difference.count < 2) return result;
  const auto count = static_cast<double>(difference.count);
  if (difference.deviation == 0) {  // t is infinite, or 0 / 0
    result.t = difference.mean == 0
                   ? 0
                   : std::copysign(std::numeric_limits<double>::infinity(), difference.mean);
    result.p = difference.mean == 0 ? 1 : 0;
    return result;
  }
  result.t = difference.mean / (difference.deviation / std::sqrt(count));
  const boost::math::students_t distribution(count - 1);
  result.p = 2 * boost::math::cdf(boost::math::complement(distribution, std::abs(result.t)));
  return result;
}

std::vector<double> holm(std::span<const double> p) {
  std::vector<size_t> order;
  for (size_t i = 0; i < p.size(); ++i) {
    if (!std::isnan(p[i])) order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return p[a] < p[b]; });
  std::vector<double> corrected(p.size(), kNone);
  double least = 0;  // a larger p never gets a smaller corrected one
  for (size_t rank = 0; rank < order.size(); ++rank) {
    least =
        std::max(least, std::min(1.0, static_cast<double>(order.size() - rank) * p[order[rank]]));
    corrected[order[rank]] = least;
  }
  return corrected;
}

}  // namespace engine
