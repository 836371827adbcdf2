// What each fault of the simulator has to do to the market it strikes, venue by venue.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "core/venue.h"

namespace spreadwatch::test {

using Json = nlohmann::json;
using std::chrono::milliseconds;

/// The settings that the times expected below follow from.
inline constexpr milliseconds kLiveness{4000};
inline constexpr milliseconds kQuiet{6000};
/// Of what a venue does not know; 60 s in earnest.
inline constexpr milliseconds kFirstRejection{3000};

/// What a fault has to do to the market it strikes.
enum class Effect : std::uint8_t {
  kNothing,     // the book goes on
  kBook,        // this book alone is invalidated
  kConnection,  // every book of the venue is
  kEither,      // the venue's rule or the socket decides; other venues go on
};

struct Expected {
  Effect effect = Effect::kNothing;
  std::set<std::string> as;           ///< allowed "state/reason" of the loss; empty = any
  std::set<std::string> errors = {};  ///< one of these codes is reported; empty = none asked for
  std::set<std::string> pair_reasons =
      {};  ///< one of these is a reason of the asset's pairs at the venue
  milliseconds noticed{1000};
  milliseconds recovered{15'000};
};

struct Row {
  std::string fault;
  Json parameters = Json::object();
  bool then_close = false;  ///< the fault shows only when the venue is connected to anew
  /// By venue, since the integrity rules differ.
  std::function<Expected(VenueId)> expected;
  std::string label = {};  ///< in the table, where it is not the fault's name
};

/// Every fault with what is expected of it.
std::vector<Row> rows();

/// Faults of single messages: nobody else's output may differ in a byte.
bool spoils_messages(const std::string& fault);

/// The metric that counts a reason of a loss, by its name without prefix and venue.
std::string metric_of(const std::string& state, const std::string& reason);

}  // namespace spreadwatch::test
