// The operations on rows: check, compute, and only then change.
#include "rows.h"

#include <algorithm>

#include "../failure.h"
#include "numbers.h"

namespace inhouse {

Rows::Rows(Stepper& stepper, KvStore& kv, const ModelShape& shape, std::size_t maxRows)
    : stepper_(stepper), kv_(kv), shape_(shape), rows_(maxRows) {
  decodeInputs_.reserve(maxRows);
}

void Rows::open(double index, RowOptions options) {
  const std::size_t row = freed(index);
  if (!isInteger(options.capacity, 1, static_cast<double>(shape_.contextLength))) {
    throw rowFailure("Row capacity " + text(options.capacity) + " is not an integer from 1 to the context, " +
                     std::to_string(shape_.contextLength) + ".");
  }
  Sampler sampler(std::move(options.sampling), options.prompt, options.output, shape_.vocabularySize);
  rows_[row].emplace(Row{static_cast<std::size_t>(options.capacity), std::move(sampler), 0, std::nullopt});
  rowsOpenPeak_ = std::max(rowsOpenPeak_, rowsOpen());
}

std::optional<TokenChoice> Rows::prefill(double index, const Tokens& tokens, bool sample) {
  const std::size_t number = opened(index);
  Row& row = *rows_[number];
  if (tokens.empty()) throw rowFailure("prefill needs at least one token.");
  checkRoom(number, tokens.size());

  std::optional<TokenChoice> choice;
  try {
    provide(number, row.length + tokens.size());
    for (std::size_t begin = 0; begin < tokens.size(); begin += chunkTokens) {
      ChunkInput chunk;
      chunk.row = number;
      chunk.tokens = tokens.data() + begin;
      chunk.count = std::min(chunkTokens, tokens.size() - begin);
      chunk.past = row.length + begin;
      const bool last = begin + chunk.count == tokens.size();
      chunk.logitsRows = last && sample ? 1 : 0;
      stepper_.append(chunk);
    }
    if (sample) choice = row.sampler.choose(stepper_.rowLogits(0), scratch_);
  } catch (...) {
    fitMemory(number);
    throw;
  }

  row.length += tokens.size();
  row.pending.reset();
  if (choice) {
    row.pending = choice->token;
    row.sampler.accept(choice->token);
  }
  prefillTokens_ += tokens.size();
  notePeaks();
  return choice;
}

std::vector<std::vector<TokenChoice>> Rows::decode(double rows, double steps) {
  if (!isInteger(rows, 1, static_cast<double>(rows_.size())))
    throw rowFailure("decode needs 1 to " + std::to_string(rows_.size()) + " rows, not " + text(rows) + ".");
  if (!isInteger(steps, 1, 9007199254740991.0))
    throw rowFailure("decode needs at least one step, not " + text(steps) + ".");
  const auto count = static_cast<std::size_t>(rows);
  for (std::size_t row = 0; row < count; row++) {
    opened(static_cast<double>(row));
    if (!rows_[row]->pending) throw rowFailure("Row " + std::to_string(row) + " has no sampled token to go on from.");
    checkRoom(row, 1);
  }

  struct Before {
    std::size_t length;
    std::optional<std::int32_t> pending;
    std::size_t output;
  };
  std::vector<Before> before;
  for (std::size_t row = 0; row < count; row++)
    before.push_back({rows_[row]->length, rows_[row]->pending, rows_[row]->sampler.outputLength()});

  std::vector<std::vector<TokenChoice>> choices(count);
  try {
    for (double step = 0; step < steps; step++) {
      decodeOnce(count, choices);
      if (anyEnded(count)) break;
    }
  } catch (...) {
    for (std::size_t row = 0; row < count; row++) {
      rows_[row]->length = before[row].length;
      rows_[row]->pending = before[row].pending;
      rows_[row]->sampler.rewind(before[row].output);
      fitMemory(row);
    }
    throw;
  }
  decodeSteps_ += choices[0].size();
  decodeTokens_ += choices[0].size() * count;
  notePeaks();
  return choices;
}

void Rows::move(double fromIndex, double toIndex) {
  const std::size_t from = opened(fromIndex);
  const std::size_t to = freed(toIndex);
  kv_.move(from, to, rows_[from]->length);
  rows_[to] = std::move(rows_[from]);
  rows_[from].reset();
}

void Rows::copyPrefix(double fromIndex, double toIndex, double positions) {
  const std::size_t from = opened(fromIndex);
  const std::size_t to = opened(toIndex);
  const std::size_t held = rows_[from]->length;
  if (!isInteger(positions, 0, static_cast<double>(held))) {
    throw rowFailure("Cannot copy " + text(positions) + " positions of row " + std::to_string(from) +
                     ", which holds " + std::to_string(held) + ".");
  }
  Row& target = *rows_[to];
  if (target.length > 0)
    throw rowFailure("Row " + std::to_string(to) + " already holds " + std::to_string(target.length) + " positions.");
  const auto length = static_cast<std::size_t>(positions);
  checkRoom(to, length);
  provide(to, length);
  kv_.copy(from, to, length);
  target.length = length;
  notePeaks();
}

void Rows::truncate(double index, double positions) {
  const std::size_t row = opened(index);
  const std::size_t held = rows_[row]->length;
  if (!isInteger(positions, 0, static_cast<double>(held))) {
    throw rowFailure("Cannot truncate row " + std::to_string(row) + ", which holds " + std::to_string(held) +
                     " positions, to " + text(positions) + ".");
  }
  rows_[row]->length = static_cast<std::size_t>(positions);
  rows_[row]->pending.reset();
  fitMemory(row);
}

void Rows::close(double index) {
  const std::size_t row = opened(index);
  rows_[row].reset();
  kv_.resize(row, 0);
}

RunnerStatistics Rows::statistics() const {
  RunnerStatistics statistics{};
  statistics.rowsOpen = rowsOpen();
  statistics.rowsOpenPeak = rowsOpenPeak_;
  statistics.bytesPerToken = kv_.bytesPerToken();
  statistics.tokensHeld = tokensHeld();
  statistics.tokensHeldPeak = tokensHeldPeak_;
  statistics.kv = kv_.figures();
  statistics.prefillTokens = prefillTokens_;
  statistics.decodeSteps = decodeSteps_;
  statistics.decodeTokens = decodeTokens_;
  return statistics;
}

void Rows::decodeOnce(std::size_t count, std::vector<std::vector<TokenChoice>>& choices) {
  decodeInputs_.clear();
  for (std::size_t row = 0; row < count; row++) {
    provide(row, rows_[row]->length + 1);
    decodeInputs_.push_back({*rows_[row]->pending, rows_[row]->length});
  }
  stepper_.decode(decodeInputs_);
  for (std::size_t row = 0; row < count; row++)
    choices[row].push_back(choose(row));
  for (std::size_t row = 0; row < count; row++) {
    const std::int32_t token = choices[row].back().token;
    rows_[row]->length++;
    rows_[row]->pending = token;
    rows_[row]->sampler.accept(token);
  }
}

/** Where a row's logits leave no token, the failure names the row: it is nobody else's. */
TokenChoice Rows::choose(std::size_t row) {
  try {
    return rows_[row]->sampler.choose(stepper_.rowLogits(row), scratch_);
  } catch (const NoChoice& failure) {
    throw Failure(failure.code(), failure.what(), {{"row", static_cast<double>(row)}});
  }
}

bool Rows::anyEnded(std::size_t count) const {
  return std::any_of(rows_.begin(), rows_.begin() + static_cast<std::ptrdiff_t>(count), [](const auto& row) {
    return row->sampler.isStopToken(*row->pending) || row->length == row->capacity;
  });
}

std::size_t Rows::inRange(double row) const {
  if (isInteger(row, 0, static_cast<double>(rows_.size()) - 1)) return static_cast<std::size_t>(row);
  throw rowFailure("Row " + text(row) + " does not exist: this runner has rows 0 to " +
                   std::to_string(rows_.size() - 1) + ".");
}

std::size_t Rows::opened(double index) const {
  const std::size_t row = inRange(index);
  if (!rows_[row]) throw rowFailure("Row " + std::to_string(row) + " is not open.");
  return row;
}

std::size_t Rows::freed(double index) const {
  const std::size_t row = inRange(index);
  if (rows_[row]) throw rowFailure("Row " + std::to_string(row) + " is already open.");
  return row;
}

void Rows::checkRoom(std::size_t index, std::size_t tokens) const {
  const Row& row = *rows_[index];
  if (row.length + tokens <= row.capacity) return;
  throw Failure(code::rowFull,
                "Row " + std::to_string(index) + " holds " + std::to_string(row.length) + " of " +
                    std::to_string(row.capacity) + " positions: " + std::to_string(tokens) + " more do not fit.",
                {{"row", static_cast<double>(index)},
                 {"length", static_cast<double>(row.length)},
                 {"capacity", static_cast<double>(row.capacity)},
                 {"tokens", static_cast<double>(tokens)}});
}

void Rows::provide(std::size_t row, std::size_t positions) {
  try {
    kv_.resize(row, positions);
  } catch (const Failure&) {
    throw;
  } catch (const std::runtime_error& error) {
    throw Failure(code::runtimeStep, std::string("No memory for more KV positions: ") + error.what());
  }
}

/** Returns the memory that a failed call provided and nothing holds. */
void Rows::fitMemory(std::size_t row) { kv_.resize(row, rows_[row]->length); }

std::size_t Rows::rowsOpen() const {
  return static_cast<std::size_t>(
      std::count_if(rows_.begin(), rows_.end(), [](const auto& row) { return row.has_value(); }));
}

std::size_t Rows::tokensHeld() const {
  std::size_t held = 0;
  for (const auto& row : rows_)
    if (row) held += row->length;
  return held;
}

void Rows::notePeaks() { tokensHeldPeak_ = std::max(tokensHeldPeak_, tokensHeld()); }

}  // namespace inhouse
