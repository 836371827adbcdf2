#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/venue.h"
#include "sim/market.h"

/// The faults that can be ordered, and which of them are on: what, where, how long, how often they
/// struck. What a fault does is in sim/faulty_venue.h; sim/faults.md has the table.
///
/// Threads: the simulator's one thread. Nothing here knows a socket or a clock.
namespace spreadwatch::sim {

enum class FaultKind : std::uint8_t {
  kClose,
  kReset,
  kFreezeStream,
  kFreezeSocket,
  kGap,
  kBadChecksum,
  kDuplicate,
  kReorder,
  kCrossed,
  kOneSided,
  kMalformed,
  kTruncated,
  kOversized,
  kBinary,
  kDrip,
  kLate,
  kClockSkew,
  kStaleSnapshot,
  kHttp429,
  kHttp418,
  kHttp5xx,
  kBan,
  kMaintenance,
  kUnknownSymbol,
  kDelist,
  kWalletClosed,
};

/// A whole number that an order may carry.
struct FaultParameter {
  std::string_view name;  ///< carries its unit
  std::int64_t fallback = 0;
  std::int64_t low = 0;  ///< both ends allowed
  std::int64_t high = 0;
  std::string_view meaning;
};

struct FaultInfo {
  FaultKind kind;
  std::string_view name;
  bool per_symbol;           ///< may be limited to one market
  std::string_view meaning;  ///< what happens
  std::string_view once;     ///< what duration_ms 0 means
  std::optional<FaultParameter> parameter = {};
  bool addition = false;  ///< beside the documented list
};

/// Every fault, in the order of FaultKind.
std::span<const FaultInfo> fault_catalogue();
const FaultInfo& fault_info(FaultKind kind);
/// Whether the venue's protocol has what the fault breaks.
bool fault_applies(FaultKind kind, VenueId venue);

/// A fault as it is ordered by request or script, before anything is checked.
struct FaultOrder {
  std::string fault;
  std::optional<std::string> venue = {};   ///< nothing = all
  std::optional<std::string> symbol = {};  ///< "BASE-QUOTE", of a wallet also "BASE"; nothing = all
  std::int64_t duration_ms = 0;            ///< 0 = once
  std::vector<std::pair<std::string, std::int64_t>> parameters = {};
};

/// Reads `{"fault":…,"venue":…,"symbol":…,"duration_ms":…,<parameter>:…}`. Everything that is wrong
/// with the form goes to `errors`.
FaultOrder read_fault_order(std::string_view json, std::vector<std::string>& errors);

/// One fault at one venue, on or over.
struct Fault {
  std::uint64_t id = 0;
  FaultKind kind{};
  VenueId venue{};
  const Listing* listing = nullptr;  ///< of the true market; null = all of them
  std::int64_t value = 0;            ///< of the parameter, if the fault has one
  std::int64_t duration_ms = 0;
  std::int64_t started_ms = 0;
  std::uint64_t touched = 0;  ///< frames, requests or connections it changed
  bool over = false;

  [[nodiscard]] bool once() const { return duration_ms == 0; }
  [[nodiscard]] bool covers(std::size_t index) const {
    return listing == nullptr || listing->instrument.index == index;
  }

  /// For once: per market, the moment in which it struck; 0 = it has not yet. Everything that is
  /// sent in one moment shares its fate, whatever the number of connections.
  std::vector<std::uint64_t> struck = {};
};

class Faults {
 public:
  static constexpr std::size_t kMaxKept = 256;  ///< on and over together
  static constexpr std::int64_t kMaxDurationMs = 86'400'000;

  Faults(std::vector<VenueId> venues, const Market& market);

  /// Every reason why the order cannot be carried out; empty when it can.
  [[nodiscard]] std::vector<std::string> check(const FaultOrder& order) const;
  /// Starts a checked order at every venue it is meant for. Ended faults make room, oldest first;
  /// empty when there is none.
  std::vector<const Fault*> start(const FaultOrder& order, std::int64_t now_ms);
  void end_all();
  /// Ends what has lasted long enough; also what was for once at all markets, ten seconds after its
  /// start, when some markets have nobody who could see it.
  void expire(std::int64_t now_ms);

  /// Faults that are on at a venue.
  [[nodiscard]] const std::vector<Fault*>& live(VenueId venue) const {
    return live_[index_of(venue)];
  }
  /// The fault of this kind that strikes the market in this moment, or null.
  [[nodiscard]] Fault* find(VenueId venue, FaultKind kind, std::size_t index,
                            std::uint64_t moment) const;
  /// The first fault of this kind that is on at the venue, whatever its market, or null.
  [[nodiscard]] Fault* find(VenueId venue, FaultKind kind) const;
  /// Counts one thing changed.
  static void strike(Fault& fault, std::size_t index, std::uint64_t moment);
  void finish(Fault& fault);
  /// Ends the faults that were for once and have struck wherever they could.
  void finish_struck(VenueId venue);

  /// What GET /v1/faults answers.
  [[nodiscard]] std::string json() const;
  static std::string fault_json(const Fault& fault);

 private:
  [[nodiscard]] bool has(VenueId venue) const;
  [[nodiscard]] const Listing* listing_of(VenueId venue, std::string_view symbol, bool asset) const;
  /// Where a checked order goes.
  [[nodiscard]] std::vector<std::pair<VenueId, const Listing*>> targets(
      const FaultOrder& order) const;

  std::vector<VenueId> venues_;
  const Market* market_;
  std::vector<std::unique_ptr<Fault>> faults_;  // oldest first
  std::array<std::vector<Fault*>, kVenueCount> live_;
  std::uint64_t next_id_ = 1;
};

}  // namespace spreadwatch::sim
