#pragma once

// How read_network works inside: a check of every block as it is written, a count of what they will
// become, and then the expansion, node by node.

#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/core/keys_reader.h"
#include "engine/core/limits.h"
#include "engine/graph/network.h"

namespace engine {

/// "$c1" inside a block. Values of a node that hold one, at any depth, are substituted.
bool is_reference(const Value& value);
bool holds_reference(const Value& value);

/// A block as the file defines it.
struct BlockDefinition {
  std::string name;
  std::string path;  ///< "network.blocks.inception"
  std::vector<std::string> parameters;
  const Value* nodes = nullptr;  ///< an array; null when the definition is unusable
  size_t inputs = 1;             ///< as many as "$input2" ... ask for
  Origin origin;

  bool has_parameter(std::string_view parameter) const;
};

class BlockTable {
 public:
  /// Reads "blocks" and checks every definition, used or not.
  BlockTable(const Value* blocks, const Registry& registry, Problems& problems);
  const BlockDefinition* find(std::string_view name) const;
  std::vector<std::string_view> names() const;
  /// False, and reported, when a block contains itself, blocks nest too deeply, or the list would
  /// become too many nodes.
  bool expands(const Value& nodes, Problems& problems) const;

 private:
  struct Size {
    size_t nodes = 0;   ///< after expansion; counting stops past the limit
    size_t levels = 0;  ///< of blocks in blocks
  };
  struct Expansion {
    Problems& problems;
    std::vector<const BlockDefinition*> open;
    std::map<const BlockDefinition*, Size> known;
    bool good;
  };
  Size measure(const BlockDefinition& block, const Origin& used, Expansion& expansion) const;
  Size measure(const Value& nodes, Expansion& expansion) const;

  std::vector<BlockDefinition> blocks_;
  std::unordered_map<std::string, size_t> places_;  ///< by name
};

/// The keys that every node has, whatever its op. Reports wrong names and a missing or double "op"
/// / "block". Marks the keys as known.
struct NodeHead {
  const Value* op = nullptr;  ///< a string; null when absent
  const Value* block = nullptr;
  const Value* inputs = nullptr;  ///< "input" (a string) or "inputs" (an array of strings)
};
NodeHead read_head(ReadKeys& reader, const Value& node, const std::string& path,
                   Problems& problems);
/// The names of op entries that files may use.
std::vector<std::string_view> op_names(const Registry& registry);
/// Reported when unknown.
const OpEntry* find_op(const Value& op, const std::string& path, const Registry& registry,
                       Problems& problems);
/// Reports names that are no names or come twice.
void check_names(const Array& nodes, const std::vector<std::string>& names, const std::string& path,
                 Problems& problems);
/// "network.stem", or "network.nodes[2]" for a node without a name of its own.
std::string node_path(const std::string& list_path, const Value& node, size_t index);

}  // namespace engine
