// Every fault at every venue, against a twin of the same seed without it: the wanted difference on
// the market that was meant, and not a byte on the others.

#include "sim/faults.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "sim/format.h"
#include "tests/sim/protocol_fixture.h"

namespace spreadwatch::sim::venue_test {
namespace {

/// How one venue is talked to. `{S}` stands for the market.
struct Talk {
  VenueId venue;
  const char* target;
  const char* subscribe;
  const char* rest_book;
  const char* rest_list;
  const char* btc;  // the venue's names
  const char* xrp;
  int ban_status;
};

constexpr auto kTalks = std::to_array<Talk>({
    {VenueId::kUpbit, "/websocket/v1",
     R"([{"ticket":"t"},{"type":"orderbook","codes":["KRW-BTC","KRW-XRP"]},{"type":"ticker","codes":["KRW-BTC","KRW-XRP"]}])",
     "/v1/orderbook?markets={S}", "/v1/market/all", "KRW-BTC", "KRW-XRP", 418},
    {VenueId::kBithumb, "/websocket/v1",
     R"([{"ticket":"t"},{"type":"orderbook","codes":["KRW-BTC","KRW-XRP"]},{"type":"ticker","codes":["KRW-BTC","KRW-XRP"]}])",
     "/v1/orderbook?markets={S}", "/v1/market/all", "KRW-BTC", "KRW-XRP", 429},
    {VenueId::kKorbit, "/v2/public",
     R"([{"method":"subscribe","type":"orderbook","symbols":["btc_krw","xrp_krw"]},{"method":"subscribe","type":"ticker","symbols":["btc_krw","xrp_krw"]}])",
     "/v2/orderbook?symbol={S}", "/v2/currencyPairs", "btc_krw", "xrp_krw", 429},
    {VenueId::kCoinone, "",
     R"({"request_type":"SUBSCRIBE","channel":"ORDERBOOK","topic":{"quote_currency":"KRW","target_currency":"BTC"}}|{"request_type":"SUBSCRIBE","channel":"ORDERBOOK","topic":{"quote_currency":"KRW","target_currency":"XRP"}}|{"request_type":"SUBSCRIBE","channel":"TICKER","topic":{"quote_currency":"KRW","target_currency":"BTC"}})",
     "/public/v2/orderbook/KRW/{S}", "/public/v2/markets/KRW", "BTC", "XRP", 403},
    {VenueId::kOkx, "/ws/v5/public",
     R"({"op":"subscribe","args":[{"channel":"books","instId":"BTC-USDT"},{"channel":"books","instId":"XRP-USDT"},{"channel":"tickers","instId":"BTC-USDT"},{"channel":"tickers","instId":"XRP-USDT"}]})",
     "/api/v5/market/books?instId={S}&sz=400", "/api/v5/public/instruments?instType=SPOT",
     "BTC-USDT", "XRP-USDT", 429},
    {VenueId::kBybit, "/v5/public/spot",
     R"({"op":"subscribe","args":["orderbook.50.BTCUSDT","orderbook.50.XRPUSDT","tickers.BTCUSDT","tickers.XRPUSDT"]})",
     "/v5/market/orderbook?category=spot&symbol={S}&limit=200",
     "/v5/market/instruments-info?category=spot", "BTCUSDT", "XRPUSDT", 403},
    {VenueId::kGateio, "/ws/v4/",
     R"({"time":1790000000,"channel":"spot.obu","event":"subscribe","payload":["ob.BTC_USDT.400","ob.XRP_USDT.400"]}|{"time":1790000000,"channel":"spot.tickers","event":"subscribe","payload":["BTC_USDT","XRP_USDT"]})",
     "/api/v4/spot/order_book?currency_pair={S}&limit=100&with_id=true",
     "/api/v4/spot/currency_pairs", "BTC_USDT", "XRP_USDT", 429},
    {VenueId::kBinance, "/ws",
     R"({"method":"SUBSCRIBE","params":["btcusdt@depth@100ms","xrpusdt@depth@100ms","btcusdt@ticker","xrpusdt@ticker"],"id":1})",
     "/api/v3/depth?symbol={S}&limit=1000", "/api/v3/exchangeInfo", "BTCUSDT", "XRPUSDT", 418},
    {VenueId::kKraken, "/v2",
     R"({"method":"subscribe","params":{"channel":"book","symbol":["BTC/USD","XRP/USD"],"depth":100}}|{"method":"subscribe","params":{"channel":"ticker","symbol":["BTC/USD","XRP/USD"]}})",
     "/0/public/Depth?pair={S}&count=500", "/0/public/AssetPairs", "XXBTZUSD", "XXRPZUSD", 429},
});
static_assert(covers_every_venue(kTalks), "a venue of core/venue.h has no row in kTalks");

/// Runs the body for each venue, with its name in every message.
void at_every_venue(const std::function<void(const Talk&)>& body) {
  for (const Talk& talk : kTalks) {
    CAPTURE(to_string(talk.venue));
    body(talk);
  }
}

std::string filled(std::string text, const char* market) {
  return text.replace(text.find("{S}"), 3, market);
}

std::string symbol_at(VenueId venue, const char* base) {
  return std::string(base) + "-" + std::string(identity(venue).default_quote);
}

void say_all(Bench& bench, FakeConnection& connection, const std::string& texts) {
  for (std::size_t begin = 0; begin <= texts.size();) {
    const std::size_t end = std::min(texts.find('|', begin), texts.size());
    bench.say(connection, texts.substr(begin, end - begin));
    begin = end + 1;
  }
}

bool is_json(const std::string& text) { return Json::accept(text); }

/// A book as a client keeps it, prices and sizes as doubles.
struct ClientBook {
  std::map<double, double, std::greater<>> bids;
  std::map<double, double> asks;

  [[nodiscard]] bool crossed() const {
    return !bids.empty() && !asks.empty() && bids.begin()->first >= asks.begin()->first;
  }
  friend bool operator==(const ClientBook&, const ClientBook&) = default;
};

double value_of(const Json& json) {
  return json.is_string() ? std::stod(json.get<std::string>()) : json.get<double>();
}

template <class Side>
void set_levels(Side& side, const Json& levels) {
  for (const Json& level : levels) {
    const double price = value_of(level.is_array() ? level[0] : level["price"]);
    const double size = value_of(level.is_array()        ? level[1]
                                 : level.contains("qty") ? level["qty"]
                                                         : level["quantity"]);
    if (size == 0) {
      side.erase(price);
    } else {
      side[price] = size;
    }
  }
}

/// What the venue's book message does to a client's book. Returns the time in the message, in ms,
/// 0 when there is none.
std::int64_t apply_book(VenueId venue, const std::string& text, ClientBook& book) {
  const Json m = Json::parse(text);
  switch (venue) {
    case VenueId::kUpbit:
    case VenueId::kBithumb:
      book = {};
      for (const Json& unit : m["orderbook_units"]) {
        if (unit["bid_size"] > 0) book.bids[unit["bid_price"]] = unit["bid_size"];
        if (unit["ask_size"] > 0) book.asks[unit["ask_price"]] = unit["ask_size"];
      }
      return m["timestamp"].get<std::int64_t>() / (venue == VenueId::kBithumb ? 1000 : 1);
    case VenueId::kKorbit:
    case VenueId::kCoinone:
      book = {};
      set_levels(book.bids, m["data"]["bids"]);
      set_levels(book.asks, m["data"]["asks"]);
      return m["data"]["timestamp"];
    case VenueId::kOkx:
      if (m["action"] == "snapshot") book = {};
      set_levels(book.bids, m["data"][0]["bids"]);
      set_levels(book.asks, m["data"][0]["asks"]);
      return std::stoll(m["data"][0]["ts"].get<std::string>());
    case VenueId::kBybit:
      if (m["type"] == "snapshot") book = {};
      set_levels(book.bids, m["data"]["b"]);
      set_levels(book.asks, m["data"]["a"]);
      return m["cts"];
    case VenueId::kGateio:
      if (m["result"].contains("full")) book = {};
      set_levels(book.bids, m["result"]["b"]);
      set_levels(book.asks, m["result"]["a"]);
      return m["time_ms"];
    case VenueId::kBinance:
      set_levels(book.bids, m["b"]);
      set_levels(book.asks, m["a"]);
      return m["E"];
    case VenueId::kKraken:
      if (m["type"] == "snapshot") book = {};
      set_levels(book.bids, m["data"][0]["bids"]);
      set_levels(book.asks, m["data"][0]["asks"]);
      return 0;
  }
  return 0;
}

/// The true book as far as the clients here subscribe to it.
ClientBook true_book(const Listing& listing) {
  const std::size_t depth = listing.instrument.venue == VenueId::kBybit ? 50 : 1'000;
  ClientBook book;
  const Instrument& i = listing.instrument;
  const auto scaled = [](std::int64_t v, int decimals) {
    return static_cast<double>(v) / std::pow(10.0, decimals);
  };
  for (const Level& l : listing.book.bids) {
    if (book.bids.size() == depth) break;
    book.bids[scaled(l.price, i.price_decimals)] = scaled(l.size, i.size_decimals);
  }
  for (const Level& l : listing.book.asks) {
    if (book.asks.size() == depth) break;
    book.asks[scaled(l.price, i.price_decimals)] = scaled(l.size, i.size_decimals);
  }
  return book;
}

/// A bench with a client that has subscribed to everything, some seconds into its life.
struct Client {
  explicit Client(const Talk& with) : talk(with), bench(with.venue, {"BTC", "XRP"}) {
    connection = &bench.connect(talk.target);
    say_all(bench, *connection, talk.subscribe);
    bench.run(12'000);
    btc = &bench.listing("BTC", identity(talk.venue).default_quote);
    xrp = &bench.listing("XRP", identity(talk.venue).default_quote);
    connection->take();
  }

  /// What was sent for a market since the last call, of one kind or both.
  static std::vector<Frame> of(const std::vector<Frame>& frames, const Listing& listing,
                               std::optional<FrameKind> kind = {}) {
    std::vector<Frame> found;
    for (const Frame& frame : frames) {
      if (frame.listing == nullptr) continue;
      if (frame.listing->instrument.index != listing.instrument.index) continue;
      if (!kind || frame.kind == *kind) found.push_back(frame);
    }
    return found;
  }

  const Talk& talk;
  Bench bench;
  FakeConnection* connection;
  const Listing* btc;
  const Listing* xrp;
};

std::vector<std::string> texts(const std::vector<Frame>& frames) {
  std::vector<std::string> result;
  for (const Frame& frame : frames) result.push_back(*frame.payload);
  return result;
}

/// Two clients in step; only the second one's venue has the fault.
struct Twins {
  explicit Twins(const Talk& talk) : clean(talk), faulty(talk) {}

  void order(const char* fault, std::int64_t duration_ms = 0,
             std::vector<std::pair<std::string, std::int64_t>> parameters = {},
             bool whole_venue = false) {
    const VenueId venue = clean.talk.venue;
    faulty.bench.order({fault, std::string(to_string(venue)),
                        whole_venue ? std::nullopt : std::optional(symbol_at(venue, "BTC")),
                        duration_ms, std::move(parameters)});
  }

  void run(std::int64_t ms) {
    clean.bench.run(ms);
    faulty.bench.run(ms);
    const auto from = std::exchange(clean.connection->frames, {});
    const auto got = std::exchange(faulty.connection->frames, {});
    expected = Client::of(from, *clean.btc, FrameKind::kBook);
    received = Client::of(got, *faulty.btc, FrameKind::kBook);
    expected_tickers = texts(Client::of(from, *clean.btc, FrameKind::kTicker));
    received_tickers = texts(Client::of(got, *faulty.btc, FrameKind::kTicker));
    other_expected = texts(Client::of(from, *clean.xrp));
    other_received = texts(Client::of(got, *faulty.xrp));
  }

  /// That the other market and the rules saw nothing.
  void check_others() const {
    CHECK_FALSE(other_expected.empty());
    CHECK(other_received == other_expected);
    CHECK(faulty.bench.violations.rows().size() == clean.bench.violations.rows().size());
    CHECK(faulty.connection->open());
  }
  /// The same of the market itself, but for the book messages.
  void check_rest() const {
    check_others();
    CHECK(received_tickers == expected_tickers);
  }

  Client clean;
  Client faulty;
  std::vector<Frame> expected;  // the market's book messages
  std::vector<Frame> received;
  std::vector<std::string> expected_tickers;
  std::vector<std::string> received_tickers;
  std::vector<std::string> other_expected;
  std::vector<std::string> other_received;
};

TEST_CASE("faults: without one the twins are the same") {
  at_every_venue([](const Talk& talk) {
    Twins twins(talk);
    twins.run(3'000);
    CHECK(twins.expected.size() >= 3);
    CHECK(texts(twins.received) == texts(twins.expected));
    twins.check_rest();
  });
}

TEST_CASE("faults: a gap loses one book message, and for a time all of them") {
  at_every_venue([](const Talk& talk) {
    Twins twins(talk);
    twins.order("gap");
    twins.run(3'000);
    REQUIRE(twins.expected.size() >= 3);
    auto wanted = texts(twins.expected);
    wanted.erase(wanted.begin());
    CHECK(texts(twins.received) == wanted);
    twins.check_rest();
    twins.order("gap", 1'000);
    twins.run(1'000);
    CHECK(twins.received.empty());
    CHECK_FALSE(twins.expected.empty());
    twins.run(2'000);
    CHECK_FALSE(twins.received.empty());
  });
}

TEST_CASE("faults: a duplicate comes once more, a reordered pair the other way round") {
  at_every_venue([](const Talk& talk) {
    Twins twins(talk);
    twins.order("duplicate");
    twins.run(3'000);
    auto wanted = texts(twins.expected);
    wanted.insert(wanted.begin(), wanted.front());
    CHECK(texts(twins.received) == wanted);
    twins.check_rest();
    twins.order("reorder");
    twins.run(3'000);
    wanted = texts(twins.expected);
    std::swap(wanted[0], wanted[1]);
    CHECK(texts(twins.received) == wanted);
    twins.check_rest();
  });
}

TEST_CASE("faults: one message is malformed, truncated, garbage, blown up or slow") {
  at_every_venue([](const Talk& talk) {
    Twins twins(talk);
    for (const char* fault : {"malformed", "truncated", "binary", "oversized", "drip"}) {
      CAPTURE(fault);
      const std::string name = fault;
      twins.order(fault);
      twins.run(3'000);
      REQUIRE(twins.received.size() == twins.expected.size());
      const Frame& first = twins.received.front();
      const std::string& text = *first.payload;
      const std::string& truth = *twins.expected.front().payload;
      CHECK(is_json(text) == (name == "oversized" || name == "drip"));
      if (name == "truncated") CHECK((text.size() < truth.size() && truth.starts_with(text)));
      if (name == "binary") CHECK(first.binary);
      if (name == "oversized") {
        CHECK(text.size() == 12'000'000);
        CHECK(first.bulk);
        CHECK(text.substr(0, text.find_last_not_of(' ') + 1) == truth);
      }
      CHECK((first.drip_ms > 0) == (name == "drip"));
      auto rest = texts(twins.received);
      auto wanted = texts(twins.expected);
      rest.erase(rest.begin());
      wanted.erase(wanted.begin());
      CHECK(rest == wanted);
      for (std::size_t i = 1; i < twins.received.size(); ++i) {
        CHECK(twins.received[i].drip_ms == 0);
        CHECK_FALSE(twins.received[i].bulk);
      }
      twins.check_rest();
    }
  });
}

TEST_CASE("faults: a bad checksum is the only thing wrong, and only where there are checksums") {
  Twins twins(kTalks[index_of(VenueId::kKraken)]);
  twins.order("bad_checksum");
  twins.run(3'000);
  Json spoilt = Json::parse(*twins.received.front().payload);
  const Json truth = Json::parse(*twins.expected.front().payload);
  CHECK(spoilt["data"][0]["checksum"] != truth["data"][0]["checksum"]);
  spoilt["data"][0]["checksum"] = truth["data"][0]["checksum"];
  CHECK(spoilt == truth);
  CHECK(*twins.received[1].payload == *twins.expected[1].payload);
  twins.check_rest();
  for (const Talk& talk : kTalks) {
    const Bench bench(talk.venue);
    const auto errors = bench.faults.check({"bad_checksum", std::string(to_string(talk.venue))});
    CHECK(errors.size() == (talk.venue == VenueId::kKraken ? 0U : 1U));
  }
}

TEST_CASE("faults: a crossed and a one-sided book are well-formed, and the next message heals") {
  at_every_venue([](const Talk& talk) {
    for (const bool crossed : {true, false}) {
      Twins twins(talk);
      ClientBook right = true_book(*twins.clean.btc);
      ClientBook wrong = right;
      twins.order(crossed ? "crossed" : "one_sided");
      twins.run(3'000);
      REQUIRE(twins.received.size() == twins.expected.size());
      for (std::size_t i = 0; i < twins.received.size(); ++i) {
        apply_book(talk.venue, *twins.expected[i].payload, right);
        apply_book(talk.venue, *twins.received[i].payload, wrong);
        CHECK_FALSE(right.crossed());
        if (i == 0 && crossed) CHECK(wrong.crossed());
        if (i == 0 && !crossed) CHECK((wrong.asks.empty() && !wrong.bids.empty()));
        if (i > 0) CHECK(wrong.bids.begin()->first == right.bids.begin()->first);
        if (i > 0) CHECK(wrong.asks.begin()->first == right.asks.begin()->first);
        if (i > 0) CHECK(wrong.asks == right.asks);
      }
      // The truth never knew.
      CHECK_FALSE(true_book(*twins.faulty.btc).crossed());
      CHECK(true_book(*twins.faulty.btc) == true_book(*twins.clean.btc));
      twins.check_others();
    }
  });
}

TEST_CASE("faults: a frozen stream says nothing of its market until the connection is new") {
  at_every_venue([](const Talk& talk) {
    Twins twins(talk);
    twins.order("freeze_stream");
    twins.run(4'000);
    CHECK(twins.received.empty());
    CHECK(twins.received_tickers.size() < std::max<std::size_t>(1, twins.expected_tickers.size()));
    twins.check_others();
    FakeConnection& again = twins.faulty.bench.connect(talk.target);
    say_all(twins.faulty.bench, again, talk.subscribe);
    again.take();
    twins.faulty.bench.run(2'000);
    CHECK_FALSE(Client::of(again.frames, *twins.faulty.btc, FrameKind::kBook).empty());
  });
}

TEST_CASE("faults: late messages keep their times and their order") {
  at_every_venue([](const Talk& talk) {
    Twins twins(talk);
    twins.order("late", 2'000, {{"ms", 1'500}});
    twins.run(1'400);
    std::vector<std::string> wanted = texts(twins.expected);
    CHECK_FALSE(wanted.empty());
    CHECK(twins.received.empty());
    twins.check_others();
    std::vector<std::string> got;
    for (int i = 0; i < 6; ++i) {
      twins.run(1'000);
      for (const std::string& text : texts(twins.expected)) wanted.push_back(text);
      for (const std::string& text : texts(twins.received)) got.push_back(text);
      CHECK(twins.other_received == twins.other_expected);
    }
    CHECK(got == wanted);
  });
}

TEST_CASE("faults: a wrong clock shows in every time, and nobody is punished for it") {
  at_every_venue([](const Talk& talk) {
    for (const std::int64_t skew : {-120'000, 45'000}) {
      Twins twins(talk);
      twins.order("clock_skew", 70'000, {{"ms", skew}}, true);
      twins.run(3'000);
      REQUIRE(twins.received.size() == twins.expected.size());
      ClientBook ignored;
      for (std::size_t i = 0; i < twins.received.size(); ++i) {
        const std::int64_t got = apply_book(talk.venue, *twins.received[i].payload, ignored);
        const std::int64_t truth = apply_book(talk.venue, *twins.expected[i].payload, ignored);
        CHECK(got == truth + (talk.venue == VenueId::kKraken ? 0 : skew));
        CHECK(*twins.received[i].payload != *twins.expected[i].payload);
      }
      CHECK(twins.faulty.bench.get(filled(talk.rest_book, talk.btc)).status == 200);
      twins.run(67'000);
      CAPTURE(twins.clean.connection->open());
      CHECK(twins.faulty.connection->open() == twins.clean.connection->open());
      CHECK(twins.faulty.bench.violations.rows().size() ==
            twins.clean.bench.violations.rows().size());
      twins.run(2'000);
      CHECK(texts(twins.received) == texts(twins.expected));
    }
  });
}

TEST_CASE("faults: a stale snapshot by REST and by subscription, then right ones") {
  at_every_venue([](const Talk& talk) {
    Twins twins(talk);
    const std::string target = filled(talk.rest_book, talk.btc);
    const std::string other = filled(talk.rest_book, talk.xrp);
    const auto same = [&](const std::string& path) {
      return twins.clean.bench.get(path).body == twins.faulty.bench.get(path).body;
    };
    CHECK(same(target));
    twins.order("stale_snapshot");
    CHECK(same(other));
    CHECK_FALSE(same(target));
    CHECK(same(target));
    if (talk.venue == VenueId::kBinance) return;  // its streams begin without a snapshot
    twins.order("stale_snapshot");
    FakeConnection& expected = twins.clean.bench.connect(talk.target);
    FakeConnection& received = twins.faulty.bench.connect(talk.target);
    say_all(twins.clean.bench, expected, talk.subscribe);
    say_all(twins.faulty.bench, received, talk.subscribe);
    const auto first = [](FakeConnection& c, const Listing& listing) {
      return *Client::of(c.frames, listing, FrameKind::kBook).at(0).payload;
    };
    CHECK(first(received, *twins.faulty.btc) != first(expected, *twins.clean.btc));
    CHECK(first(received, *twins.faulty.xrp) == first(expected, *twins.clean.xrp));
    // The stream itself goes on as if nothing was.
    twins.run(2'000);
    CHECK(texts(twins.received) == texts(twins.expected));
  });
}

TEST_CASE("faults: REST refusals come with their status, their Retry-After, and end") {
  at_every_venue([](const Talk& talk) {
    Bench bench(talk.venue, {"BTC", "XRP"});
    const std::string target = filled(talk.rest_book, talk.btc);
    const std::string other = filled(talk.rest_book, talk.xrp);
    const auto header = [](const HttpAnswer& answer) -> std::string {
      for (const auto& [name, value] : answer.headers) {
        if (name == "Retry-After") return value;
      }
      return "";
    };
    for (const int status : {429, 418, 503}) {
      const std::string name = status == 503 ? "http_5xx" : "http_" + std::to_string(status);
      CAPTURE(name);
      FaultOrder order{name, std::string(to_string(talk.venue)), symbol_at(talk.venue, "BTC")};
      if (status != 503) order.parameters = {{"retry_after_s", 7}};
      bench.order(order);
      CHECK(bench.get(other).status == 200);
      const HttpAnswer refused = bench.get(target);
      CHECK(refused.status == status);
      CHECK(header(refused) == (status == 503 ? "" : "7"));
      CHECK(bench.get(target).status == 200);
      order.symbol.reset();
      order.duration_ms = 1'000;
      bench.order(order);
      for (int i = 0; i < 3; ++i) CHECK(bench.get(other).status == status);
      CHECK(bench.upgrade_status(talk.target[0] == '\0' ? "/" : talk.target) == 101);
      bench.wait(1'000);
      CHECK(bench.get(other).status == 200);
    }
    CHECK(bench.violations.rows().empty());
  });
}

TEST_CASE("faults: a ban refuses connects and requests in the venue's way") {
  at_every_venue([&](const Talk& talk) {
    Bench bench(talk.venue, {"BTC", "XRP"});
    const std::string target = talk.target[0] == '\0' ? "/" : talk.target;
    bench.order({"ban", std::string(to_string(talk.venue)), {}, 600'000});
    const UpgradeAnswer refused = bench.protocol->on_upgrade(bench.request(target));
    REQUIRE(refused.refusal);
    CHECK(refused.refusal->status == talk.ban_status);
    CHECK(refused.refusal->headers.back() ==
          std::pair<std::string, std::string>("Retry-After", "600"));
    const HttpAnswer answer = bench.get(filled(talk.rest_book, talk.btc));
    CHECK(answer.body.find("asks") == std::string::npos);
    CHECK(answer.headers.back().first == "Retry-After");
    bench.end_faults();
    CHECK(bench.upgrade_status(target) == 101);
    bench.order({"ban", std::string(to_string(talk.venue))});
    CHECK(bench.upgrade_status(target) != 101);
    bench.wait(1'000);  // OKX counts attempts
    CHECK(bench.upgrade_status(target) == 101);
  });
}

TEST_CASE("faults: maintenance is announced in the venue's words, refuses, and ends") {
  const std::map<VenueId, std::string> words = {{VenueId::kOkx, "64008"},
                                                {VenueId::kGateio, "spot.system"},
                                                {VenueId::kBinance, "serverShutdown"},
                                                {VenueId::kKraken, R"("system":"maintenance")"}};
  at_every_venue([&](const Talk& talk) {
    Client client(talk);
    Bench& bench = client.bench;
    const std::string target = talk.target[0] == '\0' ? "/" : talk.target;
    bench.order({"maintenance", std::string(to_string(talk.venue)), {}, 5'000});
    std::string said;
    for (const Frame& frame : client.connection->frames) {
      if (frame.kind == FrameKind::kControl) said += *frame.payload;
    }
    const auto word = words.find(talk.venue);
    CHECK((word == words.end() ? said.empty() : said.find(word->second) != std::string::npos));
    CHECK(client.connection->open());
    bench.run(1'200);
    const bool kraken = talk.venue == VenueId::kKraken;
    CHECK(client.connection->open() == kraken);
    CHECK(bench.upgrade_status(target) == (kraken ? 101 : 503));
    const HttpAnswer book = bench.get(filled(talk.rest_book, talk.btc));
    CHECK(book.status == (talk.venue == VenueId::kCoinone ? 200 : 503));
    if (talk.venue == VenueId::kCoinone) {
      CHECK(bench.get_json(talk.rest_list)["markets"][0]["maintenance_status"] == 1);
    }
    if (kraken) {
      client.connection->take();
      bench.run(1'000);
      CHECK(Client::of(client.connection->frames, *client.btc).empty());
      CHECK(bench.get_json("/0/public/SystemStatus")["result"]["status"] == "maintenance");
    }
    if (talk.venue == VenueId::kBinance) {
      CHECK(bench.get_json("/sapi/v1/system/status")["status"] == 1);
    }
    bench.run(4'000);
    CHECK(bench.upgrade_status(target) == 101);
    CHECK(bench.get(filled(talk.rest_book, talk.btc)).status == 200);
    if (kraken) CHECK_FALSE(Client::of(client.connection->frames, *client.btc).empty());
    CHECK(bench.violations.rows().empty());
  });
}

TEST_CASE("faults: a listed market is unknown to one request, and its stream goes on") {
  at_every_venue([](const Talk& talk) {
    Twins twins(talk);
    const std::string target = filled(talk.rest_book, talk.btc);
    const std::string other = filled(talk.rest_book, talk.xrp);
    twins.order("unknown_symbol");
    CHECK(twins.faulty.bench.get(other).body == twins.clean.bench.get(other).body);
    CHECK(twins.faulty.bench.get(talk.rest_list).body.find(talk.btc) != std::string::npos);
    const HttpAnswer unknown = twins.faulty.bench.get(target);
    const HttpAnswer nonsense = twins.faulty.bench.get(filled(talk.rest_book, "NOPE"));
    CHECK(unknown.status == nonsense.status);
    CHECK(unknown.body != twins.clean.bench.get(target).body);
    CHECK(twins.faulty.bench.get(target).body == twins.clean.bench.get(target).body);
    twins.run(2'000);
    CHECK(texts(twins.received) == texts(twins.expected));
    twins.check_rest();
    twins.order("unknown_symbol", 5'000);
    FakeConnection& late = twins.faulty.bench.connect(talk.target);
    say_all(twins.faulty.bench, late, talk.subscribe);
    twins.faulty.bench.run(2'000);
    CHECK(Client::of(late.frames, *twins.faulty.btc).empty());
  });
}

TEST_CASE("faults: a delisted market leaves the lists and falls silent until the fault ends") {
  at_every_venue([](const Talk& talk) {
    Twins twins(talk);
    const auto listed = [&] {
      return twins.faulty.bench.get(talk.rest_list).body.find(std::string("\"") + talk.btc) !=
             std::string::npos;
    };
    CHECK(listed());
    twins.order("delist");
    twins.run(3'000);
    CHECK(twins.received.empty());
    CHECK(twins.received_tickers.empty());
    CHECK_FALSE(listed());
    twins.check_others();
    CHECK(twins.faulty.bench.get(filled(talk.rest_book, talk.btc)).body !=
          twins.clean.bench.get(filled(talk.rest_book, talk.btc)).body);
    twins.faulty.bench.end_faults();
    CHECK(listed());
    twins.run(3'000);
    CHECK_FALSE(twins.received.empty());
  });
}

TEST_CASE("faults: Kraken tells its instrument channel of a delisting") {
  Bench bench(VenueId::kKraken);
  FakeConnection& c = bench.connect();
  bench.say(c, R"({"method":"subscribe","params":{"channel":"instrument"}})");
  c.take();
  bench.order({"delist", "kraken", "BTC-USD"});
  const auto messages = c.take_json();
  REQUIRE(messages.size() == 1);
  CHECK(messages[0]["type"] == "update");
  CHECK(messages[0]["data"]["pairs"][0]["symbol"] == "BTC/USD");
  CHECK(messages[0]["data"]["pairs"][0]["status"] == "delisted");
}

TEST_CASE("faults: connections are closed, reset or frozen; others and new ones are not") {
  at_every_venue([](const Talk& talk) {
    Client client(talk);
    Bench& bench = client.bench;
    const std::string venue(to_string(talk.venue));
    FakeConnection& idle = bench.connect(talk.target);
    bench.order({"close", venue, symbol_at(talk.venue, "BTC"), 0, {{"code", 1013}}});
    CHECK(client.connection->close_code == 1013);
    CHECK(idle.open());  // it never carried the market
    bench.order({"reset", venue});
    CHECK(idle.was_reset);
    bench.run(500);
    FakeConnection& later = bench.connect(talk.target);
    say_all(bench, later, talk.subscribe);
    bench.run(500);
    CHECK(later.open());
    later.take();
    bench.order({"freeze_socket", venue, {}, 30'000});
    CHECK(later.frozen);
    FakeConnection& fresh = bench.connect(talk.target);
    say_all(bench, fresh, talk.subscribe);
    bench.run(2'000);
    CHECK_FALSE(fresh.frozen);
    CHECK_FALSE(fresh.frames.empty());
    CHECK(later.frames.empty());
    CHECK_FALSE(later.dropped);
    bench.wait(30'000);
    CHECK(later.dropped);  // a half-open connection does not come back to life
    for (const Violations::Row& row : bench.violations.rows()) CHECK(row.rule != "missing_pong");
  });
}

TEST_CASE("faults: a fault for all strikes every market of every venue it makes sense for") {
  Twins twins(kTalks[index_of(VenueId::kUpbit)]);
  twins.faulty.bench.order({"gap"});
  twins.run(3'000);
  CHECK(twins.received.size() == twins.expected.size() - 1);
  CHECK(twins.other_received.size() == twins.other_expected.size() - 1);
  // KRW-USDT has no subscriber here; what nobody could see does not lie in wait for ever.
  CHECK(twins.faulty.bench.faults.live(VenueId::kUpbit).size() == 1);
  twins.run(8'000);
  CHECK(twins.faulty.bench.faults.live(VenueId::kUpbit).empty());
}

/// Deposit and withdrawal of an asset as the venue's public route tells them.
WalletState told_wallet(Bench& bench, VenueId venue, const std::string& asset) {
  switch (venue) {
    case VenueId::kBithumb:
      for (const Json data = bench.get_json("/public/assetsstatus/multichain/ALL")["data"];
           const Json& row : data) {
        if (row["currency"] == asset)
          return {row["deposit_status"] == 1, row["withdrawal_status"] == 1};
      }
      break;
    case VenueId::kKorbit:
      for (const Json data = bench.get_json("/v2/currencies")["data"]; const Json& row : data) {
        if (row["name"] != to_lower(asset)) continue;
        const Json& network = row["networkList"][0];
        return {network["depositStatus"] == "launched", network["withdrawalStatus"] == "launched"};
      }
      break;
    case VenueId::kCoinone: {
      const Json row = bench.get_json("/public/v2/currencies/" + asset)["currencies"][0];
      return {row["deposit_status"] == "normal", row["withdraw_status"] == "normal"};
    }
    case VenueId::kGateio: {
      const Json row = bench.get_json("/api/v4/wallet/currency_chains?currency=" + asset)[0];
      const Json whole = bench.get_json("/api/v4/spot/currencies/" + asset)["chains"][0];
      CHECK(whole["deposit_disabled"] == (row["is_deposit_disabled"] == 1));
      return {row["is_deposit_disabled"] == 0, row["is_withdraw_disabled"] == 0};
    }
    case VenueId::kBinance:
      for (const Json data =
               bench.get_json("/bapi/capital/v1/public/capital/getNetworkCoinAll")["data"];
           const Json& row : data) {
        const Json& network = row["networkList"][0];
        if (row["coin"] == asset) return {network["depositEnable"], network["withdrawEnable"]};
      }
      break;
    case VenueId::kKraken: {
      const Json rows = bench.get_json("/0/public/Assets?assetVersion=1")["result"];
      const std::string status = rows[asset]["status"];
      return {status == "enabled" || status == "deposit_only",
              status == "enabled" || status == "withdrawal_only"};
    }
    default:
      break;
  }
  FAIL("no row");
  return {};
}

TEST_CASE("wallets: the public routes tell the market's state, which changes now and then") {
  for (const SimulatedVenue& row : kSimulated) {
    if (!row.tells_wallets) continue;
    const VenueId venue = row.id;
    CAPTURE(to_string(venue));
    Bench bench(venue, {"BTC", "XRP", "ETH", "SOL"});
    int closed = 0;
    int open = 0;
    for (int minute = 0; minute < 240; ++minute) {
      bench.now_ms += 60'000;
      // The market skips what it slept through, so it is woken every second.
      for (int s = 0; s < 60; ++s) {
        bench.market.advance_to(bench.market.next_tick_ms() + 980, bench);
      }
      for (const char* asset : {"BTC", "XRP", "ETH", "SOL"}) {
        const WalletState truth = bench.market.wallet(venue, asset);
        ++(truth == WalletState{} ? open : closed);
        if (minute % 30 == 0 || truth != WalletState{}) {
          CHECK(told_wallet(bench, venue, asset) == truth);
        }
      }
    }
    CHECK(closed > 0);
    CHECK(open > 8 * closed);
  }
}

TEST_CASE("wallets: one can be closed, by asset or by market, and only that one") {
  for (const SimulatedVenue& row : kSimulated) {
    if (!row.tells_wallets) continue;
    const VenueId venue = row.id;
    CAPTURE(to_string(venue));
    Bench bench(venue, {"BTC", "XRP"});
    const WalletState xrp = told_wallet(bench, venue, "XRP");
    for (const std::string& symbol : {std::string("BTC"), symbol_at(venue, "BTC")}) {
      bench.order({"wallet_closed", std::string(to_string(venue)), symbol, 60'000});
      CHECK(told_wallet(bench, venue, "BTC") == WalletState{false, false});
      CHECK(told_wallet(bench, venue, "XRP") == xrp);
      CHECK(bench.faults.live(venue).front()->touched > 0);
      bench.end_faults();
      CHECK(told_wallet(bench, venue, "BTC") == bench.market.wallet(venue, "BTC"));
    }
  }
  const Bench okx(VenueId::kOkx);
  CHECK(okx.faults.check({"wallet_closed", "okx"}).size() == 1);  // no public route
  CHECK(okx.faults.check({"gap", "okx", "BTC"}).size() == 1);
}

TEST_CASE("faults: every error of an order is named") {
  const Bench bench(VenueId::kOkx);
  std::vector<std::string> errors;
  const FaultOrder order = read_fault_order(
      R"({"fault":"late","venue":7,"symbol":"NOPE-USDT","duration_ms":-1,"ms":0,"seconds":3,"x":"y"})",
      errors);
  for (const std::string& error : bench.faults.check(order)) errors.push_back(error);
  const auto named = [&](const char* start) {
    return std::ranges::count_if(errors, [&](const auto& e) { return e.starts_with(start); });
  };
  CHECK(errors.size() == 6);
  for (const char* key : {"venue:", "symbol:", "duration_ms:", "ms:", "seconds:", "x:"}) {
    CHECK(named(key) == 1);
  }
  CHECK(bench.faults.check({"nope"}).size() == 1);
  CHECK(bench.faults.check({"gap", "kraken"}).size() == 1);  // not simulated here
  CHECK(bench.faults.check({"ban", "okx", "BTC-USDT"}).size() == 1);
  CHECK(bench.faults.check({"gap", "okx", "BTC-USDT"}).empty());
  errors.clear();
  read_fault_order("[]", errors);
  CHECK(errors.size() == 1);
}

TEST_CASE("faults: the list of faults is bounded, and says what each has touched") {
  Bench bench(VenueId::kOkx);
  for (std::size_t i = 0; i < Faults::kMaxKept; ++i) {
    CHECK(bench.faults.start({"gap", "okx", "BTC-USDT", 1'000}, bench.now_ms).size() == 1);
  }
  CHECK(bench.faults.start({"gap"}, bench.now_ms).empty());
  bench.end_faults();
  CHECK(bench.faults.start({"http_429", "okx"}, bench.now_ms).size() == 1);
  bench.get("/api/v5/public/time");
  const Json rows = Json::parse(bench.faults.json());
  CHECK(rows.size() == fault_catalogue().size());
  std::size_t kept = 0;
  std::set<std::string> names;
  for (const Json& row : rows) {
    kept += row["started"].size();
    if (!row["addition"].get<bool>()) names.insert(row["fault"].get<std::string>());
    CHECK(row["parameters"][0]["name"] == "duration_ms");
  }
  CHECK(kept == Faults::kMaxKept);
  CHECK(names.size() == 25);
  const auto http =
      std::ranges::find_if(rows, [](const Json& r) { return r["fault"] == "http_429"; });
  CHECK((*http)["started"][0]["touched"] == 1);
  CHECK((*http)["started"][0]["active"] == false);
  CHECK((*http)["started"][0]["retry_after_s"] == 1);
}

}  // namespace
}  // namespace spreadwatch::sim::venue_test
