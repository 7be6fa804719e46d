#include "engine/core/op.h"

#include <algorithm>

#include "engine/core/error.h"
#include "engine/core/portable.h"

namespace engine {

void initializer_key(Keys& keys, std::string_view key, Initializer::Kind& kind,
                     std::string_view doc) {
  using Kind = Initializer::Kind;
  keys.choice(key, kind,
              {{"glorot_uniform", Kind::glorot_uniform},
               {"glorot_normal", Kind::glorot_normal},
               {"he_uniform", Kind::he_uniform},
               {"he_normal", Kind::he_normal},
               {"zeros", Kind::zeros},
               {"ones", Kind::ones}},
              {.doc = doc});
}

int64_t ParameterSpec::elements() const {
  int64_t product = 1;
  for (int64_t dim : dims) product *= dim;
  return product;
}

int64_t Kernel::stored_elements(size_t parameter) const {
  return parameters_[parameter].elements();
}

void Kernel::import_parameter(size_t parameter, const float* file, float* stored) const {
  std::copy_n(file, parameters_[parameter].elements(), stored);
}

void Kernel::export_parameter(size_t parameter, const float* stored, float* file) const {
  std::copy_n(stored, parameters_[parameter].elements(), file);
}

PortableValue FusedOp::portable(const PortableNode&) const {
  fail(ExitCode::internal, "{} is made by passes and cannot be exported", type());
}

}  // namespace engine
