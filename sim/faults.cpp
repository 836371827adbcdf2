#include "sim/faults.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "sim/format.h"
#include "sim/venues.h"

namespace spreadwatch::sim {
namespace {

constexpr std::int64_t kUnseenMs = 10'000;
constexpr std::int64_t kOneTickMs = 1'000;
constexpr std::string_view kNextBook = "the next book change of each market";
constexpr std::string_view kNextRequest = "the next REST request";
constexpr std::string_view kAllOpen = "every open connection; the next one when none is open";

constexpr std::array<FaultInfo, 26> kCatalogue = {{
    {FaultKind::kClose, "close", true, "the websocket is closed with a close frame", kAllOpen,
     FaultParameter{"code", 1001, 1000, 4999, "close code"}},
    {FaultKind::kReset, "reset", true, "the TCP connection ends with RST", kAllOpen},
    {FaultKind::kFreezeStream, "freeze_stream", true,
     "a market's books and tickers stay away; everything else, pongs included, goes on",
     "from the next message of the market until its connection ends"},
    {FaultKind::kFreezeSocket, "freeze_socket", true,
     "a connection neither reads nor writes while TCP stays up; later connections work", kAllOpen},
    {FaultKind::kGap, "gap", true, "a book message is lost", kNextBook},
    {FaultKind::kBadChecksum, "bad_checksum", true, "a book message has a wrong checksum",
     kNextBook},
    {FaultKind::kDuplicate, "duplicate", true, "a book message comes twice", kNextBook},
    {FaultKind::kReorder, "reorder", true, "two successive book messages change places", kNextBook},
    {FaultKind::kCrossed, "crossed", true, "a book whose best bid is above its best ask",
     kNextBook},
    {FaultKind::kOneSided, "one_sided", true, "a book without asks", kNextBook},
    {FaultKind::kMalformed, "malformed", true, "a book message is no JSON", kNextBook},
    {FaultKind::kTruncated, "truncated", true, "a book message ends in its middle", kNextBook},
    {FaultKind::kOversized, "oversized", true,
     "a book message is padded with spaces, at most one a second and connection", kNextBook,
     FaultParameter{"bytes", 12'000'000, 1'000'000, 64'000'000, "size of the message"}},
    {FaultKind::kBinary, "binary", true, "random bytes in a binary frame replace a book message",
     kNextBook},
    {FaultKind::kDrip, "drip", true, "a book message comes in small pieces", kNextBook,
     FaultParameter{"ms", 300, 20, 10'000, "time from the first piece to the last"}},
    {FaultKind::kLate, "late", true,
     "a market's messages come late, with the times of when they were due", kNextBook,
     FaultParameter{"ms", 6'000, 1, 60'000, "delay"}},
    {FaultKind::kClockSkew, "clock_skew", false, "every time the venue shows is shifted",
     "for one second",
     FaultParameter{"ms", 10'000, -86'400'000, 86'400'000, "what the venue's clock is ahead"}},
    {FaultKind::kStaleSnapshot, "stale_snapshot", true,
     "a snapshot, by REST or on subscribing, is 5 to 10 s older than the stream",
     "the next snapshot of each market"},
    {FaultKind::kHttp429, "http_429", true, "REST requests are answered with 429", kNextRequest,
     FaultParameter{"retry_after_s", 1, 0, 86'400, "value of Retry-After"}},
    {FaultKind::kHttp418, "http_418", true, "REST requests are answered with 418", kNextRequest,
     FaultParameter{"retry_after_s", 120, 0, 86'400, "value of Retry-After"}},
    {FaultKind::kHttp5xx, "http_5xx", true, "REST requests are answered with a server error",
     kNextRequest, FaultParameter{"status", 503, 500, 599, "HTTP status"}},
    {FaultKind::kBan, "ban", false,
     "connects and REST requests are refused in the venue's own way, with Retry-After",
     "the next connect or REST request"},
    {FaultKind::kMaintenance, "maintenance", false,
     "announced as the venue documents it; then connections are closed, and connects and REST "
     "refused until the end",
     "announced, connections closed, and over",
     FaultParameter{"notice_ms", 1'000, 0, 600'000, "from the announcement to the closing"}},
    {FaultKind::kUnknownSymbol, "unknown_symbol", true,
     "requests for a listed market are answered as for an unknown one; running streams go on",
     "the next request for each market"},
    {FaultKind::kDelist, "delist", true,
     "the market leaves the lists, is unknown to requests, and its streams end", "for good"},
    {FaultKind::kWalletClosed, "wallet_closed", true,
     "an asset (symbol BTC or BTC-KRW) can be neither deposited nor withdrawn, as the public "
     "wallet "
     "routes tell it",
     "for good", std::nullopt, true},
}};

std::string text_of(const nlohmann::json& value) {
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).substr(0, 80);
}

std::string range_text(const FaultParameter& parameter) {
  return std::to_string(parameter.low) + " to " + std::to_string(parameter.high);
}

const FaultInfo* find_info(std::string_view name) {
  const auto at = std::ranges::find(kCatalogue, name, &FaultInfo::name);
  return at == kCatalogue.end() ? nullptr : &*at;
}

/// Once means for good.
bool lasts(FaultKind kind) {
  return kind == FaultKind::kDelist || kind == FaultKind::kWalletClosed;
}

std::string symbol_text(const Listing* listing) {
  return listing == nullptr
             ? "null"
             : sim::quoted(listing->instrument.base + "-" + listing->instrument.quote);
}

}  // namespace

std::span<const FaultInfo> fault_catalogue() { return kCatalogue; }

const FaultInfo& fault_info(FaultKind kind) { return kCatalogue[static_cast<std::size_t>(kind)]; }

bool fault_applies(FaultKind kind, VenueId venue) {
  if (kind == FaultKind::kWalletClosed) return simulated(venue).tells_wallets;
  return kind != FaultKind::kBadChecksum || simulated(venue).sends_checksums;
}

FaultOrder read_fault_order(std::string_view text, std::vector<std::string>& errors) {
  FaultOrder order;
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object()) {
    errors.emplace_back("the body must be a JSON object");
    return order;
  }
  const auto name_into = [&](const char* key, std::optional<std::string>& out) {
    const auto at = json.find(key);
    if (at == json.end() || at->is_null()) return;
    if (at->is_string()) {
      out = at->get<std::string>();
    } else {
      errors.push_back(std::string(key) + ": must be text or null, not " + text_of(*at));
    }
  };
  const auto fault = json.find("fault");
  if (fault == json.end()) {
    errors.emplace_back("fault: missing");
  } else if (!fault->is_string()) {
    errors.push_back("fault: must be a name, not " + text_of(*fault));
  } else {
    order.fault = fault->get<std::string>();
  }
  name_into("venue", order.venue);
  name_into("symbol", order.symbol);
  for (const auto& [key, value] : json.items()) {
    if (key == "fault" || key == "venue" || key == "symbol") continue;
    const bool fits = value.is_number_integer() &&
                      (!value.is_number_unsigned() ||
                       value.get<std::uint64_t>() <= static_cast<std::uint64_t>(INT64_MAX));
    if (!fits) {
      errors.push_back(key.substr(0, 40) + ": must be a whole number, not " + text_of(value));
    } else if (key == "duration_ms") {
      order.duration_ms = value.get<std::int64_t>();
    } else {
      order.parameters.emplace_back(key, value.get<std::int64_t>());
    }
  }
  return order;
}

Faults::Faults(std::vector<VenueId> venues, const Market& market)
    : venues_(std::move(venues)), market_(&market) {}

bool Faults::has(VenueId venue) const { return std::ranges::find(venues_, venue) != venues_.end(); }

const Listing* Faults::listing_of(VenueId venue, std::string_view symbol, bool asset) const {
  for (const Listing* listing : market_->listings(venue)) {
    if (asset && listing->instrument.base == symbol) return listing;
  }
  const std::size_t dash = symbol.rfind('-');
  if (dash == std::string_view::npos) return nullptr;
  return market_->find(venue, symbol.substr(0, dash), symbol.substr(dash + 1));
}

std::vector<std::string> Faults::check(const FaultOrder& order) const {
  std::vector<std::string> errors;
  const FaultInfo* const info = find_info(order.fault);
  if (info == nullptr && !order.fault.empty()) {
    errors.push_back("fault: there is none named " + order.fault.substr(0, 40));
  }
  std::optional<VenueId> venue;
  if (order.venue) {
    venue = venue_from_name(*order.venue);
    if (venue && !has(*venue)) venue.reset();
    if (!venue) errors.push_back("venue: there is none named " + order.venue->substr(0, 40));
  }
  if (venue && info != nullptr && !fault_applies(info->kind, *venue)) {
    errors.push_back("fault: " + order.fault + " makes no sense at " + *order.venue);
  }
  if (order.symbol && (!order.venue || venue)) {
    const bool wallet = info != nullptr && info->kind == FaultKind::kWalletClosed;
    const bool listed = std::ranges::any_of(venues_, [&](VenueId one) {
      const bool meant = venue ? one == *venue : info == nullptr || fault_applies(info->kind, one);
      return meant && listing_of(one, *order.symbol, wallet) != nullptr;
    });
    if (!listed) {
      errors.push_back("symbol: " + order.symbol->substr(0, 40) + " is not listed" +
                       (venue ? " at " + *order.venue : std::string(" anywhere it could be")));
    }
  }
  if (order.symbol && info != nullptr && !info->per_symbol) {
    errors.push_back("symbol: " + order.fault + " concerns a whole venue");
  }
  if (order.duration_ms < 0 || order.duration_ms > kMaxDurationMs) {
    errors.push_back("duration_ms: must be 0 to " + std::to_string(kMaxDurationMs));
  }
  for (const auto& [name, value] : order.parameters) {
    if (info == nullptr) continue;  // nobody can say what it would mean
    if (!info->parameter || info->parameter->name != name) {
      errors.push_back(name.substr(0, 40) + ": " + order.fault + " has no such parameter");
    } else if (value < info->parameter->low || value > info->parameter->high) {
      errors.push_back(name + ": must be " + range_text(*info->parameter));
    }
  }
  return errors;
}

std::vector<std::pair<VenueId, const Listing*>> Faults::targets(const FaultOrder& order) const {
  const FaultKind kind = find_info(order.fault)->kind;
  std::vector<std::pair<VenueId, const Listing*>> result;
  for (const VenueId venue : venues_) {
    if (order.venue && *order.venue != to_string(venue)) continue;
    if (!fault_applies(kind, venue)) continue;
    const Listing* const listing =
        order.symbol ? listing_of(venue, *order.symbol, kind == FaultKind::kWalletClosed) : nullptr;
    if (!order.symbol || listing != nullptr) result.emplace_back(venue, listing);
  }
  return result;
}

std::vector<const Fault*> Faults::start(const FaultOrder& order, std::int64_t now_ms) {
  const FaultInfo& info = *find_info(order.fault);
  const auto wanted = targets(order);
  const auto is_over = [](const std::unique_ptr<Fault>& fault) { return fault->over; };
  if (faults_.size() + wanted.size() >
      kMaxKept + static_cast<std::size_t>(std::ranges::count_if(faults_, is_over))) {
    return {};
  }
  std::vector<const Fault*> started;
  for (const auto& [venue, listing] : wanted) {
    if (faults_.size() == kMaxKept) faults_.erase(std::ranges::find_if(faults_, is_over));
    Fault& fault = *faults_.emplace_back(std::make_unique<Fault>());
    fault.id = next_id_++;
    fault.kind = info.kind;
    fault.venue = venue;
    fault.listing = listing;
    fault.duration_ms = order.duration_ms;
    fault.started_ms = now_ms;
    if (info.parameter) fault.value = info.parameter->fallback;
    for (const auto& [name, value] : order.parameters) fault.value = value;
    // A clock that is wrong for one message would be no clock.
    if (info.kind == FaultKind::kClockSkew && fault.once()) fault.duration_ms = kOneTickMs;
    fault.struck.resize(market_->listings(venue).size());
    live_[index_of(venue)].push_back(&fault);
    started.push_back(&fault);
  }
  return started;
}

void Faults::finish(Fault& fault) {
  fault.over = true;
  std::erase(live_[index_of(fault.venue)], &fault);
}

void Faults::end_all() {
  for (const auto& fault : faults_) fault->over = true;
  for (auto& live : live_) live.clear();
}

void Faults::expire(std::int64_t now_ms) {
  for (auto& live : live_) {
    std::erase_if(live, [now_ms](Fault* fault) {
      const bool rest_unseen = fault->once() && fault->listing == nullptr && fault->touched > 0 &&
                               fault_info(fault->kind).per_symbol && !lasts(fault->kind);
      const std::int64_t ends_ms = rest_unseen ? kUnseenMs : fault->duration_ms;
      if ((fault->once() && !rest_unseen) || now_ms - fault->started_ms < ends_ms) return false;
      fault->over = true;
      return true;
    });
  }
}

Fault* Faults::find(VenueId venue, FaultKind kind, std::size_t index, std::uint64_t moment) const {
  for (Fault* fault : live(venue)) {
    if (fault->kind != kind || !fault->covers(index)) continue;
    const std::uint64_t struck = fault->struck[index];
    if (!fault->once() || struck == 0 || struck == moment) return fault;
  }
  return nullptr;
}

Fault* Faults::find(VenueId venue, FaultKind kind) const {
  for (Fault* fault : live(venue)) {
    if (fault->kind == kind) return fault;
  }
  return nullptr;
}

void Faults::strike(Fault& fault, std::size_t index, std::uint64_t moment) {
  ++fault.touched;
  if (fault.once()) fault.struck[index] = moment;
}

void Faults::finish_struck(VenueId venue) {
  std::erase_if(live_[index_of(venue)], [](Fault* fault) {
    if (!fault->once() || lasts(fault->kind)) return false;
    for (std::size_t i = 0; i < fault->struck.size(); ++i) {
      if (fault->covers(i) && fault->struck[i] == 0) return false;
    }
    fault->over = true;
    return true;
  });
}

std::string Faults::fault_json(const Fault& fault) {
  const FaultInfo& info = fault_info(fault.kind);
  JsonObject object;
  object.number("id", static_cast<std::int64_t>(fault.id))
      .text("fault", info.name)
      .text("venue", to_string(fault.venue))
      .raw("symbol", symbol_text(fault.listing))
      .number("duration_ms", fault.duration_ms);
  if (info.parameter) object.number(info.parameter->name, fault.value);
  return object.number("started_ts_ms", fault.started_ms)
      .boolean("active", !fault.over)
      .number("touched", static_cast<std::int64_t>(fault.touched))
      .str();
}

std::string Faults::json() const {
  JsonArray rows;
  for (const FaultInfo& info : kCatalogue) {
    JsonArray parameters;
    const auto parameter = [&](const FaultParameter& one, std::string_view unit_meaning) {
      parameters.add(JsonObject()
                         .text("name", one.name)
                         .text("type", "integer")
                         .number("default", one.fallback)
                         .number("min", one.low)
                         .number("max", one.high)
                         .text("meaning", unit_meaning)
                         .str());
    };
    parameter({"duration_ms", 0, 0, kMaxDurationMs, {}}, "how long; 0 = once");
    if (info.parameter) parameter(*info.parameter, info.parameter->meaning);
    JsonArray venues;
    for (const VenueId venue : venues_) {
      if (fault_applies(info.kind, venue)) venues.add(quoted(to_string(venue)));
    }
    JsonArray started;
    for (const auto& fault : faults_) {
      if (fault->kind == info.kind) started.add(fault_json(*fault));
    }
    rows.add(JsonObject()
                 .text("fault", info.name)
                 .text("meaning", info.meaning)
                 .text("once", info.once)
                 .boolean("per_symbol", info.per_symbol)
                 .boolean("addition", info.addition)
                 .raw("parameters", parameters.str())
                 .raw("venues", venues.str())
                 .raw("started", started.str())
                 .str());
  }
  return rows.str();
}

}  // namespace spreadwatch::sim
