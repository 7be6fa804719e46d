#include "engine/core/launch_list.h"

namespace engine {

void LaunchList::add(Launch launch) {
  launch.phase = range(0);
  launch.node = range(1);
  launch.lane = lane_;
  launches.push_back(std::move(launch));
}

void LaunchList::add(Plan plan) {
  plan.phase = range(0);
  plan.node = range(1);
  plans.push_back(std::move(plan));
}

}  // namespace engine
