#include "config/standing_wallets.h"

#include <algorithm>
#include <initializer_list>

#include "config/yaml_reader.h"

namespace spreadwatch::config {
namespace {

bool is_upper_name(std::string_view text) {
  return !text.empty() && text.size() <= 40 &&
         std::ranges::none_of(text, [](char c) { return c >= 'a' && c <= 'z'; });
}

std::string check_network_name(const std::string& text) {
  return is_upper_name(text) ? "" : "allowed: up to 40 characters, none in lower case";
}

std::string check_date(const std::string& text) {
  const auto digit = [&text](std::size_t i) { return text[i] >= '0' && text[i] <= '9'; };
  bool date = text.size() == 10 && text[4] == '-' && text[7] == '-';
  for (const std::size_t i : {0U, 1U, 2U, 3U, 5U, 6U, 8U, 9U}) date = date && digit(i);
  return date ? "" : "must be a date, YYYY-MM-DD";
}

WalletState read_wallet_state(Mapping& map, const char* key) {
  std::string text = "unknown";
  map.text(key, text, [](const std::string& value) -> std::string {
    const bool known = value == "open" || value == "closed" || value == "unknown";
    return known ? "" : "allowed: open, closed, unknown";
  });
  if (text == "open") return WalletState::kOpen;
  return text == "closed" ? WalletState::kClosed : WalletState::kUnknown;
}

std::optional<double> read_amount(Mapping& map, const char* key) {
  if (!map.has(key)) return std::nullopt;
  double value = 0;
  map.number(key, value, 0, 1e12);
  return value;
}

void read_aliases(const YAML::Node& node, const Report& report, StandingWallets& out) {
  Mapping all(node, "networks", report);
  if (!all.self().IsMap()) return;
  for (const auto& entry : all.self()) {
    const std::string name = entry.first.IsScalar() ? entry.first.Scalar() : "";
    if (!is_upper_name(name)) {
      report.error(entry.first, "networks." + name + ": " + check_network_name(name));
      continue;
    }
    Mapping map(entry.second, "networks." + name, report);
    for (const VenueIdentity& venue : kVenues) {
      const std::string key{venue.name};
      if (!map.has(key.c_str())) continue;
      std::string own;
      map.text(key.c_str(), own, check_network_name);
      if (!out.aliases.emplace(std::pair{venue.id, own}, name).second) {
        report.error(entry.second,
                     "networks." + name + "." + key + ": " + own + " is already another network");
      }
    }
    map.finish();
  }
}

void read_wallet(VenueId venue, const std::string& asset, const YAML::Node& node,
                 const std::string& path, const Report& report, StandingWallets& out) {
  StandingWallets::Entry wallet{venue, asset, {}, {}};
  Mapping map(node, path, report);
  map.text("as_of", wallet.as_of, check_date);
  std::string source;
  map.text("source", source);
  for (const char* const required : {"as_of", "source"}) {
    if (!map.has(required)) report.error(node, path + "." + required + ": missing");
  }
  Mapping networks(map.node("networks"), path + ".networks", report);
  map.finish();
  if (!networks.self().IsMap()) return;
  for (const auto& entry : networks.self()) {
    WalletNetwork network;
    network.name = entry.first.IsScalar() ? entry.first.Scalar() : "";
    const std::string at = path + ".networks." + network.name;
    if (!is_upper_name(network.name)) {
      report.error(entry.first, at + ": " + check_network_name(network.name));
    }
    Mapping fields(entry.second, at, report);
    network.deposit = read_wallet_state(fields, "deposit");
    network.withdraw = read_wallet_state(fields, "withdraw");
    network.withdrawal_fee = read_amount(fields, "withdrawal_fee");
    network.minimum_withdrawal = read_amount(fields, "minimum");
    if (fields.has("expected_minutes")) {
      int minutes = 0;
      fields.integer("expected_minutes", minutes, 0, 100'000);
      network.expected_minutes = minutes;
    }
    fields.finish();
    wallet.info.networks.push_back(std::move(network));
  }
  out.entries.push_back(std::move(wallet));
}

}  // namespace

std::vector<Finding> load_wallets_text(std::string_view text, const std::string& file,
                                       StandingWallets& out) {
  std::vector<Finding> errors;
  const Report report{file, &errors};
  const std::optional<YAML::Node> document = parse_yaml(text, report);
  if (!document) return errors;
  Mapping root(*document, "", report);
  read_aliases(root.node("networks"), report, out);
  Mapping venues(root.node("wallets"), "wallets", report);
  root.finish();
  if (!venues.self().IsMap()) return errors;
  for (const auto& entry : venues.self()) {
    const std::string name = entry.first.IsScalar() ? entry.first.Scalar() : "?";
    const std::optional<VenueId> venue = venue_from_name(name);
    if (!venue) {
      report.error(entry.first, "wallets." + name + ": unknown venue");
      continue;
    }
    Mapping assets(entry.second, "wallets." + name, report);
    if (!assets.self().IsMap()) continue;
    for (const auto& asset : assets.self()) {
      const std::string ticker = asset.first.IsScalar() ? asset.first.Scalar() : "?";
      read_wallet(*venue, ticker, asset.second, "wallets." + name + "." + ticker, report, out);
    }
  }
  return errors;
}

}  // namespace spreadwatch::config
