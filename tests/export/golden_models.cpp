// Writes the networks of tests/golden as ONNX models, for onnx_test.py: golden_models FOLDER

#include <filesystem>
#include <iostream>

#include "engine/core/file.h"
#include "engine/core/safetensors.h"
#include "engine/report/onnx_model.h"
#include "engine/run/fit_weights.h"
#include "tests/support/paths.h"
#include "tests/support/small_network.h"

namespace engine::test {
namespace {

void write_model(const std::filesystem::path& network_file, const std::filesystem::path& folder) {
  const SmallNetwork network = SmallNetwork::from_file(network_file);
  std::vector<NamedTensor> weights;
  constexpr std::string_view kInitial = "initial/";
  for (NamedTensor& tensor :
       read_safetensors(std::filesystem::path(network_file).replace_extension("safetensors"))) {
    if (!tensor.name.starts_with(kInitial)) continue;
    tensor.name = tensor.name.substr(kInitial.size());
    weights.push_back(std::move(tensor));
  }
  const Graph graph =
      build_graph(network.network, network.image, network.context, network.registry, {});
  const FittedWeights fitted = fit_weights(graph, std::move(weights), network_file);
  const std::string model = onnx_network(graph, fitted.parameters, "test");
  save_file(real_files(), folder / network_file.stem().concat(".onnx"), model, {.durable = false});
}

}  // namespace
}  // namespace engine::test

int main(int count, char** arguments) {
  if (count != 2) return 2;
  try {
    for (const auto& entry :
         std::filesystem::directory_iterator(engine::test::source_dir() / "tests/golden")) {
      if (entry.path().extension() == ".json")
        engine::test::write_model(entry.path(), arguments[1]);
    }
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
  return 0;
}
