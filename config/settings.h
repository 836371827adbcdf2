#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/mode.h"
#include "core/ticker_field.h"
#include "core/time.h"
#include "core/venue.h"

namespace spreadwatch::config {

/// One watched venue. Fees are fractions of the quote amount.
struct VenueSettings {
  VenueId id{};
  std::string quote;  ///< the currency its assets are watched in
  double taker_fee =
      0;  ///< also the fee of its KRW-USDT (USDT-USD) market unless `fx_taker_fee` is set
  std::optional<double> fx_taker_fee;
  std::string ws_url;       ///< empty = the adapter's own; may hold a password
  std::string rest_url;     ///< empty = the adapter's own; may hold a password
  int orderbook_depth = 0;  ///< levels a side asked of the venue; 0 = the adapter's own choice
  milliseconds liveness{15'000};       ///< a connection that says nothing for so long is dead
  milliseconds fallback_after{2'500};  ///< a stream down or silent for so long is polled over REST
  milliseconds fallback_poll{2'000};   ///< how often then
  milliseconds audit_interval{5'000};  ///< how often an order book is compared with REST; 0 = never
};

/// One HTTP source of the KRW/USD bank rate.
struct BankSettings {
  std::string name;
  std::string url;      ///< may hold a password or a token
  std::string pointer;  ///< JSON pointer to the number in the answer
  bool invert = false;  ///< the number is USD per KRW
  seconds poll{60};
  milliseconds max_age{900'000};
};

struct FxSettings {
  int quorum = 2;
  double max_deviation = 0.01;
  milliseconds max_age{30'000};
  std::vector<BankSettings> bank;
};

struct SpreadSettings {
  std::vector<double> sizes_usdt{1000, 5000, 10'000, 50'000, 100'000};
  std::vector<Mode> modes{Mode::kInventory, Mode::kTransfer};
  double open_profit_usdt = 10;
  double open_ratio = 0.001;
  milliseconds open_hold{500};
  double close_profit_usdt = 0;
  double close_ratio = 0;
  milliseconds close_hold{2000};
  milliseconds max_quiet{30'000};
  milliseconds max_delay{5000};
};

/// Public wallet states, for mode transfer.
struct WalletSettings {
  seconds poll{300};              ///< 0 = nobody is asked
  milliseconds max_age{900'000};  ///< an older answer says nothing of states
  std::string table;              ///< path of the wallet table; empty = the built-in one
};

/// What is published, and how often; see spread::ReleaseRule.
struct PublishSettings {
  milliseconds conflate{100};     ///< period at whose end values leave; 0 = every change does
  milliseconds background{5000};  ///< pair rows that are not live
  milliseconds update{1000};      ///< live rows that hardly moved, and opportunities
  double live_above = -0.002;     ///< net ratio from which on a row is live
  double min_change = 0.0001;     ///< of the net ratio, for a live row to leave with a period
  int orderbook_levels = 15;
  TickerFields ticker_fields = kAllTickerFields;  ///< the others are left out of records
};

struct KafkaSettings {
  std::string brokers = "embedded";
  std::string prefix = "spreadwatch.";
  std::string compression = "zstd";
  milliseconds linger{5};
  std::size_t queue_records = 200'000;  ///< bound of what waits for the broker
};

struct HttpSettings {
  std::string address = "127.0.0.1";  ///< IPv4 or IPv6, without brackets
  std::uint16_t port = 8080;          ///< 0 = any free one
};

struct MetricsSettings {
  std::string address = "127.0.0.1";  ///< IPv4 or IPv6, without brackets
  std::uint16_t port = 9464;          ///< 0 = any free one
};

/// A fault the simulator starts by itself. What it means, and whether it can be, the simulator
/// knows.
struct SimulateFault {
  std::int64_t at_ms = 0;  ///< after the start
  std::string fault;
  std::optional<std::string> venue;   ///< nothing = all
  std::optional<std::string> symbol;  ///< nothing = all
  std::int64_t duration_ms = 0;       ///< 0 = once
  std::vector<std::pair<std::string, std::int64_t>> parameters;
  int line = 0;  ///< in the file, from 1
};

struct SimulateSettings {
  std::uint16_t base_port = 9600;     ///< 0 = any free one for each venue
  std::uint16_t control_port = 9609;  ///< 0 = any free one
  std::uint64_t seed = 1;
  bool tls = false;
  std::vector<SimulateFault> faults;
};

/// What `record` writes and how much of it.
struct RecordSettings {
  int max_file_mb = 256;
  seconds max_file{3600};
  int max_total_mb = 10'240;  ///< of all capture files in the folder; the oldest go
  int queue_mb = 64;          ///< payloads that wait for the disk; more is dropped and counted
  /// nullopt = the one after `metrics.port` (0 when that is 0), so that `run` and `record` can
  /// share a configuration.
  std::optional<std::uint16_t> metrics_port;
};

struct LogSettings {
  std::string level = "info";
};

/// The whole configuration, validated. Threads: a value.
struct Settings {
  bool all_assets = false;
  std::vector<std::string> assets;    ///< canonical; empty when all_assets
  std::vector<VenueSettings> venues;  ///< in the file's order
  std::string asset_registry;         ///< path of the asset registry; empty = the built-in one
  std::string state_dir;  ///< what outlives a restart is kept in this directory; empty = nothing is
  FxSettings fx;
  SpreadSettings spread;
  WalletSettings wallets;
  PublishSettings publish;
  KafkaSettings kafka;
  HttpSettings http;
  MetricsSettings metrics;
  SimulateSettings simulate;
  RecordSettings record;
  LogSettings log;
  /// Values that nothing may show: what came from the environment, passwords and tokens in
  /// addresses. For keep_secrets().
  std::vector<std::string> secrets;

  const VenueSettings* venue(VenueId id) const {
    for (const VenueSettings& v : venues) {
      if (v.id == id) return &v;
    }
    return nullptr;
  }
};

}  // namespace spreadwatch::config
