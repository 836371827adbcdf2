#include "config/loader.h"

#include <algorithm>
#include <fstream>
#include <sstream>

#include "config/venue_defaults.h"
#include "config/wallet_table.h"
#include "config/yaml_reader.h"
#include "core/text.h"

namespace spreadwatch::config {
namespace {

constexpr std::int64_t kDayMs = 86'400'000;

std::string venue_names() {
  std::string names;
  for (const VenueIdentity& v : kVenues) {
    names += (names.empty() ? "" : ", ") + std::string{v.name};
  }
  return names;
}

constexpr std::string_view kAllowedNames =
    "allowed: up to 20 characters of any script, letters in upper case, no spaces and no signs but "
    ". and $";

std::string check_ticker(const std::string& text) {
  return is_canonical_asset(text) ? "" : std::string{kAllowedNames};
}

/// An URL of one of two schemes with something behind it.
auto check_url(std::string_view plain, std::string_view secure) {
  return [plain, secure](const std::string& text) -> std::string {
    for (const std::string_view scheme : {plain, secure}) {
      if (text.starts_with(scheme) && text.size() > scheme.size()) return "";
    }
    return "must start with " + std::string{plain} + " or " + std::string{secure};
  };
}

std::string check_one_of(const std::string& text, std::initializer_list<std::string_view> allowed) {
  std::string list;
  for (const std::string_view value : allowed) {
    if (text == value) return "";
    list += (list.empty() ? "" : ", ") + std::string{value};
  }
  return "allowed: " + list;
}

void read_assets(Mapping& root, Settings& settings, const Report& report) {
  const YAML::Node node = root.node("assets");
  if (!node.IsDefined() || node.IsNull()) {
    report.error(root.self(), "assets: missing, name a list of assets, or all");
    return;
  }
  if (node.IsScalar() && node.Scalar() == "all") {
    settings.all_assets = true;
    return;
  }
  if (!node.IsSequence() || node.size() == 0) {
    report.error(node, "assets: must be a list with at least one asset, or all");
    return;
  }
  for (const YAML::Node& item : node) {
    if (!item.IsScalar() || !is_canonical_asset(item.Scalar())) {
      std::string message = "assets: \"" + (item.IsScalar() ? item.Scalar() : std::string{"?"});
      report.error(item, message.append("\" is not an asset, ").append(kAllowedNames));
    } else if (std::ranges::find(settings.assets, item.Scalar()) != settings.assets.end()) {
      report.error(item, "assets: " + item.Scalar() + " is named twice");
    } else {
      settings.assets.push_back(item.Scalar());
    }
  }
}

VenueSettings read_venue(VenueId id, const YAML::Node& node, const Report& report) {
  VenueSettings venue{.id = id,
                      .quote = std::string{identity(id).default_quote},
                      .taker_fee = default_taker_fee(id),
                      .fx_taker_fee = {},
                      .ws_url = {},
                      .rest_url = {}};
  Mapping map(node, "venues." + std::string{to_string(id)}, report);
  map.number("taker_fee", venue.taker_fee, 0, 0.05);
  if (map.has("fx_taker_fee")) {
    double fee = venue.taker_fee;
    map.number("fx_taker_fee", fee, 0, 0.05);
    venue.fx_taker_fee = fee;
  }
  map.text("quote", venue.quote, [](const std::string& text) {
    return check_one_of(text, {"KRW", "USDT", "USD"});
  });
  map.text("ws_url", venue.ws_url, check_url("ws://", "wss://"));
  map.text("rest_url", venue.rest_url, check_url("http://", "https://"));
  map.integer("orderbook_depth", venue.orderbook_depth, 1, 5000);
  map.duration("liveness_ms", venue.liveness, 100, 600'000);
  map.duration("fallback_after_ms", venue.fallback_after, 100, 600'000);
  map.duration("fallback_poll_ms", venue.fallback_poll, 100, 60'000);
  map.duration("audit_interval_ms", venue.audit_interval, 0, kDayMs);
  map.finish();
  return venue;
}

void read_venues(Mapping& root, Settings& settings, const Report& report) {
  const YAML::Node node = root.node("venues");
  if (!node.IsDefined() || node.IsNull()) {
    report.error(root.self(), "venues: missing, name at least one of " + venue_names());
    return;
  }
  if (!node.IsMap() || node.size() == 0) {
    report.error(node, "venues: must be a mapping with at least one of " + venue_names());
    return;
  }
  for (const auto& entry : node) {
    const std::string name = entry.first.IsScalar() ? entry.first.Scalar() : "?";
    const std::optional<VenueId> id = venue_from_name(name);
    if (!id) {
      report.error(entry.first, "venues." + name + ": unknown venue, allowed: " + venue_names());
    } else if (settings.venue(*id) != nullptr) {
      report.error(entry.first, "venues." + name + ": named twice");
    } else {
      settings.venues.push_back(read_venue(*id, entry.second, report));
    }
  }
}

void read_bank(const YAML::Node& node, FxSettings& fx, const Report& report) {
  if (!node.IsDefined() || node.IsNull()) return;
  if (!node.IsSequence()) {
    report.error(node, "fx.bank: must be a list of sources");
    return;
  }
  for (std::size_t i = 0; i < node.size(); ++i) {
    BankSettings bank;
    const std::string path = "fx.bank[" + std::to_string(i) + "]";
    Mapping map(node[i], path, report);
    map.text("name", bank.name);
    map.text("url", bank.url, check_url("http://", "https://"));
    map.text("pointer", bank.pointer, [](const std::string& text) -> std::string {
      return text.empty() || text.front() == '/' ? "" : "a JSON pointer starts with /";
    });
    map.boolean("invert", bank.invert);
    map.duration("poll_s", bank.poll, 1, 86'400);
    map.duration("max_age_ms", bank.max_age, 1000, 30 * kDayMs);
    map.finish();
    for (const char* required : {"name", "url"}) {
      if (node[i].IsMap() && !map.has(required)) {
        report.error(node[i], path + "." + required + ": missing");
      }
    }
    const bool twice = std::ranges::any_of(
        fx.bank, [&bank](const BankSettings& other) { return other.name == bank.name; });
    if (twice) report.error(node[i], path + ".name: " + bank.name + " is named twice");
    fx.bank.push_back(std::move(bank));
  }
}

void read_fx(Mapping& root, Settings& settings, const Report& report) {
  Mapping map(root.node("fx"), "fx", report);
  map.integer("quorum", settings.fx.quorum, 1, 10);
  map.number("max_deviation", settings.fx.max_deviation, 0.0001, 0.5);
  map.duration("max_age_ms", settings.fx.max_age, 100, kDayMs);
  read_bank(map.node("bank"), settings.fx, report);
  map.finish();
}

void read_sizes(const YAML::Node& node, SpreadSettings& spread, const Report& report) {
  if (!node.IsDefined()) return;
  constexpr const char* kAllowed =
      "spread.sizes_usdt: must be a rising list of 1 to 20 amounts from 1 to 1000000000";
  if (!node.IsSequence() || node.size() == 0 || node.size() > 20) {
    report.error(node, kAllowed);
    return;
  }
  std::vector<double> sizes;
  for (const YAML::Node& item : node) {
    double value = 0;
    const bool number = item.IsScalar() && YAML::convert<double>::decode(item, value);
    if (!number || !(value >= 1 && value <= 1e9) || (!sizes.empty() && value <= sizes.back())) {
      report.error(item, kAllowed);
      return;
    }
    sizes.push_back(value);
  }
  spread.sizes_usdt = std::move(sizes);
}

void read_modes(const YAML::Node& node, SpreadSettings& spread, const Report& report) {
  if (!node.IsDefined()) return;
  std::vector<Mode> modes;
  if (node.IsSequence()) {
    for (const YAML::Node& item : node) {
      for (const Mode mode : {Mode::kInventory, Mode::kTransfer}) {
        if (item.IsScalar() && item.Scalar() == to_string(mode) &&
            std::ranges::find(modes, mode) == modes.end()) {
          modes.push_back(mode);
        }
      }
    }
  }
  if (!node.IsSequence() || modes.empty() || modes.size() != node.size()) {
    report.error(node,
                 "spread.modes: must be a list without repeats, allowed: inventory, transfer");
    return;
  }
  spread.modes = std::move(modes);
}

void read_spread(Mapping& root, Settings& settings, const Report& report) {
  SpreadSettings& spread = settings.spread;
  Mapping map(root.node("spread"), "spread", report);
  read_sizes(map.node("sizes_usdt"), spread, report);
  read_modes(map.node("modes"), spread, report);
  map.number("open_profit_usdt", spread.open_profit_usdt, 0, 1e9);
  map.number("open_ratio", spread.open_ratio, 0, 10);
  map.duration("open_hold_ms", spread.open_hold, 0, kDayMs);
  map.number("close_profit_usdt", spread.close_profit_usdt, -1e9, 1e9);
  map.number("close_ratio", spread.close_ratio, -1, 10);
  map.duration("close_hold_ms", spread.close_hold, 0, kDayMs);
  map.duration("max_quiet_ms", spread.max_quiet, 100, kDayMs);
  map.duration("max_delay_ms", spread.max_delay, 1, kDayMs);
  map.finish();
  if (spread.close_profit_usdt > spread.open_profit_usdt) {
    report.error(map.node("close_profit_usdt"),
                 "spread.close_profit_usdt: must not be above spread.open_profit_usdt");
  }
  if (spread.close_ratio > spread.open_ratio) {
    report.error(map.node("close_ratio"),
                 "spread.close_ratio: must not be above spread.open_ratio");
  }
}

void read_wallets(Mapping& root, Settings& settings, const Report& report) {
  Mapping map(root.node("wallets"), "wallets", report);
  map.duration("poll_s", settings.wallets.poll, 0, 86'400);
  map.duration("max_age_ms", settings.wallets.max_age, 1000, 7 * kDayMs);
  map.text("table", settings.wallets.table);
  map.finish();
}

void read_publish(Mapping& root, Settings& settings, const Report& report) {
  Mapping map(root.node("publish"), "publish", report);
  map.duration("conflate_ms", settings.publish.conflate, 0, 60'000);
  map.integer("orderbook_levels", settings.publish.orderbook_levels, 1, 5000);
  map.finish();
}

void read_kafka(Mapping& root, Settings& settings, const Report& report) {
  KafkaSettings& kafka = settings.kafka;
  Mapping map(root.node("kafka"), "kafka", report);
  map.text("brokers", kafka.brokers, [](const std::string& text) -> std::string {
    return text.empty() ? "name host:port, several with commas, or embedded" : "";
  });
  map.text("prefix", kafka.prefix, [](const std::string& text) -> std::string {
    const bool legal = text.size() <= 100 && std::ranges::all_of(text, [](char c) {
                         return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                                (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
                       });
    return legal ? "" : "allowed: up to 100 of letters, digits, '.', '_' and '-'";
  });
  map.text("compression", kafka.compression, [](const std::string& text) {
    return check_one_of(text, {"none", "gzip", "snappy", "lz4", "zstd"});
  });
  map.duration("linger_ms", kafka.linger, 0, 60'000);
  map.integer("queue_records", kafka.queue_records, 1000, 10'000'000);
  map.finish();
}

template <class Listen>
void read_listen(Mapping& root, const char* key, Listen& listen, const Report& report) {
  Mapping map(root.node(key), key, report);
  map.text("address", listen.address, [](const std::string& text) -> std::string {
    return text.empty() ? "name an address to listen on" : "";
  });
  map.integer("port", listen.port, 0, 65'535);
  map.finish();
}

void read_fault_script(const YAML::Node& node, SimulateSettings& simulate, const Report& report) {
  if (!node.IsDefined() || node.IsNull()) return;
  if (!node.IsSequence() || node.size() > 1000) {
    report.error(node, "simulate.faults: must be a list of at most 1000 faults");
    return;
  }
  for (std::size_t i = 0; i < node.size(); ++i) {
    SimulateFault fault;
    fault.line = node[i].Mark().line + 1;
    Mapping map(node[i], "simulate.faults[" + std::to_string(i) + "]", report);
    map.integer("at_ms", fault.at_ms, 0, kDayMs);
    map.integer("duration_ms", fault.duration_ms, 0, kDayMs);
    map.text("fault", fault.fault);
    if (node[i].IsMap() && !map.has("fault")) {
      report.error(node[i], map.path_of("fault") + ": missing");
    }
    const auto name = [&](const char* key, std::optional<std::string>& out) {
      if (!map.has(key) || map.node(key).IsNull()) return;
      map.text(key, out.emplace());
    };
    name("venue", fault.venue);
    name("symbol", fault.symbol);
    if (!node[i].IsMap()) continue;
    for (const auto& entry : node[i]) {
      const auto key = entry.first.as<std::string>("");
      const bool common = key == "at_ms" || key == "duration_ms" || key == "fault" ||
                          key == "venue" || key == "symbol";
      if (common) continue;
      std::int64_t value = 0;
      map.integer(key.c_str(), value, INT64_MIN, INT64_MAX);
      fault.parameters.emplace_back(key, value);
    }
    simulate.faults.push_back(std::move(fault));
  }
}

void read_simulate(Mapping& root, Settings& settings, const Report& report) {
  SimulateSettings& simulate = settings.simulate;
  Mapping map(root.node("simulate"), "simulate", report);
  map.integer("base_port", simulate.base_port, 0, 65'535 - static_cast<std::int64_t>(kVenueCount));
  // 0 for the venues means "any free port" for everything unless the control port is named itself.
  if (simulate.base_port == 0)
    simulate.control_port = 0;
  else
    simulate.control_port = static_cast<std::uint16_t>(simulate.base_port + kVenueCount);
  map.integer("control_port", simulate.control_port, 0, 65'535);
  auto seed = static_cast<std::int64_t>(simulate.seed);
  map.integer("seed", seed, 0, INT64_MAX);
  simulate.seed = static_cast<std::uint64_t>(seed);
  map.boolean("tls", simulate.tls);
  read_fault_script(map.node("faults"), simulate, report);
  map.finish();
}

void read_record(Mapping& root, Settings& settings, const Report& report) {
  RecordSettings& record = settings.record;
  Mapping map(root.node("record"), "record", report);
  map.integer("max_file_mb", record.max_file_mb, 1, 65'536);
  map.duration("max_file_s", record.max_file, 1, std::int64_t{7} * 86'400);
  map.integer("max_total_mb", record.max_total_mb, 1, 100'000'000);
  map.integer("queue_mb", record.queue_mb, 1, 16'384);
  if (map.has("metrics_port")) {
    map.integer("metrics_port", record.metrics_port.emplace(), 0, 65'535);
  }
  map.finish();
  if (record.max_total_mb < record.max_file_mb) {
    report.error(map.has("max_total_mb") ? map.node("max_total_mb") : map.node("max_file_mb"),
                 "record.max_total_mb: must not be below record.max_file_mb");
  }
}

void read_log(Mapping& root, Settings& settings, const Report& report) {
  Mapping map(root.node("log"), "log", report);
  map.text("level", settings.log.level, [](const std::string& text) {
    return check_one_of(text, {"debug", "info", "warn", "error"});
  });
  map.finish();
}

std::optional<std::string> read_file(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return std::nullopt;
  std::ostringstream text;
  text << in.rdbuf();
  if (in.bad()) return std::nullopt;
  return text.str();
}

/// Reads a table that is built in unless the configuration names a file.
template <class Load, class Table>
void read_table(Loaded& loaded, const std::filesystem::path& folder, const std::string& key,
                const std::string& path, std::string_view builtin, Load load, Table& table) {
  std::string text{builtin};
  std::string name = "built-in " + key;
  if (!path.empty()) {
    const std::filesystem::path file = folder / path;
    name = file.string();
    std::optional<std::string> content = read_file(file);
    if (!content) {
      loaded.errors.push_back({name, 0, key + ": cannot be read"});
      return;
    }
    text = std::move(*content);
  }
  for (Finding& finding : load(text, name, table)) loaded.errors.push_back(std::move(finding));
}

Loaded load_from(std::string_view text, const std::string& file,
                 const std::filesystem::path& folder) {
  Loaded loaded;
  const Report report{file, &loaded.errors};
  const std::optional<YAML::Node> document = parse_yaml(text, report);
  if (!document) return loaded;
  Settings& settings = loaded.settings;
  Mapping root(*document, "", report);
  read_assets(root, settings, report);
  read_venues(root, settings, report);
  read_fx(root, settings, report);
  read_spread(root, settings, report);
  read_wallets(root, settings, report);
  read_publish(root, settings, report);
  read_kafka(root, settings, report);
  read_listen(root, "http", settings.http, report);
  read_listen(root, "metrics", settings.metrics, report);
  read_simulate(root, settings, report);
  read_record(root, settings, report);
  read_log(root, settings, report);
  root.text("asset_registry", settings.asset_registry);
  root.text("state_dir", settings.state_dir);
  root.finish();
  read_table(loaded, folder, "asset_registry", settings.asset_registry, builtin_registry_text(),
             load_registry_text, loaded.registry);
  read_table(loaded, folder, "wallets.table", settings.wallets.table, builtin_wallets_text(),
             load_wallet_table_text, loaded.wallets);
  for (const std::string& asset : settings.assets) {
    if (!loaded.registry.contains(asset)) {
      loaded.warnings.push_back(
          {file, 0,
           "assets: " + asset + " is not in the asset registry, its identity counts as unproven"});
    }
  }
  std::ranges::stable_sort(loaded.errors, {}, &Finding::line);
  return loaded;
}

}  // namespace

std::string Finding::text() const {
  return file + ":" + (line > 0 ? std::to_string(line) + ":" : "") + " " + message;
}

Loaded load_text(std::string_view text, const std::string& file) {
  return load_from(text, file, std::filesystem::path{});
}

Loaded load(const std::filesystem::path& file) {
  const std::optional<std::string> text = read_file(file);
  if (!text) {
    Loaded loaded;
    loaded.errors.push_back({file.string(), 0, "cannot be read"});
    return loaded;
  }
  return load_from(*text, file.string(), file.parent_path());
}

std::vector<Finding> load_registry_text(std::string_view text, const std::string& file,
                                        AssetRegistry& out) {
  std::vector<Finding> errors;
  const Report report{file, &errors};
  const std::optional<YAML::Node> document = parse_yaml(text, report);
  if (!document) return errors;
  std::array<std::set<std::string>, kVenueCount> taken;
  Mapping root(*document, "", report);
  if (!root.self().IsMap()) return errors;
  std::set<std::string> names;
  for (const auto& entry : root.self()) {
    const std::string name = entry.first.IsScalar() ? entry.first.Scalar() : "";
    if (!is_canonical_asset(name)) {
      report.error(entry.first, name + ": " + check_ticker(name));
      continue;
    }
    if (!names.insert(name).second) continue;  // reported as named twice by the mapping
    AssetRegistry::Asset asset{.name = name, .tickers = {}};
    Mapping map(entry.second, name, report);
    std::string described;
    map.text("name", described);
    std::string evidence;
    map.text("evidence", evidence);
    if (evidence.empty()) report.error(entry.first, name + ".evidence: missing");
    const YAML::Node except = map.node("except");
    const YAML::Node tickers = map.node("tickers");
    std::string note;
    map.text("note", note);
    map.finish();
    std::set<std::string> left_out;
    if (except.IsDefined()) {
      for (const YAML::Node& item : except) {
        const std::string venue = item.IsScalar() ? item.Scalar() : "?";
        if (!venue_from_name(venue)) {
          std::string message = name;
          message.append(".except: unknown venue ")
              .append(venue)
              .append(", allowed: ")
              .append(venue_names());
          report.error(item, message);
        }
        left_out.insert(venue);
      }
    }
    Mapping own(tickers, name + ".tickers", report);
    for (const VenueIdentity& venue : kVenues) {
      const std::string venue_name{venue.name};
      std::string ticker = name;
      own.text(venue_name.c_str(), ticker, check_ticker);
      if (left_out.contains(venue_name)) continue;
      if (!taken[index_of(venue.id)].insert(ticker).second) {
        std::string message = name;
        message.append(": ")
            .append(venue_name)
            .append(" ticker ")
            .append(ticker)
            .append(" is mapped to two assets");
        report.error(entry.first, message);
        continue;
      }
      asset.tickers[index_of(venue.id)] = ticker;
    }
    own.finish();
    out.add(std::move(asset));
  }
  return errors;
}

}  // namespace spreadwatch::config
