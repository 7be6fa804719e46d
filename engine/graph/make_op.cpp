#include "engine/graph/make_op.h"

#include "engine/core/error.h"
#include "engine/core/keys_reader.h"

namespace engine {

std::shared_ptr<Op> make_op(const Registry& registry, std::string_view type, Object attributes) {
  const OpEntry* entry = registry.op(type);
  if (!entry) fail(ExitCode::internal, "the registry has no op \"{}\"", type);
  std::shared_ptr<Op> op = entry->make();
  const Value object(std::move(attributes));
  Problems problems;
  ReadKeys reader(object, std::string(type), problems);
  op->keys(reader);
  reader.finish();
  if (!problems.empty()) {
    fail(ExitCode::internal, "attributes of op \"{}\": {}", type, problems.text());
  }
  return op;
}

Object attributes_of(const Op& op) {
  const Value none{Object{}};
  WriteKeys writer(none);
  // keys() names members for reading and for writing alike, so it is not const; WriteKeys only
  // reads.
  const_cast<Op&>(op).keys(writer);
  return std::move(writer.result.object());
}

}  // namespace engine
