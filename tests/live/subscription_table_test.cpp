#include "ingest/live/subscription_table.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace spreadwatch::ingest {
namespace {

using namespace std::chrono_literals;
using Table = SubscriptionTable;

const Instrument kBtc{"BTC", "USDT"};
const Instrument kEth{"ETH", "USDT"};
constexpr Timestamp kWall = timestamp_from_ms(1'790'000'000'000);
constexpr std::uint32_t kConnection = 3;

Subscription book_of(const Instrument& instrument) { return {Channel::kOrderBook, instrument, 50}; }
Subscription ticker_of(const Instrument& instrument) { return {Channel::kTicker, instrument, 0}; }
std::string stream_of(const Instrument& instrument) {
  return "orderbook.50." + instrument.base + instrument.quote;
}

class Nobody final : public MarketSink {
 public:
  void on_ticker(const Ticker& /*ticker*/) override {}
  void on_order_book(const std::string& /*stream*/, const OrderBook& /*book*/) override {}
  void on_error(const FeedError& /*error*/) override {}
};

Table::Rules rules() {
  Table::Rules r;
  r.venue = VenueId::kBybit;
  r.first_data = 10s;
  r.quiet = 30s;
  r.least_patience = 10s;
  r.first_rejection = 60s;
  return r;
}

/// A table, its time, and what would be sent.
struct Line {
  explicit Line(Table::Rules r = rules()) : table(r) {}

  void add(const Instrument& instrument) {
    REQUIRE(table.add(ticker_of(instrument)));
    REQUIRE(table.add(book_of(instrument), stream_of(instrument)));
  }
  void open() { table.subscribe(table.accepted(), now); }
  void pass(milliseconds time) { now += time; }

  void ticker(const Instrument& instrument) {
    Ticker t;
    t.instrument = instrument;
    t.receive_time = wall();
    t.exchange_time = wall() - 5ms;
    CHECK(table.on_ticker(t, now));
  }
  std::optional<Table::BookChange> book(const Instrument& instrument, bool synced = true) {
    OrderBook b;
    b.instrument = instrument;
    b.state = synced ? FeedState::kSynced : FeedState::kFaulted;
    b.receive_time = wall();
    return table.on_book(stream_of(instrument), b, now);
  }
  void all_of(const Instrument& instrument) {
    ticker(instrument);
    book(instrument);
  }
  Timestamp wall() const {
    return kWall + std::chrono::duration_cast<microseconds>(now.time_since_epoch());
  }

  Table::Review review(bool spare = true) {
    Table::Outgoing outgoing;
    if (all_sent) outgoing.sent_at = sent_at;
    outgoing.spare = spare;
    return table.review(now, outgoing, books,
                        [this](const std::string& name) { return awaited.contains(name); });
  }
  /// As the session does: what is due is subscribed.
  Table::Review act(bool spare = true) {
    Table::Review due = review(spare);
    if (due.nothing_answers) return due;
    if (!due.subscribe.empty()) table.subscribe(due.subscribe, now);
    if (!due.resubscribe.empty()) table.subscribe(due.resubscribe, now);
    return due;
  }
  /// How long nothing is due, looking every 200 ms; nullopt = for `limit`.
  std::optional<milliseconds> until_due(milliseconds limit = 24h) {
    const SteadyTime begin = now;
    while (now - begin < limit) {
      const Table::Review due = act();
      if (!due.resubscribe.empty() || !due.subscribe.empty()) {
        return std::chrono::duration_cast<milliseconds>(now - begin);
      }
      pass(200ms);
    }
    return std::nullopt;
  }
  /// A delta or a whole book of Bybit, for what the table asks the normalizer.
  void feed(const char* type, int u) {
    const std::string payload =
        R"({"topic":"orderbook.50.BTCUSDT","ts":1731035685345,"type":")" + std::string{type} +
        R"(","data":{"s":"BTCUSDT","b":[["10","1"]],"a":[["11","1"]],"u":)" + std::to_string(u) +
        R"(,"seq":1},"cts":1731035685342})";
    books.feed({Origin::kWs, payload, {}, {}, wall(), kConnection}, nobody);
  }
  std::vector<FeedStatus> status(Table::Connection connection = {true, std::nullopt, 2}) const {
    std::vector<FeedStatus> out;
    table.append_status(wall(), connection, books, out);
    return out;
  }

  Table table;
  Normalizer books{VenueId::kBybit};
  Nobody nobody;
  SteadyTime now{1h};
  bool all_sent = true;
  SteadyTime sent_at{};
  std::set<std::string> awaited;
};

TEST_CASE("what is added is subscribed once, and what is removed is not there any more") {
  Line line;
  line.add(kBtc);
  line.add(kEth);
  CHECK(line.table.size() == 4);
  CHECK(line.table.books() == 2);
  CHECK_FALSE(line.table.add(book_of(kBtc), stream_of(kBtc)));
  CHECK(line.table.accepted().size() == 4);
  line.open();
  REQUIRE(line.table.find(book_of(kBtc)) != nullptr);
  CHECK(line.table.find(book_of(kBtc))->subscribed);
  CHECK(line.table.find_book(kEth) == line.table.find_book(stream_of(kEth)));

  line.table.remove(book_of(kBtc));
  line.table.remove(ticker_of(kBtc));
  line.table.remove(ticker_of(kBtc));
  CHECK(line.table.size() == 2);
  CHECK(line.table.find(book_of(kBtc)) == nullptr);
  CHECK(line.table.find_book(kBtc) == nullptr);
  // What was under way when it was unsubscribed changes nothing.
  CHECK_FALSE(line.book(kBtc));
  Ticker late;
  late.instrument = kBtc;
  CHECK_FALSE(line.table.on_ticker(late, line.now));
  CHECK(line.table.find(ticker_of(kEth))->answered == false);
  line.all_of(kEth);
  line.pass(10s);
  CHECK(line.act().resubscribe.empty());
  line.table.remove(book_of(kEth));
  line.table.remove(ticker_of(kEth));
  CHECK(line.table.empty());
}

TEST_CASE(
    "where a list replaces all earlier ones, every list is the whole list but what is rejected") {
  Table::Rules r = rules();
  CHECK(Line{r}.table.subscribe({ticker_of(kBtc)}, SteadyTime{1s}).size() == 1);
  r.subscribe_replaces = true;
  Line line{r};
  line.add(kBtc);
  line.add(kEth);
  CHECK(line.table.subscribe({ticker_of(kBtc)}, line.now).size() == 4);
  CHECK(line.table.find(book_of(kEth))->subscribed);
  CHECK(line.table.on_unknown(kEth, line.now));
  CHECK(line.table.subscribe({}, line.now) == Table::Subscriptions{ticker_of(kBtc), book_of(kBtc)});
}

TEST_CASE("what does not come is subscribed anew, each time later, at most every ten minutes") {
  Line line;
  line.add(kBtc);
  line.open();
  std::vector<milliseconds> waits;
  for (int i = 0; i < 10; ++i) {
    line.ticker(kBtc);  // so that the connection is not the one to blame
    const auto wait = line.until_due();
    REQUIRE(wait);
    waits.push_back(*wait);
    CHECK(line.table.find(book_of(kBtc))->subscribed_at == line.now);
  }
  CHECK(waits[0] == 10s);
  CHECK(waits[1] == 20s);
  CHECK(waits[2] == 40s);
  CHECK(waits[9] == Table::kLongestPatience);
  // Once it is there and has been for a while, its failures are forgotten.
  line.all_of(kBtc);
  CHECK(line.table.find(book_of(kBtc))->failures == 10);
  line.pass(Table::kStable);
  line.book(kBtc);
  CHECK(line.table.find(book_of(kBtc))->failures == 0);
}

TEST_CASE(
    "a subscription is waited for from when it was sent, and not at all while a snapshot comes") {
  Line line;
  line.add(kBtc);
  line.open();
  line.ticker(kBtc);
  line.pass(11s);
  line.all_sent = false;
  CHECK(line.review().resubscribe.empty());
  line.all_sent = true;
  line.sent_at = line.now - 9s;
  CHECK(line.review().resubscribe.empty());
  line.sent_at = line.now - 10s;
  line.awaited.insert(stream_of(kBtc));
  CHECK(line.review().resubscribe.empty());
  line.awaited.clear();
  const Table::Review due = line.review();
  CHECK(due.resubscribe == Table::Subscriptions{book_of(kBtc)});
  CHECK(due.unanswered == due.resubscribe);
  CHECK(due.silent.empty());
}

TEST_CASE("a symbol that the venue does not know is set aside, ever longer, up to an hour") {
  Line line;
  line.add(kBtc);
  line.add(kEth);
  line.open();
  line.all_of(kEth);
  CHECK_FALSE(line.table.on_unknown({"XRP", "USDT"}, line.now));
  CHECK_FALSE(line.table.on_unknown(kEth, line.now));  // it has come
  std::vector<milliseconds> waits;
  for (int i = 0; i < 9; ++i) {
    CHECK(line.table.on_unknown(kBtc, line.now));
    CHECK(line.table.accepted() == Table::Subscriptions{ticker_of(kEth), book_of(kEth)});
    const SteadyTime begin = line.now;
    while (!line.table.find(book_of(kBtc))->subscribed) {
      REQUIRE(line.now - begin < 2h);
      line.all_of(kEth);
      line.act();
      line.pass(1s);
    }
    waits.push_back(std::chrono::duration_cast<milliseconds>(line.now - begin) - 1s);
  }
  CHECK(waits[0] == 60s);
  CHECK(waits[1] == 120s);
  CHECK(waits[8] == Table::kLongestRejection);
  // It is known once it has come.
  line.all_of(kBtc);
  CHECK(line.table.find(book_of(kBtc))->rejections == 0);
  CHECK(line.table.find(ticker_of(kBtc))->rejections == 0);
}

TEST_CASE(
    "what was subscribed with an unknown symbol and does not come is subscribed anew at once") {
  Line line;
  line.add(kBtc);
  line.add(kEth);
  line.open();
  line.ticker(kEth);
  CHECK(line.table.on_unknown(kBtc, line.now));
  CHECK(line.review().resubscribe.empty());
  line.pass(Table::kFirstCooling);
  // The ticker has come; the book was perhaps refused together with the other market's.
  CHECK(line.review().resubscribe == Table::Subscriptions{book_of(kEth)});

  // Long after the subscription it was not refused for it.
  Line late;
  late.add(kBtc);
  late.add(kEth);
  late.open();
  late.pass(Table::kInTransit);
  CHECK(late.table.on_unknown(kBtc, late.now));
  late.pass(Table::kFirstCooling);
  CHECK(late.review().resubscribe.empty());
}

TEST_CASE("a rejected order book is subscribed anew when its time is over, and no other") {
  Line line;
  line.add(kBtc);
  line.open();
  line.all_of(kBtc);
  line.table.reject("nobody's", line.now);
  line.table.reject(stream_of(kBtc), line.now);
  line.pass(59s);
  CHECK(line.review().subscribe.empty());
  line.pass(1s);
  CHECK(line.act().subscribe == Table::Subscriptions{book_of(kBtc)});
  CHECK_FALSE(line.table.find(book_of(kBtc))->rejected_until);
}

TEST_CASE("a broken order book is subscribed anew at once, then with a pause that doubles") {
  Line line;
  line.add(kBtc);
  line.open();
  line.all_of(kBtc);
  CHECK(line.book(kBtc, false) == Table::BookChange::kUnsynced);
  line.table.resubscribe_book(stream_of(kBtc), line.now);
  CHECK(line.act().resubscribe == Table::Subscriptions{book_of(kBtc)});
  // A message of before may still be under way.
  line.table.resubscribe_book(stream_of(kBtc), line.now);
  CHECK(line.until_due() == milliseconds{Table::kInTransit});
  std::vector<milliseconds> waits;
  for (int i = 0; i < 8; ++i) {
    line.ticker(kBtc);
    CHECK(line.book(kBtc) == Table::BookChange::kResynced);
    line.book(kBtc, false);
    line.table.resubscribe_book(stream_of(kBtc), line.now);
    line.table.resubscribe_book(stream_of(kBtc), line.now + 1h);  // once is enough
    const auto wait = line.until_due();
    REQUIRE(wait);
    waits.push_back(*wait);
  }
  CHECK(waits[0] == 2 * Table::kFirstCooling);
  CHECK(waits[1] == 4 * Table::kFirstCooling);
  CHECK(waits[7] == Table::kLongestCooling);
}

TEST_CASE("a book that is back before its turn is not subscribed anew") {
  Line line;
  line.add(kBtc);
  line.open();
  line.all_of(kBtc);
  line.book(kBtc, false);
  line.table.suspect_book(stream_of(kBtc), line.now);
  CHECK(line.book(kBtc) == Table::BookChange::kResynced);
  line.pass(Table::kFirstCooling);
  line.ticker(kBtc);
  CHECK(line.act().resubscribe.empty());
  CHECK_FALSE(line.table.find(book_of(kBtc))->resubscribe_at);
}

TEST_CASE(
    "a silent stream is subscribed anew: sooner where it usually speaks, never without need") {
  Line line;
  line.add(kBtc);
  line.add(kEth);
  line.open();
  line.all_of(kEth);  // once: nothing is known of its habit
  for (int i = 0; i < 10; ++i) {
    line.pass(600ms);
    line.book(kBtc);
    line.ticker(kBtc);
  }
  line.pass(11s);
  CHECK(line.review().silent.empty());
  line.pass(1s);                                  // twenty usual pauses
  CHECK(line.review(false).resubscribe.empty());  // nothing to spare
  const Table::Review due = line.act();
  CHECK(due.silent == Table::Subscriptions{book_of(kBtc)});
  CHECK(due.resubscribe == due.silent);
  CHECK(due.unanswered.empty());
  // The other one has its thirty seconds, and its ticker as long as it takes a market to trade.
  line.book(kBtc);
  line.pass(13s);
  line.book(kBtc);
  CHECK(line.act().silent == Table::Subscriptions{book_of(kEth)});
  CHECK(line.table.find(ticker_of(kEth))->refreshes == 0);
  CHECK(line.table.find(book_of(kEth))->refreshes == 1);
}

TEST_CASE("a ticker that never spoke often is waited for ten minutes") {
  Line line;
  line.add(kBtc);
  line.open();
  line.all_of(kBtc);
  while (line.table.find(ticker_of(kBtc))->refreshes == 0) {
    REQUIRE(line.now < SteadyTime{3h});
    line.book(kBtc);
    line.act();
    line.pass(1s);
  }
  CHECK(line.now - SteadyTime{1h} == Table::kLongestPatience + 1s);
}

TEST_CASE("where nothing is answered again and again, the connection is to blame") {
  Line line;
  line.add(kBtc);
  line.add(kEth);
  line.open();
  line.pass(10s);
  const Table::Review first = line.act();
  CHECK_FALSE(first.nothing_answers);
  CHECK(first.resubscribe.size() == 4);
  SUBCASE("nothing") {
    line.pass(20s);
    const Table::Review second = line.act();
    CHECK(second.nothing_answers);
    CHECK(second.silent.empty());
    line.table.on_closed();
    CHECK(line.act().resubscribe.empty());  // nothing is subscribed
    line.open();
    CHECK(line.table.find(book_of(kBtc))->subscribed);
  }
  SUBCASE("one stream") {
    line.pass(20s);
    line.ticker(kEth);
    CHECK_FALSE(line.act().nothing_answers);
  }
  SUBCASE("an order book that is synced but has not answered counts as none") {
    line.all_of(kBtc);
    line.all_of(kEth);
    line.table.subscribe(line.table.accepted(), line.now);  // as if it had fallen silent
    bool blamed = false;
    for (int i = 0; i < 4 && !blamed; ++i) {
      line.pass(40s);
      blamed = line.act().nothing_answers;
    }
    CHECK(blamed);
  }
}

TEST_CASE("books that do not come back while others go on are stranded") {
  Line line;
  line.add(kBtc);
  line.add(kEth);
  line.open();
  line.all_of(kBtc);
  line.all_of(kEth);
  line.book(kBtc, false);
  bool stranded = false;
  int attempts = 0;
  while (!stranded) {
    line.pass(1s);
    line.all_of(kEth);
    line.ticker(kBtc);
    const Table::Review due = line.act();
    CHECK_FALSE(due.nothing_answers);
    attempts += due.unanswered.empty() ? 0 : 1;
    stranded = due.stranded;
    REQUIRE(attempts <= Table::kUnanswered);
  }
  CHECK(attempts == Table::kUnanswered);
}

TEST_CASE("a book that is seeded over REST is seeded by its state, and not subscribed meanwhile") {
  Normalizer books{VenueId::kBinance};
  Nobody nobody;
  const std::string name = books.adapter().book_stream(kBtc, 50);
  Table::Rules r = rules();
  r.venue = VenueId::kBinance;
  r.seeded_over_rest = true;
  Table table{r};
  table.add(ticker_of(kBtc));
  table.add(book_of(kBtc), name);
  SteadyTime now{1h};
  table.subscribe(table.accepted(), now);
  Ticker ticker;
  ticker.instrument = kBtc;
  table.on_ticker(ticker, now);
  bool awaited = false;
  const auto review = [&] {
    return table.review(now, {SteadyTime{}, true}, books, [&](const std::string& stream) {
      CHECK(stream == name);
      return awaited;
    });
  };
  now += 11s;
  // No change has come: there is nothing to seed, and perhaps no stream.
  SUBCASE("nothing has come") {
    CHECK(review().seed.empty());
    CHECK(table.find_book(name)->failures == 1);
  }
  SUBCASE("changes have come") {
    const std::string delta =
        R"({"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1786538729776,)"
        R"("s":"BTCUSDT","U":11,"u":12,"b":[["10","1"]],"a":[["11","1"]]}})";
    books.feed({Origin::kWs, delta, {}, {}, kWall, kConnection}, nobody);
    for (int i = 0; i < 3; ++i) {
      const Table::Review due = review();
      CHECK(due.seed == std::vector<std::string>{name});
      CHECK(due.resubscribe.empty());
      now += 1min;
      table.on_ticker(ticker, now);
    }
    CHECK(table.find_book(name)->failures == 0);
    const std::string whole = R"({"lastUpdateId":12,"bids":[["10","1"]],"asks":[["11","1"]]})";
    const RestCall call = books.adapter().seed_call(kBtc, 50, 100);
    books.feed({Origin::kRest, whole, call.channel, call.symbol, kWall, kConnection}, nobody);
    CHECK(books.find(name)->book().synced());
    CHECK(review().seed.empty());
  }
  SUBCASE("a snapshot is on its way") {
    awaited = true;
    CHECK(review().resubscribe.empty());
  }
}

TEST_CASE("a successor knows what was learned, and covers what the old one delivers") {
  Line old;
  old.add(kBtc);
  old.add(kEth);
  old.open();
  old.all_of(kEth);
  CHECK(old.table.on_unknown(kBtc, old.now));
  old.ticker(kEth);
  Line fresh;
  fresh.table.succeed(old.table);
  CHECK(fresh.table.size() == 4);
  CHECK(fresh.table.accepted() == Table::Subscriptions{ticker_of(kEth), book_of(kEth)});
  CHECK(fresh.table.find(book_of(kBtc))->rejections == 1);
  CHECK(fresh.table.find_book(kEth)->name == stream_of(kEth));
  fresh.now = old.now;
  fresh.open();
  const auto covers = [&] { return fresh.table.covers(old.table, fresh.books, kConnection); };
  CHECK_FALSE(covers());
  fresh.ticker(kEth);
  CHECK(covers());  // no order book is known that another connection carries
  old.table.remove(ticker_of(kEth));
  CHECK(covers());

  // One that another connection still carries is not covered.
  Line third;
  third.add(kBtc);
  third.open();
  third.all_of(kBtc);
  Line heir;
  heir.table.succeed(third.table);
  heir.now = third.now;
  heir.open();
  heir.all_of(kBtc);
  heir.feed("snapshot", 1);
  CHECK(heir.table.covers(third.table, heir.books, kConnection));
  CHECK_FALSE(heir.table.covers(third.table, heir.books, kConnection + kPlaces));
}

TEST_CASE("the state of every subscription is told: by the book, its age, and the connection") {
  Line line;
  line.add(kBtc);
  line.open();
  std::vector<FeedStatus> rows = line.status();
  REQUIRE(rows.size() == 2);
  const auto row = [&](Channel channel) {
    rows = line.status();
    return *std::ranges::find(rows, channel, &FeedStatus::channel);
  };
  for (const Channel channel : {Channel::kTicker, Channel::kOrderBook}) {
    const FeedStatus status = row(channel);
    CHECK(status.venue == VenueId::kBybit);
    CHECK(status.symbol == "BTC-USDT");
    CHECK(status.state == FeedState::kSyncing);
    CHECK(status.reconnects == 2);
    CHECK_FALSE(status.updated);
  }
  line.ticker(kBtc);
  line.feed("snapshot", 1);
  line.book(kBtc);
  CHECK(row(Channel::kTicker).state == FeedState::kSynced);
  CHECK(row(Channel::kTicker).exchange_ts == line.wall() - 5ms);
  CHECK(row(Channel::kOrderBook).state == FeedState::kSynced);
  CHECK(row(Channel::kOrderBook).updated == line.wall());
  // A book that is too old is stale, a ticker is not.
  line.pass(31s);
  CHECK(row(Channel::kOrderBook).state == FeedState::kStale);
  CHECK(row(Channel::kOrderBook).reason == ErrorCode::kTimeout);
  CHECK(row(Channel::kTicker).state == FeedState::kSynced);
  line.feed("delta", 3);
  line.book(kBtc, false);
  CHECK(row(Channel::kOrderBook).state == FeedState::kFaulted);
  CHECK(row(Channel::kOrderBook).reason == ErrorCode::kSequenceGap);
  CHECK(row(Channel::kOrderBook).gaps == 1);
  line.table.reject(stream_of(kBtc), line.now);
  CHECK(row(Channel::kOrderBook).reason == ErrorCode::kUnknownSymbol);
  for (const FeedStatus& status : line.status({false, ErrorCode::kTimeout, 3})) {
    CHECK(status.state == FeedState::kDown);
    CHECK(status.reason == ErrorCode::kTimeout);
    CHECK(status.reconnects == 3);
  }
}

TEST_CASE("messages that changed nothing are counted once, whatever becomes of the book") {
  Line line;
  line.add(kBtc);
  line.open();
  CHECK(line.table.take_duplicates(line.books) == 0);
  line.feed("snapshot", 5);
  line.feed("delta", 6);
  line.feed("delta", 6);
  line.feed("delta", 5);
  const std::uint64_t seen = line.books.find(stream_of(kBtc))->duplicates();
  CHECK(seen > 0);
  CHECK(line.table.take_duplicates(line.books) == seen);
  CHECK(line.table.take_duplicates(line.books) == 0);
  line.books.forget(stream_of(kBtc));
  CHECK(line.table.take_duplicates(line.books) == 0);
}

}  // namespace
}  // namespace spreadwatch::ingest
