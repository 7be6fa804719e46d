#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/core/problems.h"
#include "engine/core/registry.h"

namespace engine {

/// A node as an experiment file names it, after blocks have been expanded.
struct NodeSpec {
  std::string name;                 ///< "inception_a.conv1x1"
  std::string block;                ///< the block instance it came from ("inception_a"), or empty
  std::shared_ptr<Op> op;           ///< configured
  std::vector<std::string> inputs;  ///< node names; "" is the network's input
  Origin origin;
};

struct NetworkSpec {
  std::vector<NodeSpec> nodes;  ///< in the file's order; inputs come before their users
};

/// Reads "network": expands blocks ($input, $parameters), configures ops, resolves inputs. A node
/// without "input" takes the node before it; an instance's output is its block's last node. In a
/// block "$input" is what the instance is given, "$input2" its second input. Reports unknown ops,
/// keys, inputs and parameters, duplicate names, blocks that contain themselves, outputs that
/// nothing uses, and too many nodes (before any is made). When something is reported the result may
/// be incomplete.
NetworkSpec read_network(const Value& network, const Registry& registry, Problems& problems);

/// The names of the nodes of a list: the file's, or for a node without name its op's (its block's),
/// with "_2", "_3" when that is taken. Other values than nodes get an empty name.
std::vector<std::string> node_names(const Array& nodes);

/// "network" with names and the defaults of every op's attributes filled in; blocks stay blocks.
Value resolve_network(const Value& network, const Registry& registry);

/// Names of experiments' parts (nodes, blocks, parameters, stages): letters, digits, "_" and "-",
/// at most kLimits.name_bytes.
bool is_name(std::string_view text);
std::string name_text();  ///< the same in words, for messages

}  // namespace engine
