#include "sim/simulator.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <fstream>
#include <iterator>
#include <optional>
#include <stdexcept>

#include "sim/faults.h"
#include "sim/faulty_venue.h"
#include "sim/format.h"
#include "sim/limits.h"
#include "sim/market.h"
#include "sim/server.h"
#include "sim/venues.h"

namespace spreadwatch::sim {
namespace {

constexpr std::array<const char*, 5> kDefaultAssets = {"BTC", "ETH", "XRP", "SOL", "DOGE"};
constexpr std::size_t kMaxScript = 1'000;
constexpr std::string_view kJson = "application/json";
constexpr std::string_view kProblem = "application/problem+json";

struct BankSource {
  std::string_view name;
  std::string_view path;
  double offset;            // what this bank adds to the rate
  std::int64_t refresh_ms;  // how often it quotes anew
};

constexpr std::array<BankSource, 2> kBanks = {{
    {"bank-a", "/bank/a", 0.0, 5'000},
    {"bank-b", "/bank/b", 0.0004, 10'000},
}};
constexpr std::string_view kBankPointer = "/rates/KRW";

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

HttpAnswer json_answer(int status, std::string body, std::string_view type = kJson) {
  HttpAnswer answer;
  answer.status = status;
  answer.body = std::move(body);
  answer.content_type = std::string(type);
  return answer;
}

HttpAnswer problem(int status, std::string_view title, std::string_view detail) {
  return json_answer(status,
                     R"({"type":"about:blank","title":)" + quoted(title) + R"(,"status":)" +
                         std::to_string(status) + R"(,"detail":)" + quoted(detail) + "}",
                     kProblem);
}

std::string levels_json(const std::vector<Level>& side, const Instrument& instrument) {
  std::string text = "[";
  for (const Level& level : side) {
    if (text.size() > 1) text += ',';
    text += '[' + trimmed(level.price, instrument.price_decimals) + ',' +
            trimmed(level.size, instrument.size_decimals) + ']';
  }
  return text + ']';
}

std::vector<VenueId> parse_venues(const std::vector<std::string>& names) {
  std::vector<VenueId> venues;
  for (const std::string& name : names) {
    const std::optional<VenueId> id = venue_from_name(name);
    if (!id) throw std::invalid_argument("unknown venue: " + name);
    if (std::find(venues.begin(), venues.end(), *id) == venues.end()) venues.push_back(*id);
  }
  if (venues.empty()) {
    for (const VenueIdentity& venue : kVenues) venues.push_back(venue.id);
  }
  return venues;
}

/// The configured ones or the default; throws for a name that is none.
std::vector<std::string> checked_assets(std::vector<std::string> assets) {
  if (assets.empty()) assets.assign(kDefaultAssets.begin(), kDefaultAssets.end());
  for (const std::string& asset : assets) {
    const bool plain = !asset.empty() && asset.size() <= 20 &&
                       std::all_of(asset.begin(), asset.end(), [](unsigned char c) {
                         return std::isupper(c) != 0 || std::isdigit(c) != 0;
                       });
    if (!plain) throw std::invalid_argument("not an asset name: " + asset);
  }
  return assets;
}

}  // namespace

std::vector<ScriptError> check_script(const SimulatorConfig& config) {
  std::vector<ScriptError> errors;
  if (config.faults.empty()) return errors;
  const std::vector<VenueId> venues = parse_venues(config.venues);
  const Market market({checked_assets(config.assets), config.seed, venues}, 0);
  const Faults faults(venues, market);
  for (std::size_t i = 0; i < config.faults.size(); ++i) {
    const ScriptedFault& fault = config.faults[i];
    if (i >= kMaxScript) {
      errors.push_back({i, "fault: at most " + std::to_string(kMaxScript) + " may be listed"});
      break;
    }
    if (fault.at_ms < 0) errors.push_back({i, "at_ms: must not be negative"});
    if (fault.order.fault.empty()) errors.push_back({i, "fault: missing"});
    for (std::string& error : faults.check(fault.order)) errors.push_back({i, std::move(error)});
  }
  return errors;
}

class Simulator::Impl : public MarketObserver {
 public:
  explicit Impl(SimulatorConfig config)
      : config_(std::move(config)), venues_(parse_venues(config_.venues)) {
    config_.assets = checked_assets(config_.assets);
    std::string errors;
    for (const ScriptError& error : check_script(config_)) {
      errors += (errors.empty() ? "" : "\n") +
                ("faults[" + std::to_string(error.place) + "]." + error.message);
    }
    if (!errors.empty()) throw std::invalid_argument(errors);
    std::ranges::stable_sort(config_.faults, {}, &ScriptedFault::at_ms);
    market_ =
        std::make_unique<Market>(MarketConfig{config_.assets, config_.seed, venues_}, now_ms());
    bank_quotes_.fill({});
    faults_ = std::make_unique<Faults>(venues_, *market_);
    for (const VenueId venue : venues_) {
      const std::size_t place = index_of(venue);
      views_[place] = std::make_unique<MarketView>(venue, *market_);
      const VenueContext context{venue, *views_[place], violations_};
      protocols_[place] = make_venue(context);
      faulty_[place] = std::make_unique<FaultyVenue>(context, *protocols_[place], *faults_);
    }
    server_ = std::make_unique<Server>();
  }

  void start() {
    if (config_.tls) {
      if (config_.tls_certificate_file.empty()) {
        tls_ = self_signed();
      } else {
        tls_ = {read_file(config_.tls_certificate_file), read_file(config_.tls_key_file)};
      }
    }
    for (const VenueId venue : venues_) {
      const std::size_t place = index_of(venue);
      const int wanted = config_.base_port == 0 ? 0 : config_.base_port + static_cast<int>(place);
      if (wanted > 65'535) throw std::runtime_error("base_port leaves no room for nine venues");
      ports_[place] =
          server_->listen(std::string(to_string(venue)), static_cast<std::uint16_t>(wanted), venue,
                          *faulty_[place], violations_, tls_);
    }
    control_port_ =
        server_->listen("control", config_.control_port,
                        [this](const HttpRequest& request) { return control(request); });
    started_ms_ = now_ms();
    run_script();
    // Half a slot of the market's grid: an instant is at most this late.
    server_->every(std::chrono::milliseconds(10), [this] {
      run_script();
      market_->advance_to(now_ms(), *this);
    });
    server_->every(std::chrono::milliseconds(100), [this] {
      faults_->expire(now_ms());
      for (const VenueId venue : venues_) faulty_[index_of(venue)]->on_timer(now_ms());
    });
  }

  [[nodiscard]] std::string ready_line() const {
    std::string text = R"({"type":"ready","venues":{)";
    for (const VenueId venue : venues_) {
      const std::size_t place = index_of(venue);
      if (text.back() != '{') text += ',';
      const std::string host = "127.0.0.1:" + std::to_string(ports_[place]);
      text += quoted(to_string(venue)) + R"(:{"ws_url":")" + (config_.tls ? "wss://" : "ws://") +
              host + protocols_[place]->ws_path() + R"(","rest_url":")" +
              (config_.tls ? "https://" : "http://") + host + "\"}";
    }
    text += R"(},"bank":[)";
    for (const BankSource& bank : kBanks) {
      if (text.back() != '[') text += ',';
      text += R"({"name":)" + quoted(bank.name) + R"(,"url":")" + control_url() +
              std::string(bank.path) + R"(","pointer":")" + std::string(kBankPointer) + "\"}";
    }
    return text + R"(],"control_url":")" + control_url() + "\"}";
  }

  [[nodiscard]] const std::string& certificate_pem() const { return tls_.certificate_pem; }

  void run() { server_->run(); }
  void stop() { server_->stop(); }

  void on_book(const BookEvent& event) override { faulty(event.listing).on_book(event); }
  void on_ticker(const Listing& listing) override { faulty(listing).on_ticker(listing); }
  void on_instant(VenueId venue, std::int64_t ts_ms) override {
    faulty_[index_of(venue)]->on_instant(ts_ms);
  }

 private:
  struct BankQuote {
    std::int64_t ts_ms = 0;
    double rate = 0;
  };

  FaultyVenue& faulty(const Listing& listing) {
    return *faulty_[index_of(listing.instrument.venue)];
  }

  void run_script() {
    while (next_fault_ < config_.faults.size() &&
           now_ms() - started_ms_ >= config_.faults[next_fault_].at_ms) {
      start_fault(config_.faults[next_fault_++].order);
    }
  }

  std::vector<const Fault*> start_fault(const FaultOrder& order) {
    const std::int64_t now = now_ms();
    std::vector<const Fault*> started = faults_->start(order, now);
    for (const Fault* fault : started) faulty_[index_of(fault->venue)]->on_faults_started(now);
    return started;
  }

  HttpAnswer faults(const HttpRequest& request) {
    if (request.method == "GET" || request.method == "HEAD") {
      return json_answer(200, faults_->json());
    }
    if (request.method == "DELETE") {
      faults_->end_all();
      for (const VenueId venue : venues_) faulty_[index_of(venue)]->on_faults_ended(now_ms());
      return json_answer(200, R"({"started":[]})");
    }
    if (request.method != "POST") return problem(405, "Method not allowed", request.method);
    std::vector<std::string> errors;
    const FaultOrder order = read_fault_order(request.body, errors);
    for (std::string& error : faults_->check(order)) errors.push_back(std::move(error));
    if (!errors.empty()) {
      JsonArray list;
      std::string detail;
      for (const std::string& error : errors) {
        list.add(quoted(error));
        detail += (detail.empty() ? "" : "; ") + error;
      }
      return json_answer(400,
                         JsonObject()
                             .text("type", "about:blank")
                             .text("title", "Impossible fault")
                             .number("status", 400)
                             .text("detail", detail)
                             .raw("errors", list.str())
                             .str(),
                         kProblem);
    }
    const std::vector<const Fault*> started = start_fault(order);
    if (started.empty()) {
      return problem(429, "Too many faults",
                     "at most " + std::to_string(Faults::kMaxKept) + " are on at a time");
    }
    JsonArray list;
    for (const Fault* fault : started) list.add(Faults::fault_json(*fault));
    return json_answer(200, JsonObject().raw("started", list.str()).str());
  }

  [[nodiscard]] std::string control_url() const {
    return "http://127.0.0.1:" + std::to_string(control_port_);
  }

  HttpAnswer control(const HttpRequest& request) {
    constexpr std::string_view kBooks = "/v1/books/";
    const bool get = request.method == "GET" || request.method == "HEAD";
    if (request.path == "/v1/faults") return faults(request);
    if (!get) return problem(405, "Method not allowed", request.method);
    if (request.path == "/v1/violations") return violations();
    if (request.path == "/v1/certificate" && config_.tls) {
      return json_answer(200, tls_.certificate_pem, "application/x-pem-file");
    }
    if (request.path.starts_with(kBooks)) return book(request.path.substr(kBooks.size()));
    for (std::size_t i = 0; i < kBanks.size(); ++i) {
      if (request.path == kBanks[i].path) return bank(i, request.now_ms);
    }
    return problem(404, "Not found", request.path);
  }

  HttpAnswer violations() {
    std::string text = "[";
    for (const Violations::Row& row : violations_.rows()) {
      if (text.size() > 1) text += ',';
      text += R"({"venue":)" + quoted(to_string(row.venue)) + R"(,"rule":)" + quoted(row.rule) +
              R"(,"count":)" + std::to_string(row.count) + R"(,"last_ts_ms":)" +
              std::to_string(row.last_ts_ms) + "}";
    }
    return json_answer(200, text + "]");
  }

  /// `place` is "{venue}/{BASE-QUOTE}".
  HttpAnswer book(const std::string& place) {
    const std::size_t slash = place.find('/');
    const std::size_t dash = place.rfind('-');
    if (slash == std::string::npos || dash == std::string::npos || dash < slash) {
      return problem(404, "Unknown book", place);
    }
    const std::optional<VenueId> venue = venue_from_name(place.substr(0, slash));
    if (!venue || !protocols_[index_of(*venue)]) return problem(404, "Unknown venue", place);
    const Listing* const listing =
        market_->find(*venue, place.substr(slash + 1, dash - slash - 1), place.substr(dash + 1));
    if (listing == nullptr) return problem(404, "Unknown market", place);
    const std::optional<std::uint64_t> sequence = protocols_[index_of(*venue)]->sequence(*listing);
    const Book& book = listing->book;
    return json_answer(200, R"({"sequence":)" + (sequence ? std::to_string(*sequence) : "null") +
                                R"(,"ts_ms":)" + std::to_string(book.ts_ms) + R"(,"bids":)" +
                                levels_json(book.bids, listing->instrument) + R"(,"asks":)" +
                                levels_json(book.asks, listing->instrument) + "}");
  }

  /// A bank quotes in steps; between them it repeats itself.
  HttpAnswer bank(std::size_t i, std::int64_t now) {
    const BankSource& source = kBanks[i];
    BankQuote& quote = bank_quotes_[i];
    if (now - quote.ts_ms >= source.refresh_ms) {
      quote = {now, market_->usd_krw() * (1.0 + source.offset)};
    }
    return json_answer(200, R"({"base":"USD","date":")" + date_dashed(quote.ts_ms) +
                                R"(","timestamp":)" + std::to_string(quote.ts_ms / 1000) +
                                R"(,"rates":{"KRW":)" + trimmed(quote.rate, 4) + "}}");
  }

  SimulatorConfig config_;
  std::vector<VenueId> venues_;
  Violations violations_;
  std::unique_ptr<Market> market_;
  std::unique_ptr<Faults> faults_;
  std::array<std::unique_ptr<MarketView>, kVenueCount> views_;
  std::array<std::unique_ptr<VenueProtocol>, kVenueCount> protocols_;
  std::array<std::unique_ptr<FaultyVenue>, kVenueCount> faulty_;
  std::size_t next_fault_ = 0;  // of the script
  std::int64_t started_ms_ = 0;
  std::array<std::uint16_t, kVenueCount> ports_{};
  std::uint16_t control_port_ = 0;
  std::array<BankQuote, kBanks.size()> bank_quotes_;
  TlsMaterial tls_;
  std::unique_ptr<Server> server_;  // last: its sessions refer to the protocols
};

Simulator::Simulator(SimulatorConfig config) : impl_(std::make_unique<Impl>(std::move(config))) {}
Simulator::~Simulator() = default;
void Simulator::start() { impl_->start(); }
std::string Simulator::ready_line() const { return impl_->ready_line(); }
const std::string& Simulator::certificate_pem() const { return impl_->certificate_pem(); }
void Simulator::run() { impl_->run(); }
void Simulator::stop() { impl_->stop(); }

}  // namespace spreadwatch::sim
