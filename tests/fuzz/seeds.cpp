#include "tests/fuzz/seeds.h"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <string_view>
#include <utility>

#include "ingest/book/normalizer.h"
#include "ingest/decode/wallet_routes.h"
#include "ingest/net/budget_store.h"
#include "sim/format.h"
#include "tests/fuzz/session.h"
#include "tests/ingest/samples.h"
#include "tests/sim/protocol_fixture.h"

namespace spreadwatch::fuzz {
namespace {

using ingest::MaintainedBook;
using ingest::RestCall;
using ingest::Subscription;
using sim::venue_test::Bench;
using sim::venue_test::FakeConnection;

/// Small inputs are fuzzed faster; what a session says beyond this is more of the same.
constexpr std::size_t kEnough = 16'000;

/// A client of a simulated venue that writes down what it is told, as a session (see session.h).
class Client final : public ingest::MarketSink {
 public:
  explicit Client(VenueId venue)
      : venue_(venue), bench_(venue, {"BTC", "XRP"}), normalizer_(venue) {
    connect();
  }

  ingest::VenueAdapter& adapter() { return normalizer_.adapter(); }
  Bench& bench() { return bench_; }
  const std::string& session() const { return session_; }
  Instrument instrument(const char* base) const {
    return {base, std::string{identity(venue_).default_quote}};
  }

  void subscribe(std::initializer_list<const char*> bases, int depth) {
    for (const char* const base : bases) {
      subscriptions_.push_back({Channel::kTicker, instrument(base), 0});
      subscriptions_.push_back({Channel::kOrderBook, instrument(base), depth});
    }
    depth_ = depth;
    say_all(adapter().subscribe(subscriptions_, now()));
  }

  void say(const std::string& text) { bench_.say(*connection_, text); }

  /// Lets time pass until that, or until the session is long enough.
  void run(std::int64_t ms) {
    for (std::int64_t left = ms; left > 0 && session_.size() < kEnough; left -= 100) {
      bench_.run(100);
      take();
      help();
    }
  }

  void ask(const RestCall& call, std::string_view channel = {}) {
    write("r1 " + word(channel.empty() ? std::string_view{call.channel} : channel) + " " +
              word(call.symbol) + " ",
          bench_.get(call.path).body);
  }

  void write(const std::string& head, std::string payload) {
    std::replace(payload.begin(), payload.end(), '\n', ' ');
    add(head + payload);
  }

  /// The line goes away and comes back.
  void reconnect() {
    add("d1");
    connect();
    say_all(adapter().subscribe(subscriptions_, now()));
  }

  void on_ticker(const Ticker&) override {}
  void on_order_book(const std::string&, const OrderBook&) override {}
  void on_error(const FeedError&) override {}
  void on_need(const std::string&, const Instrument& instrument,
               MaintainedBook::Need need) override {
    needs_.emplace_back(instrument, need);
  }

 private:
  void help() {
    // Whoever needs something gets it, as from a session of the service.
    for (const auto& [instrument, need] : std::exchange(needs_, {})) {
      if (need == MaintainedBook::Need::kSnapshot) {
        ask(adapter().book_call(instrument, depth_));
      } else {
        add("y1");
        say_all(adapter().unsubscribe(subscriptions_, now()));
        say_all(adapter().subscribe(subscriptions_, now()));
      }
    }
  }

  static std::string word(std::string_view text) { return text.empty() ? "-" : std::string{text}; }
  Timestamp now() const { return timestamp_from_ms(bench_.now_ms); }

  void connect() {
    std::string path{adapter().profile().ws_url};
    path.erase(0, std::min(path.find('/', std::string_view{"wss://"}.size()), path.size()));
    connection_ = path.empty() ? &bench_.connect() : &bench_.connect(path);
    take();
  }
  void add(const std::string& line) {
    session_ += line + "\n";
    play(steps_of(line).front(), ++lines_, normalizer_, *this);
  }
  void say_all(const std::vector<std::string>& texts) {
    for (const std::string& text : texts) say(text);
    take();
  }
  void take() {
    for (std::string& text : connection_->take()) {
      if (text.size() < 4 * kEnough) write("w1 ", std::move(text));
    }
  }

  VenueId venue_;
  Bench bench_;
  ingest::Normalizer normalizer_;
  FakeConnection* connection_ = nullptr;
  std::vector<Subscription> subscriptions_;
  std::vector<std::pair<Instrument, MaintainedBook::Need>> needs_;
  int depth_ = 0;
  std::string session_;
  std::size_t lines_ = 0;
};

/// Requests that the service does not send, for the forms of frames that it reads all the same.
struct ForeignRequest {
  VenueId venue;
  std::string_view text;
};
constexpr auto kForeignRequests = std::to_array<ForeignRequest>({
    {VenueId::kUpbit,
     R"([{"ticket":"t"},{"type":"ticker","codes":["KRW-BTC"]},{"type":"orderbook","codes":["KRW-BTC.5"]},{"type":"trade","codes":["KRW-BTC"]},{"format":"SIMPLE"}])"},
    {VenueId::kUpbit,
     R"([{"ticket":"t"},{"type":"orderbook","codes":["KRW-BTC.5"]},{"format":"JSON_LIST"}])"},
    {VenueId::kBithumb,
     R"([{"ticket":"t"},{"type":"ticker","codes":["KRW-BTC"]},{"type":"orderbook","codes":["KRW-BTC.5"]},{"type":"trade","codes":["KRW-BTC"]},{"format":"SIMPLE"}])"},
    {VenueId::kBithumb,
     R"([{"ticket":"t"},{"type":"orderbook","codes":["KRW-BTC.5"]},{"format":"JSON_LIST"}])"},
    {VenueId::kKorbit,
     R"([{"requestId":3,"method":"subscribe","type":"trade","symbols":["btc_krw"]}])"},
    {VenueId::kKorbit,
     R"([{"requestId":4,"method":"subscribe","type":"orderbook","symbols":["nope_krw"]}])"},
    {VenueId::kCoinone,
     R"({"request_type":"SUBSCRIBE","channel":"ORDERBOOK","topic":{"quote_currency":"KRW","target_currency":"BTC"},"format":"SHORT"})"},
    {VenueId::kCoinone,
     R"({"request_type":"SUBSCRIBE","channel":"TICKER","topic":{"quote_currency":"KRW","target_currency":"BTC"},"format":"SHORT"})"},
    {VenueId::kOkx,
     R"({"op":"subscribe","args":[{"channel":"books5","instId":"BTC-USDT"},{"channel":"bbo-tbt","instId":"BTC-USDT"},{"channel":"trades","instId":"BTC-USDT"}]})"},
    {VenueId::kBybit, R"({"op":"subscribe","args":["orderbook.1.BTCUSDT","publicTrade.BTCUSDT"]})"},
    {VenueId::kGateio,
     R"({"time":1790000000,"channel":"spot.order_book_update","event":"subscribe","payload":["BTC_USDT","100ms"]})"},
    {VenueId::kGateio,
     R"({"time":1790000000,"channel":"spot.order_book","event":"subscribe","payload":["BTC_USDT","5","100ms"]})"},
    {VenueId::kGateio,
     R"({"time":1790000000,"channel":"spot.book_ticker","event":"subscribe","payload":["BTC_USDT"]})"},
    {VenueId::kBinance,
     R"({"method":"SUBSCRIBE","params":["btcusdt@depth20@100ms","btcusdt@bookTicker","btcusdt@miniTicker","btcusdt@trade"],"id":7})"},
    {VenueId::kKraken, R"({"method":"subscribe","params":{"channel":"instrument"},"req_id":7})"},
    {VenueId::kKraken,
     R"({"method":"subscribe","params":{"channel":"trade","symbol":["BTC/USD"]},"req_id":8})"},
});

std::string rest_session(VenueId venue) {
  Client client{venue};
  ingest::VenueAdapter& adapter = client.adapter();
  client.bench().run(2'000);
  client.ask(adapter.markets_call());
  const std::array<Instrument, 2> both = {client.instrument("BTC"), client.instrument("XRP")};
  for (const RestCall& call : adapter.ticker_calls(both)) client.ask(call);
  for (const RestCall& call : adapter.ticker_calls(std::span{both}.first(1))) client.ask(call);
  const int depth = adapter.profile().depths.front();
  client.ask(adapter.book_call(both[0], depth));
  client.bench().run(1'000);
  const RestCall polled = adapter.polled_call(
      std::span{both}.first(std::min<std::size_t>(2, adapter.profile().books_per_call)), depth);
  client.ask(polled, ingest::kPolledChannel);
  client.ask(polled, ingest::kAuditChannel);
  const std::array<Instrument, 1> nobody = {client.instrument("NOPE")};
  for (const RestCall& call : adapter.ticker_calls(nobody)) client.ask(call);
  client.ask(adapter.book_call(nobody[0], depth));
  for (const int status : {400, 429, 503}) {
    client.write("r1 orderbook - ", client.bench().protocol->refusal(status).body);
  }
  client.write("r1 orderbook - ", client.bench().protocol->ban_answer(false).body);
  return client.session();
}

std::string refusals_session(VenueId venue) {
  Client client{venue};
  client.subscribe({"NOPE"}, client.adapter().profile().default_depth);
  for (const char* const text : {"nonsense", "[]", "{}", R"({"op":"ping"})", "ping", "PING"}) {
    client.say(text);
  }
  if (const std::string ping = client.adapter().ping(timestamp_from_ms(client.bench().now_ms));
      !ping.empty()) {
    client.say(ping);
  }
  client.run(12'000);
  client.bench().order({.fault = "maintenance", .duration_ms = 2'000});
  client.run(3'000);
  return client.session();
}

std::string fault_session(VenueId venue, const sim::FaultInfo& fault) {
  Client client{venue};
  const std::string symbol = client.instrument("BTC").name();
  client.subscribe({"BTC"}, client.adapter().profile().default_depth);
  client.run(500);
  client.bench().order({.fault = std::string{fault.name}, .symbol = symbol});
  client.run(2'500);
  return client.session();
}

/// Faults that change frames; the others change sockets and statuses.
constexpr std::array kFrameFaults = {sim::FaultKind::kGap,           sim::FaultKind::kBadChecksum,
                                     sim::FaultKind::kDuplicate,     sim::FaultKind::kReorder,
                                     sim::FaultKind::kCrossed,       sim::FaultKind::kOneSided,
                                     sim::FaultKind::kMalformed,     sim::FaultKind::kTruncated,
                                     sim::FaultKind::kStaleSnapshot, sim::FaultKind::kDelist};

std::string samples_session(VenueId venue) {
  std::string session;
  for (const ingest::test::Sample& sample : ingest::test::kSamples) {
    if (sample.venue != venue) continue;
    session += "w1 " + std::string{sample.ticker} + "\n";
    session += sample.book_origin == Origin::kRest
                   ? "r1 orderbook " + std::string{sample.book_symbol} + " "
                   : "w1 ";
    session += std::string{sample.book} + "\n";
  }
  return session;
}

std::string gzip(const std::string& text) {
  std::string out(text.size() + 1'000, '\0');
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));  // NOLINT
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string zstd(const std::string& text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 9));
  return out;
}

void add_captures(std::vector<Seed>& out) {
  std::string lines;
  for (const VenueId venue : {VenueId::kBybit, VenueId::kKraken}) {
    const std::string session = samples_session(venue);
    for (std::size_t at = 0; at < session.size();) {
      const std::size_t end = session.find('\n', at);
      lines += R"({"exchange":")" + std::string{to_string(venue)} +
               R"(","kind":"ws","channel":null,"symbol":"BTCUSDT","recv_ts":1790000000.123456,)"
               R"("connection":1,"raw":)" +
               sim::quoted(session.substr(at + 3, end - at - 3)) + "}\n";
      at = end + 1;
    }
  }
  lines +=
      R"({"exchange":"upbit","kind":"rest","channel":"request","dir":"tx","recv_ts":null,"raw":""})"
      "\n"
      R"({"exchange":"okx","kind":"ws","event":"down","recv_ts":1790000001,"connection":2,"raw":"{}"})"
      "\n"
      R"({"exchange":"bank-a","kind":"rest","channel":"fx","recv_ts":1.79e9,"raw":"{\"rate\":1385.2}"})"
      "\n\n  \n{\"exchange\":\"okx\"}\nnot a line\n";
  out.push_back({"fuzz_capture", "plain", lines});
  out.push_back({"fuzz_capture", "gzip", gzip(lines)});
  out.push_back({"fuzz_capture", "zstd", zstd(lines)});
}

void add_bank_rates(std::vector<Seed>& out) {
  out.push_back(
      {"fuzz_bank_rate", "number", R"(/rates/KRW {"base":"USD","rates":{"KRW":1383.1}})"});
  out.push_back(
      {"fuzz_bank_rate", "text", R"(/0/deal_bas_r [{"cur_unit":"USD","deal_bas_r":"1,385.20"}])"});
  out.push_back({"fuzz_bank_rate", "reciprocal", R"(1/usd/krw {"usd":{"krw":0.00072}})"});
  out.push_back({"fuzz_bank_rate", "missing", R"(/a~1b/c~0 {"a/b":{"c~":null}})"});
}

void add_requests(std::vector<Seed>& out) {
  constexpr std::array<std::string_view, 5> kRequests = {
      "GET /\nGET /app.js\nGET /healthz\nGET /readyz\nGET /openapi.json\nPOST /healthz\nGET "
      "/nothing\n",
      "GET /api/v1/venues\nGET /api/v1/feeds\nGET /api/v1/tickers?venue=upbit&symbol=BTC-KRW\n"
      "GET /api/v1/orderbooks/upbit/BTC-KRW?depth=5\nGET /api/v1/orderbooks/nobody/BTC-KRW\n",
      "GET /api/v1/fx\nGET /api/v1/premiums?asset=btc\nGET /api/v1/opportunities\n"
      "GET /api/v1/spreads?asset=BTC&buy=binance&sell=upbit&mode=inventory&verdict=tradable\n",
      "GET /api/v1/profit?asset=BTC&buy=okx&sell=upbit&size_usdt=1000.50&mode=transfer\n"
      "GET /api/v1/profit?asset=SLOW&buy=okx&sell=upbit&size_usdt=1e3\n",
      "GET /api/v1/stream?topics=premium,spread\nGET "
      "/api/v1/tickers?symbol=BTC%2DKRW&venue=%75pbit\n"
      "GET /api/v1/tickers?venue=%zz\nGET /api/v1/tickers?nope=1&venue=upbit&venue=okx\n"};
  for (std::size_t i = 0; i < kRequests.size(); ++i) {
    out.push_back({"fuzz_http", std::to_string(i), std::string{kRequests[i]}});
  }
}

void add_budgets(std::vector<Seed>& out) {
  ingest::VenueBudget::State state;
  state.connect_pause = timestamp_from_ms(1'790'000'060'000);
  state.rest = {{timestamp_from_ms(1'790'000'000'000), 5}};
  ingest::KeptBudgets budgets;
  budgets[VenueId::kBinance] = {"wss://stream.example https://api.example", state};
  budgets[VenueId::kKraken] = {"wss://ws.example", {}};
  out.push_back({"fuzz_budgets", "two", ingest::encode_budgets(budgets)});
}

void add_configurations(std::vector<Seed>& out) {
  for (const char* const folder : {"config", "tests/fixtures/worked_example"}) {
    for (const auto& entry : std::filesystem::directory_iterator{
             std::filesystem::path{SPREADWATCH_SOURCE_DIR} / folder}) {
      if (entry.path().extension() != ".yaml") continue;
      std::ifstream file{entry.path(), std::ios::binary};
      out.push_back({"fuzz_config",
                     std::filesystem::path{folder}.filename().string() + "-" +
                         entry.path().filename().string(),
                     {std::istreambuf_iterator<char>{file}, {}}});
    }
  }
}

void add_addresses(std::vector<Seed>& out) {
  for (const char* const text : {"wss://api.gateio.ws/ws/v4/", "http://[::1]:8080/x?y=%C3%A9#f",
                                 "https://joe:p%40ss@bank.example:443/rates?base=USD&token=t",
                                 "a:9092, b.example,[::1]:9093", "127.0.0.1", "::1", "[::]",
                                 "localhost", "256.1.1.1", "ws://host:abc/"}) {
    out.push_back({"fuzz_address", std::to_string(out.size()), text});
  }
}

}  // namespace

std::vector<Seed> venue_seeds(VenueId venue) {
  const std::string target = "fuzz_" + std::string{to_string(venue)};
  std::vector<Seed> out;
  const std::vector<int> depths = ingest::make_adapter(venue)->profile().depths;
  for (const int depth : depths) {
    Client client{venue};
    client.subscribe({"BTC"}, depth);
    client.run(2'000);
    out.push_back({target, "depth-" + std::to_string(depth), client.session()});
  }
  {
    Client client{venue};
    client.ask(client.adapter().markets_call());
    client.subscribe({"BTC", "XRP"}, depths.front());
    client.run(1'500);
    out.push_back({target, "two", client.session()});
  }
  {
    Client client{venue};
    client.subscribe({"BTC"}, depths.front());
    client.run(500);
    client.reconnect();
    client.run(500);
    out.push_back({target, "reconnect", client.session()});
  }
  std::size_t number = 0;
  for (const ForeignRequest& request : kForeignRequests) {
    if (request.venue != venue) continue;
    Client client{venue};
    client.say(std::string{request.text});
    client.run(1'500);
    out.push_back({target, "foreign-" + std::to_string(++number), client.session()});
  }
  for (const sim::FaultKind kind : kFrameFaults) {
    if (!sim::fault_applies(kind, venue)) continue;
    const sim::FaultInfo& fault = sim::fault_info(kind);
    out.push_back({target, std::string{fault.name}, fault_session(venue, fault)});
  }
  out.push_back({target, "rest", rest_session(venue)});
  out.push_back({target, "refusals", refusals_session(venue)});
  out.push_back({target, "samples", samples_session(venue)});
  return out;
}

std::vector<Seed> all_seeds() {
  std::vector<Seed> out;
  for (const VenueIdentity& venue : kVenues) {
    for (Seed& seed : venue_seeds(venue.id)) out.push_back(std::move(seed));
    Client client{venue.id};
    for (const ingest::WalletRoute& route : ingest::wallet_routes(venue.id)) {
      out.push_back(
          {"fuzz_wallets", std::string{venue.name} + std::to_string(out.size()),
           std::string{venue.name} + " " + client.bench().get(std::string{route.path}).body});
    }
  }
  add_captures(out);
  add_bank_rates(out);
  add_requests(out);
  add_budgets(out);
  add_configurations(out);
  add_addresses(out);
  return out;
}

}  // namespace spreadwatch::fuzz
