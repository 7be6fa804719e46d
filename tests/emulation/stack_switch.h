#pragma once

// Tells the address sanitizer when the processor goes on with another stack, which it cannot see.
// In other builds these functions do nothing.

#include <cstddef>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

namespace emulated {

struct Stack {
  const void* bottom = nullptr;
  size_t bytes = 0;
};

/// Comes right before the switch to a stack. kept: where the sanitizer keeps what it needs when
/// this stack goes on; null when it does not.
inline void leave_for([[maybe_unused]] const Stack& stack, [[maybe_unused]] void** kept) {
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_start_switch_fiber(kept, stack.bottom, stack.bytes);
#endif
}

/// Comes right after the switch; gives the stack that was left. kept: null on a new stack.
inline Stack arrive([[maybe_unused]] void* kept) {
  Stack left;
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(kept, &left.bottom, &left.bytes);
#endif
  return left;
}

}  // namespace emulated
