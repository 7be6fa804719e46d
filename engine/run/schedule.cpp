#include "engine/run/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace engine {

void Schedule::keys(Keys& keys) {
  keys.choice(
      "type", kind,
      {{"constant", Kind::constant},
       {"step", Kind::step},
       {"cosine", Kind::cosine},
       {"linear", Kind::linear}},
      {.doc = "How the learning rate goes on after the warm-up: as it is; in steps; or down "
              "to final_share at the last step along half a cosine or a line."});
  keys.number("warmup_epochs", warmup_epochs,
              {.doc = "The learning rate rises from 0 over so many epochs first, in equal parts a "
                      "step.",
               .minimum = 0,
               .maximum = 1e6});
  keys.number("every_epochs", every_epochs,
              {.doc = "step: epochs from one multiplication by factor to the next.",
               .minimum = 0,
               .maximum = 1e6,
               .exclusive_minimum = true});
  keys.number("factor", factor,
              {.doc = "step: what the learning rate is multiplied by.",
               .minimum = 0,
               .maximum = 1,
               .exclusive_minimum = true});
  keys.number("final_share", final_share,
              {.doc = "cosine, linear: share of the learning rate that is left at the last step.",
               .minimum = 0,
               .maximum = 1});
}

double Schedule::at(uint64_t step, uint64_t steps_per_epoch, int64_t epochs) const {
  const double per_epoch = static_cast<double>(steps_per_epoch);
  const double now = static_cast<double>(step);
  const double warmup = warmup_epochs * per_epoch;
  // The first step already learns: it has the end of its part of the ramp, not the start.
  if (now < warmup) return std::min(1.0, (now + 1) / warmup);
  if (kind == Kind::constant) return 1;
  if (kind == Kind::step)
    return std::pow(factor, std::floor((now - warmup) / (every_epochs * per_epoch)));
  const double last = static_cast<double>(epochs) * per_epoch - 1;
  const double way = last > warmup ? std::clamp((now - warmup) / (last - warmup), 0.0, 1.0) : 0.0;
  const double left = kind == Kind::linear ? 1 - way : (1 + std::cos(std::numbers::pi * way)) / 2;
  return final_share + (1 - final_share) * left;
}

}  // namespace engine
