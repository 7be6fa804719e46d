#pragma once

// Tells the address sanitizer when the processor goes on with another stack, which it cannot see.
// In programs without it these functions do nothing.

#include <cstddef>

// The sanitizer's own, from sanitizer/common_interface_defs.h; null in programs that are not linked
// with it. Asked at run time, so that the scheduler is quick where kernels are instrumented.
extern "C" {
// NOLINTBEGIN(bugprone-reserved-identifier): the names are the sanitizer's
[[gnu::weak]] void __sanitizer_start_switch_fiber(void** kept, const void* bottom, size_t bytes);
[[gnu::weak]] void __sanitizer_finish_switch_fiber(void* kept, const void** bottom, size_t* bytes);
// NOLINTEND(bugprone-reserved-identifier)
}

namespace emulated {

struct Stack {
  const void* bottom = nullptr;
  size_t bytes = 0;
};

/// Comes right before the switch to a stack. kept: where the sanitizer keeps what it needs when
/// this stack goes on; null when it does not.
inline void leave_for(const Stack& stack, void** kept) {
  if (!__sanitizer_start_switch_fiber) return;
  __sanitizer_start_switch_fiber(kept, stack.bottom, stack.bytes);
}

/// Comes right after the switch; gives the stack that was left. kept: null on a new stack.
inline Stack arrive(void* kept) {
  Stack left;
  if (!__sanitizer_finish_switch_fiber) return left;
  __sanitizer_finish_switch_fiber(kept, &left.bottom, &left.bytes);
  return left;
}

}  // namespace emulated
