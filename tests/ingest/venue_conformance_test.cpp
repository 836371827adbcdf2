// What holds for every venue, whoever wrote its adapter. A tenth venue gets a sample and is checked
// alike.

#include <algorithm>
#include <string>
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
    CHECK(adapter.unsubscribe(wanted, timestamp_from_ms(1)).empty() ==
          adapter.profile().subscribe_replaces);
    CHECK(adapter.book_call(wanted[0].instrument, 0).path.starts_with("/"));
    CHECK(adapter.markets_call().path.starts_with("/"));
    const std::vector<Instrument> one = {wanted[0].instrument};
    REQUIRE(adapter.ticker_calls(one).size() == 1);
    CHECK(adapter.ticker_calls(one)[0].path.starts_with("/"));
    CHECK(adapter.ticker_calls({}).empty());
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

}  // namespace
}  // namespace spreadwatch::ingest::test
