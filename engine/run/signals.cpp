#include "engine/run/signals.h"

#include <array>
#include <utility>

namespace engine {
namespace {

constexpr std::array<std::pair<int, std::string_view>, 4> kSignals{
    {{SIGINT, "SIGINT"}, {SIGTERM, "SIGTERM"}, {SIGHUP, "SIGHUP"}, {SIGUSR2, "SIGUSR2"}}};

volatile std::sig_atomic_t received = 0;
volatile std::sig_atomic_t interrupts = 0;
std::array<struct sigaction, kSignals.size()> before;
struct sigaction before_pipe;

// Only async-signal-safe calls: sigaction and raise.
void on_signal(int signal) {
  received = signal;
  if (signal != SIGINT) return;
  interrupts = interrupts + 1;
  if (interrupts < 2) return;
  struct sigaction action {};
  action.sa_handler = SIG_DFL;
  sigaction(SIGINT, &action, nullptr);
  raise(SIGINT);  // delivered when this handler returns
}

}  // namespace

StopSignals::StopSignals() {
  received = 0;
  interrupts = 0;
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  for (size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i].first, &action, &before[i]);
  action.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &action, &before_pipe);
}

StopSignals::~StopSignals() {
  for (size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i].first, &before[i], nullptr);
  sigaction(SIGPIPE, &before_pipe, nullptr);
}

bool StopSignals::requested() const {
  return received != 0;
}

std::string_view StopSignals::name() const {
  for (const auto& [number, name] : kSignals) {
    if (number == received) return name;
  }
  return {};
}

}  // namespace engine
