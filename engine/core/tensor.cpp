#include "engine/core/tensor.h"

#include <fmt/format.h>  // format

namespace engine {

std::string to_string(const Shape& shape) {
  if (shape.h == 1 && shape.w == 1) return std::to_string(shape.c);
  return fmt::format("{}x{}x{}", shape.h, shape.w, shape.c);
}

std::string_view to_string(DType type) {
  switch (type) {
    case DType::f32:
      return "float32";
    case DType::bf16:
      return "bfloat16";
    case DType::u8:
      return "uint8";
    case DType::i32:
      return "int32";
    case DType::f64:
      return "float64";
    case DType::i64:
      return "int64";
    case DType::f16:
      return "float16";
  }
  return "";
}

std::string_view to_string(Precision precision) {
  switch (precision) {
    case Precision::fp32:
      return "fp32";
    case Precision::tf32:
      return "tf32";
    case Precision::bf16:
      return "bf16";
  }
  return "";
}

}  // namespace engine
