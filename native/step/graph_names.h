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
  static constexpr const char* kvRows = "kv_rows";
  static constexpr const char* seqlensK = "seqlens_k";
  static constexpr const char* totalSequenceLength = "total_sequence_length";
  static constexpr const char* logitsIndex = "logits_index";
  static constexpr const char* logits = "logits";
  static constexpr const char* hidden = "hidden";
  static constexpr const char* topIds = "top_ids";
  static constexpr const char* topLogits = "top_logits";
  static constexpr const char* topLogprob = "top_logprob";

  explicit GraphNames(std::size_t layers) {
    for (std::size_t layer = 0; layer < layers; layer++) {
      const std::string n = std::to_string(layer);
      pastKeys_.push_back("past_key_values." + n + ".key");
      pastValues_.push_back("past_key_values." + n + ".value");
      presentKeys_.push_back("present." + n + ".key");
      presentValues_.push_back("present." + n + ".value");
    }
  }

  const char* pastKey(std::size_t layer) const { return pastKeys_[layer].c_str(); }
  const char* pastValue(std::size_t layer) const { return pastValues_[layer].c_str(); }
  const char* presentKey(std::size_t layer) const { return presentKeys_[layer].c_str(); }
  const char* presentValue(std::size_t layer) const { return presentValues_[layer].c_str(); }

 private:
  std::vector<std::string> pastKeys_, pastValues_, presentKeys_, presentValues_;
};

}  // namespace inhouse
