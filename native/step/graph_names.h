// The names of the graph's inputs and outputs, as src/graph/io.ts gives them. They live as long as the object.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace inhouse {

class GraphNames {
 public:
  static constexpr const char* inputIds = "input_ids";
  static constexpr const char* positionIds = "position_ids";
  static constexpr const char* seqlensK = "seqlens_k";
  static constexpr const char* totalSequenceLength = "total_sequence_length";
  static constexpr const char* logitsIndex = "logits_index";
  static constexpr const char* logits = "logits";
  static constexpr const char* hidden = "hidden";

  explicit GraphNames(std::size_t layers) {
    for (std::size_t layer = 0; layer < layers; layer++) {
      const std::string n = std::to_string(layer);
      pastKeys_.push_back("past_key_values." + n + ".key");
      pastValues_.push_back("past_key_values." + n + ".value");
    }
  }

  const char* pastKey(std::size_t layer) const { return pastKeys_[layer].c_str(); }
  const char* pastValue(std::size_t layer) const { return pastValues_[layer].c_str(); }

 private:
  std::vector<std::string> pastKeys_, pastValues_;
};

}  // namespace inhouse
