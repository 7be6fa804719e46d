#pragma once

#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>

#include "engine/core/error.h"
#include "engine/core/tensor.h"

namespace engine {

/// The one oneDNN engine and stream of this process's CPU (both are stateless handles on the CPU).
const dnnl::engine& cpu_engine();
dnnl::stream& cpu_stream();

/// Memory descriptor of an NHWC view as oneDNN sees it: dims n, c, h, w with strides from the
/// pitch.
dnnl::memory::desc nhwc_desc(Shape shape, int64_t pitch);
/// A memory object without storage; set_data_handle() binds it at each call, which allocates
/// nothing.
dnnl::memory unbound(const dnnl::memory::desc& desc);

}  // namespace engine
