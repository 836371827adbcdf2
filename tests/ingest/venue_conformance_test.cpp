// What holds for every venue, whoever wrote its adapter. A tenth venue gets a sample and is checked
// alike.

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tests/ingest/helpers.h"
#include "tests/ingest/samples.h"

namespace spreadwatch::ingest::test {
namespace {

Frame frame_of(const Sample& sample, std::string_view payload, bool book) {
  if (book && sample.book_origin == Origin::kRest) {
    return rest(payload, "orderbook", sample.book_symbol);
  }
  return ws(payload);
}

/// Runs `check(adapter, sample)` for each venue.
template <class Check>
void each_venue(Check&& check) {
  for (const Sample& sample : kSamples) {
    const std::string venue{to_string(sample.venue)};
    CAPTURE(venue);
    const auto adapter = make_adapter(sample.venue);
    REQUIRE(adapter != nullptr);
    check(*adapter, sample);
  }
}

Instrument usual_instrument(VenueId venue) {
  return {"BTC", std::string{identity(venue).default_quote}};
}

TEST_CASE("every venue: is described") {
  each_venue([](VenueAdapter& adapter, const Sample& sample) {
    const VenueProfile& p = adapter.profile();
    CHECK(p.id == sample.venue);
    CHECK(p.ws_url.starts_with("wss://"));
    CHECK(p.rest_url.starts_with("https://"));
    CHECK(p.docs_url.starts_with("https://"));
    CHECK_FALSE(p.protocol.empty());
    CHECK_FALSE(p.integrity.empty());
    CHECK(p.connects.count > 0);
    CHECK(p.connects.per.count() > 0);
    CHECK(p.rest.count > 0);
    CHECK(p.rest.per.count() > 0);
    for (const RateLimit& limit : p.messages) {
      CHECK(limit.count > 0);
      CHECK(limit.per.count() > 0);
    }
    CHECK(p.silence.count() > 0);
    CHECK(p.max_subscriptions > 0);
    CHECK((p.ping != VenueProfile::Ping::kText || !adapter.ping(timestamp_from_ms(1)).empty()));
    REQUIRE_FALSE(p.depths.empty());
    CHECK(std::is_sorted(p.depths.begin(), p.depths.end()));
    CHECK(std::count(p.depths.begin(), p.depths.end(), p.default_depth) == 1);
    CHECK(adapter.offered_depth(0) == p.default_depth);
    CHECK(adapter.offered_depth(1) == p.depths.front());
    CHECK(adapter.offered_depth(1'000'000) == p.depths.back());
  });
}

TEST_CASE("every venue: its profile has what the rule of its books goes by") {
  each_venue([](VenueAdapter& adapter, const Sample& sample) {
    const BookProof& proof = adapter.profile().proof;
    CHECK((proof.text != BookProof::Text::kNone) == (proof.levels > 0));
    if (!proof.first.empty() || !proof.previous.empty()) CHECK_FALSE(proof.number.empty());
    Decoded out;
    adapter.decode(frame_of(sample, sample.book, true), out);
    REQUIRE(out.books.size() == 1);
    switch (out.books[0].rule) {
      case BookRule::kReplace:
        break;
      case BookRule::kBufferedDiff:
        CHECK_FALSE(proof.first.empty());
        break;
      case BookRule::kLinked:
        CHECK_FALSE(proof.previous.empty());
        break;
      case BookRule::kNumbered:
        CHECK_FALSE(proof.number.empty());
        break;
      case BookRule::kChecksum:
        CHECK(proof.text != BookProof::Text::kNone);
        break;
    }
  });
}

TEST_CASE("every venue: a symbol survives the way there and back") {
  each_venue([](VenueAdapter& adapter, const Sample& sample) {
    for (const char* base : {"BTC", "ETH", "XRP", "USDT", "DOGE", "1INCH"}) {
      Instrument instrument = usual_instrument(sample.venue);
      instrument.base = base;
      if (instrument.base == instrument.quote) continue;
      const std::string symbol = adapter.venue_symbol(instrument);
      CAPTURE(symbol);
      CHECK(adapter.instrument(symbol) == instrument);
    }
    CHECK_FALSE(adapter.instrument("").has_value());
    CHECK_FALSE(adapter.instrument("\xff\xfe").has_value());
  });
}

TEST_CASE("every venue: the sample ticker and book give one record each") {
  each_venue([](VenueAdapter&, const Sample& sample) {
    Normalizer normalizer{sample.venue};
    Memory memory;
    normalizer.feed(frame_of(sample, sample.ticker, false), memory);
    REQUIRE(memory.errors.empty());
    REQUIRE(memory.tickers.size() == 1);
    const Ticker& t = memory.tickers[0];
    CHECK(t.venue == sample.venue);
    CHECK(t.connection == 1);
    CHECK(t.receive_time.has_value());
    CHECK(t.exchange_time.has_value());
    REQUIRE(t.trade_price.has_value());
    REQUIRE(t.signed_change_price.has_value());
    REQUIRE(t.signed_change_rate.has_value());
    // A11: the change is a price, the rate a fraction of the price it counts from.
    CHECK(*t.signed_change_rate ==
          doctest::Approx(*t.signed_change_price / (*t.trade_price - *t.signed_change_price)));
    CHECK(std::abs(*t.signed_change_rate) < 0.5);

    normalizer.feed(frame_of(sample, sample.book, true), memory);
    REQUIRE(memory.errors.empty());
    REQUIRE(memory.books.size() == 1);
    const OrderBook& b = memory.books[0];
    CHECK(b.synced());
    CHECK(b.venue == sample.venue);
    REQUIRE_FALSE(b.bids.empty());
    REQUIRE_FALSE(b.asks.empty());
    CHECK(b.bids[0].price < b.asks[0].price);
  });
}

TEST_CASE("a refusal without words is an error with some") {
  const std::array<std::pair<VenueId, std::string_view>, 4> refusals = {
      {{VenueId::kBithumb, R"({"error":{}})"},
       {VenueId::kOkx, R"({"event":"error","msg":"","code":"60018"})"},
       {VenueId::kBybit, R"({"success":false,"ret_msg":"","op":"subscribe"})"},
       {VenueId::kCoinone, R"({"response_type":"ERROR","error_code":160012,"message":""})"}}};
  for (const auto& [venue, payload] : refusals) {
    CAPTURE(payload);
    Normalizer normalizer{venue};
    Memory memory;
    normalizer.feed(ws(payload), memory);
    REQUIRE(memory.errors.size() == 1);
    CHECK_FALSE(memory.errors[0].error.detail.empty());
  }
}

TEST_CASE("every venue: no truncation of a good frame gives a record") {
  each_venue([](VenueAdapter&, const Sample& sample) {
    for (const bool book : {false, true}) {
      const std::string_view whole = book ? sample.book : sample.ticker;
      for (std::size_t length = 0; length < whole.size(); ++length) {
        Normalizer normalizer{sample.venue};
        Memory memory;
        // A copy of its own, so that a read beyond the end is seen by the address sanitizer.
        const std::vector<char> cut{whole.begin(),
                                    whole.begin() + static_cast<std::ptrdiff_t>(length)};
        normalizer.feed(frame_of(sample, {cut.data(), cut.size()}, book), memory);
        CAPTURE(length);
        CHECK(memory.records() == 0);
        CHECK(memory.errors.size() == 1);
      }
    }
  });
}

TEST_CASE("every venue: changed bytes never crash, and what comes out is in range") {
  each_venue([](VenueAdapter&, const Sample& sample) {
    Normalizer normalizer{sample.venue};
    std::uint32_t random = 2463534242U;
    for (int round = 0; round < 3000; ++round) {
      const bool book = round % 2 == 0;
      std::string payload{book ? sample.book : sample.ticker};
      for (int change = 0; change <= round % 3; ++change) {
        random ^= random << 13U;
        random ^= random >> 17U;
        random ^= random << 5U;
        payload[random % payload.size()] = static_cast<char>(random >> 24U);
      }
      Memory memory;
      normalizer.feed(frame_of(sample, payload, book), memory);
      for (const Ticker& t : memory.tickers) CHECK((!t.trade_price || *t.trade_price > 0));
      for (const OrderBook& b : memory.books) {
        if (!b.synced()) continue;
        for (const Level& level : b.bids)
          CHECK((level.price.is_positive() && level.size.is_positive()));
        for (const Level& level : b.asks)
          CHECK((level.price.is_positive() && level.size.is_positive()));
        const bool crossed =
            !b.bids.empty() && !b.asks.empty() && b.bids[0].price >= b.asks[0].price;
        CHECK_FALSE(crossed);
      }
    }
  });
}

TEST_CASE("every venue: a 10 MB frame is refused as oversized") {
  const std::string huge(10U << 20U, '[');
  each_venue([&](VenueAdapter& adapter, const Sample&) {
    Decoded out;
    adapter.decode(ws(huge), out);
    REQUIRE(out.errors.size() == 1);
    CHECK(out.errors[0].error.code == ErrorCode::kOversizedFrame);
  });
}

TEST_CASE("every venue: what is not a message of its protocol is an error") {
  const std::vector<std::string> garbage = {
      "",
      " ",
      "{",
      "[[[[",
      "}{",
      "nonsense",
      "<html><body>502 Bad Gateway</body></html>",
      "{}",
      "{\"a\":1}",
      std::string("\x00\x01\x02\xff", 4),
      "{\"\xff\xfe\":1}",
      std::string(100'000, '['),
      "{\"type\":\"ticker\",\"code\":{},\"data\":[],\"result\":7,\"topic\":[],\"e\":null}"};
  each_venue([&](VenueAdapter& adapter, const Sample&) {
    Decoded out;
    for (const std::string& payload : garbage) {
      CAPTURE(payload.substr(0, 60));
      adapter.decode(ws(payload), out);
      CHECK(out.errors.size() == 1);
      CHECK(out.tickers.empty());
      CHECK(out.books.empty());
    }
  });
}

TEST_CASE("every venue: subscribe messages are JSON and within the limits") {
  each_venue([](VenueAdapter& adapter, const Sample& sample) {
    std::vector<Subscription> wanted;
    for (int i = 0; i < 12; ++i) {
      Instrument instrument = usual_instrument(sample.venue);
      instrument.base = "A" + std::to_string(i);
      wanted.push_back({Channel::kTicker, instrument, 0});
      wanted.push_back({Channel::kOrderBook, instrument, adapter.offered_depth(0)});
    }
    const std::vector<std::string> messages =
        adapter.subscribe(wanted, timestamp_from_ms(1'790'000'000'000));
    REQUIRE_FALSE(messages.empty());
    if (adapter.profile().subscribe_replaces) CHECK(messages.size() == 1);
    std::string all;
    for (const std::string& message : messages) {
      CHECK(nlohmann::json::accept(message));
      CHECK(message.size() <= 64U << 10U);
      all += message;
    }
    std::transform(all.begin(), all.end(), all.begin(),
                   [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
    for (const Subscription& s : wanted) {
      // Spelled in whatever way, the base stands in the text.
      const bool named = all.find(s.instrument.base) != std::string::npos;
      CHECK(named);
    }
    for (const std::string& message : adapter.watch_markets(timestamp_from_ms(1))) {
      CHECK(nlohmann::json::accept(message));
    }
    CHECK(adapter.unsubscribe(wanted, timestamp_from_ms(1)).empty() ==
          adapter.profile().subscribe_replaces);
    CHECK(adapter.book_call(wanted[0].instrument, 0).path.starts_with("/"));
    CHECK(adapter.markets_call().path.starts_with("/"));
    const std::vector<Instrument> one = {wanted[0].instrument};
    REQUIRE(adapter.ticker_calls(one).size() == 1);
    CHECK(adapter.ticker_calls(one)[0].path.starts_with("/"));
    CHECK(adapter.ticker_calls({}).empty());
    // Whoever asks for so many at a time knows what a call is for.
    std::vector<Instrument> many;
    const std::size_t per_call = adapter.profile().tickers_per_call;
    for (std::size_t i = 0; i < (per_call > 0 ? per_call : 300); ++i) {
      many.push_back({"A" + std::to_string(i), one.front().quote});
    }
    CHECK(adapter.ticker_calls(many).size() == 1);
  });
}

TEST_CASE("every venue: the samples' books come on the stream that the subscription names") {
  each_venue([](VenueAdapter& adapter, const Sample& sample) {
    Normalizer normalizer{sample.venue};
    Memory memory;
    normalizer.feed(frame_of(sample, sample.book, true), memory);
    REQUIRE(memory.streams.size() == 1);
    const Instrument instrument = memory.books[0].instrument;
    bool found = false;
    for (const int depth : adapter.profile().depths) {
      found = found || adapter.book_stream(instrument, depth) == memory.streams[0];
    }
    CHECK(found);
  });
}

TEST_CASE("every venue: reads the answers to the polls that it describes") {
  for (const PollSample& sample : kPolls) {
    const std::string venue{to_string(sample.venue)};
    CAPTURE(venue);
    Normalizer normalizer{sample.venue};
    VenueAdapter& adapter = normalizer.adapter();
    const bool korean = region_of(sample.venue) == Region::kKorea;
    const Instrument btc{"BTC", korean ? "KRW" : "USDT"};
    const int depth = std::min(adapter.offered_depth(100), 400);

    const RestCall call = adapter.polled_call(std::span{&btc, 1}, adapter.offered_depth(0));
    CHECK(call.weight >= 1);
    const RestCall at_most_100 = adapter.polled_call(std::span{&btc, 1}, depth);
    CHECK(at_most_100.weight <= 5);
    CHECK(call.path.substr(0, call.path.find('?')) ==
          sample.book_path.substr(0, sample.book_path.find('?')));
    if (sample.venue != VenueId::kKraken) CHECK(call.path == sample.book_path);

    Memory memory;
    normalizer.feed(rest(sample.book, kPolledChannel, call.symbol), memory);
    REQUIRE(memory.errors.empty());
    REQUIRE(memory.books.size() == 1);
    const OrderBook& book = memory.books[0];
    CHECK(book.synced());
    CHECK(book.origin == Origin::kRest);
    CHECK(book.instrument == btc);
    CHECK(book.connection == kPolledConnection);
    CHECK(book.bids.size() == 1);
    CHECK(book.asks.size() == 1);
    // On a stream of its own: nothing that a socket says goes there.
    for (const int offered : adapter.profile().depths) {
      CHECK(memory.streams[0] != adapter.book_stream(btc, offered));
    }
    // The matching that the profile promises is there.
    using Match = VenueProfile::Match;
    if (adapter.profile().match == Match::kTime) CHECK(book.exchange_time.has_value());
    if (adapter.profile().match == Match::kSequence) CHECK(book.sequence.has_value());

    const std::vector<RestCall> tickers = adapter.ticker_calls(std::span{&btc, 1});
    REQUIRE(tickers.size() == 1);
    CHECK(tickers[0].path == sample.ticker_path);
    memory.clear();
    normalizer.feed(rest(sample.ticker, tickers[0].channel, tickers[0].symbol), memory);
    REQUIRE(memory.errors.empty());
    REQUIRE(memory.tickers.size() == 1);
    CHECK(memory.tickers[0].origin == Origin::kRest);
    CHECK(memory.tickers[0].instrument == btc);
    CHECK(memory.tickers[0].trade_price.has_value());
  }
}

TEST_CASE("where a venue has a call for several books, each row is its own market's") {
  for (const VenueId id : {VenueId::kUpbit, VenueId::kBithumb}) {
    Normalizer normalizer{id};
    const std::vector<Instrument> both = {{"BTC", "KRW"}, {"ETH", "KRW"}};
    REQUIRE(normalizer.adapter().profile().books_per_call >= 2);
    const RestCall call = normalizer.adapter().polled_call(both, 15);
    CHECK(call.path.starts_with("/v1/orderbook?markets=KRW-BTC,KRW-ETH"));
    CHECK(call.symbol.empty());
    Memory memory;
    normalizer.feed(rest(R"([{"market":"KRW-ETH","timestamp":1751606867762,"orderbook_units":[)"
                         R"({"ask_price":11,"bid_price":10,"ask_size":1,"bid_size":2}]},)"
                         R"({"market":"KRW-BTC","timestamp":1751606867763,"orderbook_units":[)"
                         R"({"ask_price":21,"bid_price":20,"ask_size":1,"bid_size":2}]}])",
                         kPolledChannel, call.symbol),
                    memory);
    REQUIRE(memory.books.size() == 2);
    CHECK(memory.books[0].instrument == both[1]);
    CHECK(memory.books[1].instrument == both[0]);
    CHECK(memory.books[1].bids[0].price == decimal("20"));
  }
}

TEST_CASE("a polled Binance book neither seeds the stream of changes nor touches it") {
  Normalizer normalizer{VenueId::kBinance};
  Memory memory;
  const auto delta = [](int first, int last) {
    return R"({"e":"depthUpdate","E":1788376136014,"s":"BNBBTC","U":)" + std::to_string(first) +
           R"(,"u":)" + std::to_string(last) + R"(,"b":[["4.0","5"]],"a":[]})";
  };
  normalizer.feed(ws(delta(101, 102)), memory);
  const std::string polled = R"({"lastUpdateId":102,"bids":[["3.9","1"]],"asks":[["4.1","1"]]})";
  normalizer.feed(rest(polled, kPolledChannel, "BNBBTC"), memory);
  REQUIRE(memory.books.size() == 1);  // of the poll alone
  const std::string stream =
      normalizer.adapter().book_stream({"BNB", "BTC"}, normalizer.adapter().offered_depth(0));
  CHECK_FALSE(normalizer.find(stream)->book().synced());

  normalizer.feed(rest(polled, "orderbook", "BNBBTC"), memory);
  REQUIRE(normalizer.find(stream)->book().synced());
  CHECK(normalizer.find(stream)->book().connection == 1);
  // A later poll leaves the stream where it is.
  normalizer.feed(rest(R"({"lastUpdateId":500,"bids":[["3.8","1"]],"asks":[["4.2","1"]]})",
                       kPolledChannel, "BNBBTC"),
                  memory);
  normalizer.feed(ws(delta(103, 104)), memory);
  CHECK(memory.errors.empty());
  CHECK(normalizer.find(stream)->book().sequence == 104);
  // And an older answer than the last is dropped.
  const std::size_t books = memory.books.size();
  normalizer.feed(rest(polled, kPolledChannel, "BNBBTC"), memory);
  CHECK(memory.books.size() == books);
}

TEST_CASE("of two polled books without a number the older one is dropped") {
  Normalizer normalizer{VenueId::kUpbit};
  Memory memory;
  const auto book = [](int time, int bid) {
    return R"([{"market":"KRW-BTC","timestamp":17516068677)" + std::to_string(time) +
           R"(,"orderbook_units":[{"ask_price":30,"bid_price":)" + std::to_string(bid) +
           R"(,"ask_size":1,"bid_size":2}]}])";
  };
  normalizer.feed(rest(book(62, 20), kPolledChannel), memory);
  normalizer.feed(rest(book(61, 19), kPolledChannel), memory);
  CHECK(memory.books.size() == 1);
  normalizer.feed(rest(book(62, 20), kPolledChannel), memory);  // confirmed
  CHECK(memory.books.size() == 2);
}

}  // namespace
}  // namespace spreadwatch::ingest::test
