// Statistics of the numbers on standard input, for statistics_test.py. A line is
//   mean VALUES            prints: mean deviation low high
//   paired VALUES ; VALUES prints: mean low high t p
//   holm P-VALUES          prints: corrected ones

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <sstream>

#include "engine/sweep/statistics.h"

namespace engine::test {
namespace {

void print(std::span<const double> numbers) {
  for (const double number : numbers) std::printf("%.17g ", number);
  std::printf("\n");
}

int answer(const std::string& line) {
  std::istringstream words(line);
  std::string what, word;
  words >> what;
  std::vector<double> values, others;
  std::vector<double>* into = &values;
  while (words >> word) {
    if (word == ";") {
      into = &others;
    } else {
      into->push_back(std::strtod(word.c_str(), nullptr));  // knows "nan", too
    }
  }
  if (what == "mean") {
    const MeanInterval mean = mean_interval(values);
    print(std::vector<double>{mean.mean, mean.deviation, mean.low, mean.high});
  } else if (what == "paired") {
    const PairedDifference pair = paired_difference(values, others);
    const MeanInterval& mean = pair.difference;
    print(std::vector<double>{mean.mean, mean.low, mean.high, pair.t, pair.p});
  } else if (what == "holm") {
    print(holm(values));
  } else {
    std::cerr << "not known: " << what << '\n';
    return 2;
  }
  return 0;
}

}  // namespace
}  // namespace engine::test

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    if (const int code = engine::test::answer(line)) return code;
  }
  return 0;
}
