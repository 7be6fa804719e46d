#include "engine/cpu/onednn.h"

namespace engine {

const dnnl::engine& cpu_engine() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

dnnl::stream& cpu_stream() {
  static dnnl::stream stream(cpu_engine());
  return stream;
}

dnnl::memory::desc nhwc_desc(Shape shape, int64_t pitch) {
  const dnnl::memory::dims dims{shape.n, shape.c, shape.h, shape.w};
  const dnnl::memory::dims strides{shape.h * shape.w * pitch, 1, shape.w * pitch, pitch};
  return {dims, dnnl::memory::data_type::f32, strides};
}

dnnl::memory unbound(const dnnl::memory::desc& desc) {
  return {desc, cpu_engine(), DNNL_MEMORY_NONE};
}

}  // namespace engine
