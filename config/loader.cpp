#include "config/loader.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "config/standing_wallets.h"
#include "config/yaml_reader.h"
#include "core/address.h"
#include "core/secrets.h"
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

constexpr std::size_t kMaxBankName = 64;     // bytes
constexpr std::size_t kMaxBankSources = 20;  // each has a thread
constexpr std::size_t kMaxFile = 4U << 20U;  // bytes

constexpr std::string_view kAllowedNames =
    "allowed: up to 20 characters of any script, letters in upper case, no spaces and no signs but "
    ". and $";

std::string check_ticker(const std::string& text) {
  return is_canonical_asset(text) ? "" : std::string{kAllowedNames};
}

/// What a venue's or a source's address may be made of.
enum class UrlParts : std::uint8_t {
  kAll,
  kNoQuery,  ///< a path is put behind it
};

/// An URL of one of two schemes.
auto check_url(std::string_view plain, std::string_view secure, UrlParts parts) {
  return [plain, secure, parts](const std::string& text) -> std::string {
    const std::string schemes = std::string{plain} + " or " + std::string{secure};
    std::string_view rest{text};
    for (const std::string_view scheme : {plain, secure}) {
      if (text.starts_with(scheme)) rest.remove_prefix(scheme.size());
    }
    if (rest.size() == text.size()) return "must start with " + schemes;
    const Result<Url> url = Url::parse(text);
    if (!url) return url.error().detail + "; allowed: " + schemes + ", host, :port, /path";
    if (text.find('#') != std::string::npos) return "must not have a #fragment";
    if (parts == UrlParts::kNoQuery && url->target.find('?') != std::string::npos) {
      return "must not have a ?query";
    }
    return "";
  };
}

/// Notes what nothing may show of an address: its password and its tokens, as written and decoded.
void note_secrets(const std::string& text, std::vector<std::string>& secrets) {
  const Result<Url> url = Url::parse(text);
  if (!url) return;
  const auto note = [&secrets](std::string_view value) {
    secrets.emplace_back(value);
    if (std::string plain = percent_decoded(value); plain != value) {
      secrets.push_back(std::move(plain));
    }
  };
  if (!url->userinfo.empty()) {
    const std::string_view authority = std::string_view{text}.substr(text.find("://") + 3);
    const std::string_view user = authority.substr(0, authority.find('@'));
    const std::size_t colon = user.find(':');
    note(colon == std::string_view::npos ? user : user.substr(colon + 1));
  }
  std::string_view query{url->target};
  query.remove_prefix(std::min(query.find('?'), query.size() - 1) + 1);
  while (!query.empty()) {
    const std::size_t end = std::min(query.find_first_of("&;"), query.size());
    const std::string_view parameter = query.substr(0, end);
    const std::size_t equals = parameter.find('=');
    if (equals != std::string_view::npos && is_secret_name(parameter.substr(0, equals))) {
      note(parameter.substr(equals + 1));
    }
    query.remove_prefix(std::min(end + 1, query.size()));
  }
}

void read_url(Mapping& map, const char* key, std::string& out, std::string_view plain,
              std::string_view secure, UrlParts parts, const Report& report) {
  map.text(key, out, check_url(plain, secure, parts));
  if (report.secrets != nullptr) note_secrets(out, *report.secrets);
}

/// RFC 6901: nothing, or a / before every part; in a part ~ is written ~0 and / is ~1.
std::string check_pointer(const std::string& text) {
  bool good = text.empty() || text.front() == '/';
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '~') continue;
    good = good && i + 1 < text.size() && (text[i + 1] == '0' || text[i + 1] == '1');
  }
  return good ? "" : "a JSON pointer starts with / and has ~ only in ~0 and ~1";
}

std::string check_bank_name(const std::string& text) {
  if (!printable_name(text, kMaxBankName) || text.find("${") != std::string::npos) {
    return "allowed: 1 to 64 bytes of UTF-8 without control characters, written in this file "
           "because everyone sees it";
  }
  return venue_from_name(text) ? "a venue has this name, and captures tell them apart by it" : "";
}

std::string check_brokers(const std::string& text) {
  if (text == "embedded") return "";
  const auto brokers = parse_host_ports(text);
  if (!brokers) {
    return brokers.error() + "; allowed: host:port, several with commas, or embedded";
  }
  const bool mixed =
      std::ranges::any_of(*brokers, [](const HostPort& b) { return b.host == "embedded"; });
  return mixed ? "embedded stands alone" : "";
}

std::string check_one_of(const std::string& text, std::initializer_list<std::string_view> allowed) {
  std::string list;
  for (const std::string_view value : allowed) {
    if (text == value) return "";
    list += (list.empty() ? "" : ", ") + std::string{value};
  }
  return "allowed: " + list;
}

std::string check_path(const std::string& text) {
  return text.find('\0') == std::string::npos ? "" : "a path has no zero byte";
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
                      .taker_fee = identity(id).taker_fee,
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
  map.text(
      "quote", venue.quote,
      [](const std::string& text) {
        return check_one_of(text, {"KRW", "USDT", "USD"});
      },
      Environment::kPublic);
  read_url(map, "ws_url", venue.ws_url, "ws://", "wss://", UrlParts::kAll, report);
  read_url(map, "rest_url", venue.rest_url, "http://", "https://", UrlParts::kNoQuery, report);
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
  if (!node.IsSequence() || node.size() > kMaxBankSources) {
    report.error(node, "fx.bank: must be a list of at most 20 sources");
    return;
  }
  for (std::size_t i = 0; i < node.size(); ++i) {
    BankSettings bank;
    const std::string path = "fx.bank[" + std::to_string(i) + "]";
    Mapping map(node[i], path, report);
    map.text("name", bank.name, check_bank_name, Environment::kNone);
    read_url(map, "url", bank.url, "http://", "https://", UrlParts::kAll, report);
    map.text("pointer", bank.pointer, check_pointer);
    map.boolean("invert", bank.invert);
    map.duration("poll_s", bank.poll, 1, 86'400);
    map.duration("max_age_ms", bank.max_age, 1000, 30 * kDayMs);
    map.finish();
    for (const char* required : {"name", "url"}) {
      if (node[i].IsMap() && !map.has(required)) {
        report.error(node[i], path + "." + required + ": missing");
      }
    }
    // Without a good name there is an error already.
    const bool twice =
        !bank.name.empty() && std::ranges::any_of(fx.bank, [&bank](const BankSettings& other) {
          return other.name == bank.name;
        });
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
  map.text("table", settings.wallets.table, check_path);
  map.finish();
}

void read_ticker_fields(const YAML::Node& node, PublishSettings& publish, const Report& report) {
  if (!node.IsDefined()) return;
  TickerFields fields;
  if (node.IsSequence()) {
    for (const YAML::Node& item : node) {
      for (std::size_t i = 0; i < kTickerFieldNames.size(); ++i) {
        if (item.IsScalar() && item.Scalar() == kTickerFieldNames[i]) fields.set(i);
      }
    }
  }
  if (!node.IsSequence() || fields.none() || fields.count() != node.size()) {
    std::string allowed;
    for (const std::string_view name : kTickerFieldNames) {
      allowed.append(allowed.empty() ? "" : ", ").append(name);
    }
    report.error(node,
                 "publish.ticker_fields: must be a list without repeats, allowed: " + allowed);
    return;
  }
  publish.ticker_fields = fields;
}

void read_publish(Mapping& root, Settings& settings, const Report& report) {
  Mapping map(root.node("publish"), "publish", report);
  PublishSettings& publish = settings.publish;
  map.duration("conflate_ms", publish.conflate, 0, 60'000);
  map.duration("update_ms", publish.update, 0, 3'600'000);
  map.duration("background_ms", publish.background, 0, 3'600'000);
  map.number("live_above", publish.live_above, -1, 1);
  map.number("min_change", publish.min_change, 0, 1);
  map.integer("orderbook_levels", publish.orderbook_levels, 1, 5000);
  read_ticker_fields(map.node("ticker_fields"), publish, report);
  map.finish();
  if (publish.conflate.count() == 0) return;  // then nothing waits
  if (publish.update < publish.conflate && map.has("update_ms")) {
    report.error(map.node("update_ms"), "publish.update_ms: must not be below publish.conflate_ms");
  }
  if (publish.background < publish.update && map.has("background_ms")) {
    report.error(map.node("background_ms"),
                 "publish.background_ms: must not be below publish.update_ms");
  }
}

void read_kafka(Mapping& root, Settings& settings, const Report& report) {
  KafkaSettings& kafka = settings.kafka;
  Mapping map(root.node("kafka"), "kafka", report);
  map.text("brokers", kafka.brokers, check_brokers);
  map.text("prefix", kafka.prefix, [](const std::string& text) -> std::string {
    const bool legal = text.size() <= 100 && std::ranges::all_of(text, [](char c) {
                         return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                                (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
                       });
    return legal ? "" : "allowed: up to 100 of letters, digits, '.', '_' and '-'";
  });
  map.text(
      "compression", kafka.compression,
      [](const std::string& text) {
        return check_one_of(text, {"none", "gzip", "snappy", "lz4", "zstd"});
      },
      Environment::kPublic);
  map.duration("linger_ms", kafka.linger, 0, 60'000);
  map.integer("queue_records", kafka.queue_records, 1000, 10'000'000);
  map.finish();
}

template <class Listen>
void read_listen(Mapping& root, const char* key, Listen& listen, const Report& report) {
  Mapping map(root.node(key), key, report);
  map.text("address", listen.address, [](const std::string& text) -> std::string {
    return parse_listen_address(text)
               ? ""
               : "allowed: an IPv4 or IPv6 address of this machine without a port, or localhost";
  });
  listen.address = parse_listen_address(listen.address).value_or(listen.address);
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
    map.text("fault", fault.fault, {}, Environment::kNone);
    if (node[i].IsMap() && !map.has("fault")) {
      report.error(node[i], map.path_of("fault") + ": missing");
    }
    const auto name = [&](const char* key, std::optional<std::string>& out) {
      if (!map.has(key) || map.node(key).IsNull()) return;
      map.text(key, out.emplace(), {}, Environment::kNone);
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
  map.text(
      "level", settings.log.level,
      [](const std::string& text) {
        return check_one_of(text, {"debug", "info", "warn", "error"});
      },
      Environment::kPublic);
  map.finish();
}

/// Where a port was set, or at least its section.
YAML::Node port_node(Mapping& root, const char* section, const char* key) {
  const YAML::Node node = root.node(section);
  if (!node.IsDefined() || !node.IsMap()) return node;
  const YAML::Node port = node[key];
  return port.IsDefined() ? port : node;
}

/// Two listeners of one machine cannot share a port.
void check_ports(Mapping& root, const Settings& settings, const Report& report) {
  struct Listener {
    std::string name;
    std::string address;
    int first = 0;
    int last = 0;
    YAML::Node node;
  };
  std::vector<Listener> listeners;
  const auto add = [&](const char* section, const char* key, const std::string& address, int first,
                       int count) {
    if (first == 0) return;
    listeners.push_back({std::string{section} + "." + key, address, first, first + count - 1,
                         port_node(root, section, key)});
  };
  add("http", "port", settings.http.address, settings.http.port, 1);
  add("metrics", "port", settings.metrics.address, settings.metrics.port, 1);
  if (settings.record.metrics_port) {
    add("record", "metrics_port", settings.metrics.address, *settings.record.metrics_port, 1);
  }
  // The simulator's ports count where the file has one.
  if (root.has("simulate")) {
    add("simulate", "base_port", "127.0.0.1", settings.simulate.base_port,
        static_cast<int>(kVenueCount));
    add("simulate", "control_port", "127.0.0.1", settings.simulate.control_port, 1);
  }
  for (std::size_t i = 0; i < listeners.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const Listener& a = listeners[j];
      const Listener& b = listeners[i];
      if (a.first > b.last || b.first > a.last) continue;
      if (!listen_addresses_overlap(a.address, b.address)) continue;
      const auto ports = [](const Listener& l) {
        return l.name + " (" + std::to_string(l.first) +
               (l.last > l.first ? " to " + std::to_string(l.last) : "") + " on " + l.address + ")";
      };
      const bool in_file = b.node.IsDefined();
      report.error(in_file ? b.node : a.node, (in_file ? ports(b) : ports(a)) + " meets " +
                                                  (in_file ? ports(a) : ports(b)) +
                                                  ": each needs a port of its own, or 0");
    }
  }
}

/// What the file holds, or why it cannot be read.
Result<std::string, Error> read_file(const std::filesystem::path& file) {
  const auto bad = [](const std::string& why) {
    return Unexpected{Error{ErrorCode::kConnectFailed, "cannot be read: " + why}};
  };
  std::error_code unknown;  // then opening it tells
  if (std::filesystem::is_directory(file, unknown)) return bad("it is a directory");
  std::ifstream in(file, std::ios::binary);
  if (!in) return bad(std::strerror(errno));
  std::string text(kMaxFile + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad()) return bad(std::strerror(errno));
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (text.size() > kMaxFile) return bad("it is longer than 4 MiB");
  return text;
}

/// Reads a table that is built in unless the configuration names a file; `at` is where it does.
template <class Load, class Table>
void read_table(Loaded& loaded, const std::filesystem::path& folder, const std::string& key,
                const std::string& path, std::string_view builtin, const YAML::Node& at,
                const Report& report, Load load, Table& table) {
  std::string text{builtin};
  std::string name = "built-in " + key;
  if (!path.empty()) {
    const std::filesystem::path file = folder / path;
    Result<std::string, Error> content = read_file(file);
    if (!content) {
      report.error(at, key + ": \"" + shown_text(at) + "\" " + content.error().detail);
      return;
    }
    // Findings name the file as the configuration does: the environment's part stays secret.
    name = (folder / shown_text(at)).string();
    text = std::move(*content);
  }
  for (Finding& finding : load(text, name, table)) loaded.errors.push_back(std::move(finding));
}

Loaded load_from(std::string_view text, const std::string& file,
                 const std::filesystem::path& folder) {
  Loaded loaded;
  Settings& settings = loaded.settings;
  const Report report{file, &loaded.errors, &settings.secrets};
  const std::optional<YAML::Node> document = parse_yaml(text, report);
  if (!document) return loaded;
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
  root.text("asset_registry", settings.asset_registry, check_path);
  root.text("state_dir", settings.state_dir, check_path);
  root.finish();
  check_ports(root, settings, report);
  read_table(loaded, folder, "asset_registry", settings.asset_registry, builtin_registry_text(),
             root.node("asset_registry"), report, load_registry_text, loaded.registry);
  read_table(loaded, folder, "wallets.table", settings.wallets.table, builtin_wallets_text(),
             port_node(root, "wallets", "table"), report, load_wallets_text, loaded.wallets);
  for (const std::string& asset : settings.assets) {
    if (loaded.registry.contains(asset)) continue;
    int line = 1;
    for (const YAML::Node& item : root.node("assets")) {
      if (item.IsScalar() && item.Scalar() == asset) line = item.Mark().line + 1;
    }
    loaded.warnings.push_back(
        {file, line,
         "assets: " + asset + " is not in the asset registry, its identity counts as unproven"});
  }
  std::ranges::stable_sort(loaded.errors, {}, &Finding::line);
  return loaded;
}

}  // namespace

std::string Finding::text() const {
  return visible(file) + ":" + (line > 0 ? std::to_string(line) + ":" : "") + " " +
         visible(message);
}

Loaded load_text(std::string_view text, const std::string& file) {
  return load_from(text, file, std::filesystem::path{});
}

Loaded load(const std::filesystem::path& file) {
  const Result<std::string, Error> text = read_file(file);
  if (!text) {
    Loaded loaded;
    loaded.errors.push_back({file.string(), 1, text.error().detail});
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
