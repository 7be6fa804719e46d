#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace engine {

/// For which GPUs a library has code, by CMake's list of them: "80,90-real,100-real". Code for 8.0
/// also runs on 8.6, but not on 9.0; PTX, which the driver compiles, on all that came later.
class Architectures {
 public:
  /// Words that are no number ("native") stand for this machine's GPUs: then every GPU is covered.
  explicit Architectures(std::string_view list);
  /// "sm_80, sm_90, sm_100, PTX for later ones"
  std::string text() const;
  /// Of a GPU's compute capability.
  bool cover(int major, int minor) const;

 private:
  struct Architecture {
    int number = 0;        ///< 80 for 8.0
    std::string specific;  ///< "a" of 90a, which runs on 9.0 alone
    bool code = false, ptx = false;
  };
  std::vector<Architecture> all_;
  std::string unknown_;  ///< the word that is no number
};

}  // namespace engine
