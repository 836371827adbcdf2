// Every integrity rule on its own, message by message.

#include "ingest/book/order_book.h"

#include <map>

#include "tests/ingest/helpers.h"

namespace spreadwatch::ingest::test {
namespace {

using Need = MaintainedBook::Need;

std::vector<Level> levels(std::initializer_list<std::pair<const char*, const char*>> rows) {
  std::vector<Level> out;
  for (const auto& [price, size] : rows) out.push_back({decimal(price), decimal(size)});
  return out;
}

BookMessage whole(BookRule rule, std::optional<std::int64_t> sequence) {
  BookMessage m;
  m.rule = rule;
  m.sequence = sequence;
  m.bids = levels({{"10", "1"}, {"9", "2"}});
  m.asks = levels({{"11", "1"}, {"12", "2"}});
  return m;
}

BookMessage delta(BookRule rule, std::int64_t first, std::int64_t last,
                  std::initializer_list<std::pair<const char*, const char*>> bids = {}) {
  BookMessage m;
  m.rule = rule;
  m.snapshot = false;
  m.first_sequence = first;
  m.sequence = last;
  m.bids = levels(bids);
  return m;
}

template <VenueId venue>
struct BookOf {
  MaintainedBook book{venue_profile(venue), Instrument{"BTC", "USDT"}};
  MaintainedBook::Outcome ws(const BookMessage& m) { return book.apply(m, Origin::kWs); }
  MaintainedBook::Outcome rest(const BookMessage& m) { return book.apply(m, Origin::kRest); }
};
using Book = BookOf<VenueId::kBinance>;
using Linked = BookOf<VenueId::kOkx>;
using Numbered = BookOf<VenueId::kBybit>;
using Checked = BookOf<VenueId::kKraken>;

TEST_CASE_FIXTURE(Numbered, "levels: set, insert anywhere, remove, remove what is not there") {
  ws(whole(BookRule::kNumbered, 1));
  BookMessage m =
      delta(BookRule::kNumbered, 2, 2,
            {{"10.5", "3"}, {"9.5", "4"}, {"8", "5"}, {"9", "0"}, {"7", "0"}, {"10", "1.5"}});
  m.asks = levels({{"11.00", "7"}, {"10.9", "1"}, {"13", "1"}});
  CHECK(ws(m).show);
  CHECK(text(book.book().bids) == "10.5@3 10@1.5 9.5@4 8@5");
  CHECK(text(book.book().asks) == "10.9@1 11@7 12@2 13@1");
}

TEST_CASE_FIXTURE(Book, "levels: an unsorted snapshot with a price twice and an empty level") {
  BookMessage m = whole(BookRule::kReplace, std::nullopt);
  m.bids = levels({{"8", "1"}, {"10", "1"}, {"9", "0"}, {"10.0", "2"}});
  CHECK(ws(m).show);
  CHECK(text(book.book().bids) == "10@2 8@1");
}

TEST_CASE_FIXTURE(Book, "levels: no side grows beyond its bound") {
  BookMessage m = whole(BookRule::kReplace, std::nullopt);
  m.asks.clear();
  for (int i = 0; i < 25'000; ++i) m.asks.push_back({Decimal{100'000 + i, 0}, Decimal{1, 0}});
  CHECK(ws(m).show);
  CHECK(book.book().asks.size() == MaintainedBook::kMaxLevels);
}

TEST_CASE_FIXTURE(Book, "whole books: an older number is dropped, until the connection changes") {
  CHECK(ws(whole(BookRule::kReplace, 5)).show);
  CHECK_FALSE(ws(whole(BookRule::kReplace, 5)).show);
  CHECK_FALSE(ws(whole(BookRule::kReplace, 4)).show);
  CHECK(book.duplicates() == 2);
  CHECK(book.book().sequence == 5);
  book.forget_sequence();
  CHECK(ws(whole(BookRule::kReplace, 4)).show);
  CHECK(
      rest(whole(BookRule::kReplace, 4)).show);  // a poll that finds nothing new confirms the book
  book.invalidate(FeedState::kDown, ErrorCode::kClosedByPeer);
  CHECK(ws(whole(BookRule::kReplace, 1)).show);
}

TEST_CASE_FIXTURE(Book, "whole books: a lower number with a later time is a new count") {
  BookMessage m = whole(BookRule::kReplace, 500);
  m.exchange_time = timestamp_from_ms(1000);
  CHECK(ws(m).show);
  m.sequence = 3;
  m.exchange_time = timestamp_from_ms(2000);
  CHECK(ws(m).show);
  m.sequence = 2;
  m.exchange_time = timestamp_from_ms(1500);
  CHECK_FALSE(ws(m).show);
}

TEST_CASE_FIXTURE(
    Book, "whole books: lower numbers that go on rising are a new count, a late one is not") {
  const auto at = [](std::int64_t number) {
    BookMessage m = whole(BookRule::kReplace, number);
    m.exchange_time = timestamp_from_ms(number);
    return m;
  };
  CHECK(ws(at(10'000)).show);
  // Late ones come alone, and among newer ones.
  CHECK_FALSE(ws(at(9'998)).show);
  CHECK_FALSE(ws(at(9'999)).show);
  CHECK(ws(at(10'001)).show);
  CHECK_FALSE(ws(at(9'000)).show);
  CHECK_FALSE(ws(at(8'000)).show);
  CHECK_FALSE(ws(at(7'000)).show);
  CHECK_FALSE(rest(at(7'001)).show);
  CHECK(book.book().sequence == 10'001);
  // A clock that was set back by three seconds.
  CHECK_FALSE(ws(at(7'100)).show);
  CHECK_FALSE(ws(at(7'100)).show);
  CHECK_FALSE(ws(at(7'200)).show);
  CHECK(ws(at(7'300)).show);
  CHECK(book.book().sequence == 7'300);
  CHECK(ws(at(7'301)).show);
}

TEST_CASE_FIXTURE(Book, "whole books: a crossed one is not shown, the next one is; one report") {
  BookMessage crossed = whole(BookRule::kReplace, std::nullopt);
  crossed.bids = levels({{"11", "1"}});
  CHECK(ws(whole(BookRule::kReplace, std::nullopt)).show);
  const std::uint64_t epoch = book.book().epoch;
  const MaintainedBook::Outcome outcome = ws(crossed);
  CHECK_FALSE(outcome.show);
  REQUIRE(outcome.error.has_value());
  CHECK(outcome.error->code == ErrorCode::kCrossedBook);
  CHECK(outcome.need == Need::kNothing);
  CHECK(book.book().state == FeedState::kFaulted);
  CHECK(book.book().reason == ErrorCode::kCrossedBook);
  CHECK(book.book().bids.empty());
  CHECK(book.book().epoch > epoch);
  CHECK_FALSE(ws(crossed).error.has_value());
  CHECK(ws(whole(BookRule::kReplace, std::nullopt)).show);
  CHECK_FALSE(book.book().reason.has_value());
  CHECK(book.resyncs() == 1);
  crossed.asks.clear();  // one side alone cannot cross
  CHECK(ws(crossed).show);
}

TEST_CASE_FIXTURE(Book, "buffered: the snapshot joins what waits at U <= id + 1 <= u") {
  const BookRule rule = BookRule::kBufferedDiff;
  MaintainedBook::Outcome outcome = ws(delta(rule, 101, 105, {{"9.1", "1"}}));
  CHECK(outcome.need == Need::kSnapshot);
  CHECK_FALSE(outcome.error.has_value());
  CHECK(ws(delta(rule, 106, 108, {{"9.2", "1"}})).need == Need::kSnapshot);
  CHECK(ws(delta(rule, 109, 110, {{"9.3", "1"}})).need == Need::kSnapshot);

  outcome = rest(whole(rule, 99));  // 100 is missing between it and 101
  CHECK(outcome.need == Need::kSnapshot);
  CHECK_FALSE(outcome.error.has_value());
  CHECK_FALSE(book.book().synced());

  outcome = rest(whole(rule, 107));
  CHECK(outcome.show);
  CHECK(text(book.book().bids) == "10@1 9.3@1 9.2@1 9@2");
  CHECK(book.book().sequence == 110);
  CHECK(book.book().origin == Origin::kRest);

  CHECK_FALSE(ws(delta(rule, 106, 110)).show);
  CHECK(book.duplicates() == 1);
  CHECK(ws(delta(rule, 110, 111, {{"9.3", "0"}})).show);
  CHECK(book.book().origin == Origin::kWs);
  CHECK(ws(delta(rule, 112, 112)).show);
  CHECK(book.gaps() == 0);
}

TEST_CASE_FIXTURE(Book, "buffered: the edges of the join") {
  const BookRule rule = BookRule::kBufferedDiff;
  SUBCASE("id + 1 is the first U") {
    ws(delta(rule, 101, 105));
    CHECK(rest(whole(rule, 100)).show);
    CHECK(book.book().sequence == 105);
  }
  SUBCASE("id is the last u: nothing is left to apply") {
    ws(delta(rule, 101, 105));
    CHECK(rest(whole(rule, 105)).show);
    CHECK(book.book().sequence == 105);
    CHECK(ws(delta(rule, 106, 106)).show);
  }
  SUBCASE("the first change after the snapshot has to touch it") {
    CHECK(rest(whole(rule, 100)).show);
    const MaintainedBook::Outcome outcome = ws(delta(rule, 102, 103));
    REQUIRE(outcome.error.has_value());
    CHECK(outcome.error->code == ErrorCode::kSequenceGap);
    CHECK(outcome.need == Need::kSnapshot);
    CHECK(rest(whole(rule, 102)).show);  // the change was kept
    CHECK(book.book().sequence == 103);
  }
  SUBCASE("a hole among the waiting ones") {
    ws(delta(rule, 101, 105));
    ws(delta(rule, 107, 108));
    const MaintainedBook::Outcome outcome = rest(whole(rule, 100));
    REQUIRE(outcome.error.has_value());
    CHECK(outcome.error->code == ErrorCode::kSequenceGap);
    CHECK(outcome.need == Need::kSnapshot);
    CHECK(rest(whole(rule, 106)).show);
    CHECK(book.book().sequence == 108);
  }
  SUBCASE("a late snapshot is older than the book") {
    CHECK(rest(whole(rule, 100)).show);
    CHECK(ws(delta(rule, 101, 110)).show);
    CHECK_FALSE(rest(whole(rule, 105)).show);
    CHECK(book.book().sequence == 110);
    CHECK(book.book().synced());
  }
  SUBCASE("the buffer is bounded and a snapshot still joins its rest") {
    const std::int64_t count = 3 * static_cast<std::int64_t>(MaintainedBook::kMaxBuffered);
    for (std::int64_t u = 1; u <= count; ++u) {
      REQUIRE(ws(delta(rule, u, u)).need == Need::kSnapshot);
    }
    CHECK(rest(whole(rule, 10)).need == Need::kSnapshot);
    CHECK(rest(whole(rule, count - 5)).show);
    CHECK(book.book().sequence == count);
  }
}

TEST_CASE_FIXTURE(Book,
                  "buffered: a snapshot is wanted until the book is whole, asked for or not") {
  const BookRule rule = BookRule::kBufferedDiff;
  CHECK_FALSE(book.wants_snapshot());  // nothing is known to come yet
  ws(delta(rule, 101, 105));
  CHECK(book.wants_snapshot());
  CHECK(ws(delta(rule, 106, 106)).need == Need::kSnapshot);
  CHECK(rest(whole(rule, 105)).show);
  CHECK_FALSE(book.wants_snapshot());
  // The caller found it wrong, and the market is quiet.
  book.invalidate(FeedState::kFaulted, ErrorCode::kChecksumMismatch);
  CHECK(book.wants_snapshot());
  CHECK(rest(whole(rule, 105)).need == Need::kSnapshot);  // without the change that it had seen
  CHECK_FALSE(book.book().synced());
  CHECK(book.wants_snapshot());
  CHECK(rest(whole(rule, 106)).show);
  CHECK(book.book().sequence == 106);
  // With the connection went what was known of the stream.
  book.invalidate(FeedState::kDown, ErrorCode::kClosedByPeer);
  CHECK_FALSE(book.wants_snapshot());
}

TEST_CASE_FIXTURE(Book, "buffered: a snapshot that what waits makes crossed faults the book") {
  const Need need = ws(delta(BookRule::kBufferedDiff, 5, 6, {{"11.5", "1"}})).need;
  CHECK(need == Need::kSnapshot);
  const MaintainedBook::Outcome outcome = rest(whole(BookRule::kBufferedDiff, 5));
  CHECK_FALSE(outcome.show);
  CHECK(outcome.need == Need::kSnapshot);
  REQUIRE(outcome.error.has_value());
  CHECK(outcome.error->code == ErrorCode::kCrossedBook);
  CHECK(book.book().state == FeedState::kFaulted);
  CHECK(book.book().bids.empty());
  // What waited is forgotten with it: the next snapshot stands alone.
  CHECK(rest(whole(BookRule::kBufferedDiff, 7)).show);
  CHECK(text(book.book().bids) == "10@1 9@2");
}

TEST_CASE_FIXTURE(Linked, "OKX: a repeated message is dropped, a lower one is a gap") {
  BookMessage m = whole(BookRule::kLinked, 100);
  CHECK(ws(m).show);
  m = delta(BookRule::kLinked, 0, 150, {{"9.5", "1"}});
  m.first_sequence.reset();
  m.previous_sequence = 100;
  CHECK(ws(m).show);
  CHECK_FALSE(ws(m).show);
  CHECK(book.duplicates() == 1);
  CHECK(book.book().synced());
  m.sequence = 120;
  m.previous_sequence = 110;
  CHECK(ws(m).error->code == ErrorCode::kSequenceGap);
}

TEST_CASE_FIXTURE(Checked,
                  "Kraken: cut to the acknowledged depth, else to the one a snapshot shows") {
  BookMessage m = whole(BookRule::kChecksum, std::nullopt);
  m.asks.clear();
  for (int i = 0; i < 10; ++i) m.asks.push_back({Decimal{100 + i, 0}, Decimal{1, 0}});
  CHECK(ws(m).show);
  BookMessage more = delta(BookRule::kChecksum, 0, 0);
  more.sequence.reset();
  more.asks = levels({{"99", "1"}});
  CHECK(ws(more).show);
  CHECK(book.book().asks.size() == 10);
  CHECK(text(book.book().asks).ends_with("108@1"));
  book.set_depth(25);
  more.asks = levels({{"98", "1"}});
  CHECK(ws(more).show);
  CHECK(book.book().asks.size() == 11);
}

TEST_CASE_FIXTURE(Checked, "Kraken: one price twice in a message, the later wins") {
  CHECK(ws(whole(BookRule::kChecksum, std::nullopt)).show);
  BookMessage m =
      delta(BookRule::kChecksum, 0, 0, {{"9", "0"}, {"9", "5"}, {"10", "7"}, {"10", "0"}});
  m.sequence.reset();
  CHECK(ws(m).show);
  CHECK(text(book.book().bids) == "9@5");
}

TEST_CASE_FIXTURE(Checked, "a snapshot that fails again is reported again") {
  BookMessage m = whole(BookRule::kChecksum, std::nullopt);
  m.checksum = 1;
  for (int i = 0; i < 2; ++i) {
    const MaintainedBook::Outcome outcome = ws(m);
    REQUIRE(outcome.error.has_value());
    CHECK(outcome.error->code == ErrorCode::kChecksumMismatch);
    CHECK(outcome.need == Need::kResubscribe);
  }
  CHECK(book.checksum_mismatches() == 2);
}

TEST_CASE_FIXTURE(
    Numbered, "invalidated: nothing of the old epoch is left, changes under way are no new fault") {
  CHECK(ws(whole(BookRule::kNumbered, 1)).show);
  CHECK(ws(delta(BookRule::kNumbered, 3, 3)).error.has_value());
  const std::uint64_t epoch = book.book().epoch;
  book.invalidate(FeedState::kSyncing, std::nullopt);
  CHECK(book.book().epoch > epoch);
  CHECK(book.book().state == FeedState::kSyncing);
  CHECK_FALSE(ws(delta(BookRule::kNumbered, 4, 4)).error.has_value());
  CHECK(ws(whole(BookRule::kNumbered, 9)).show);
  book.invalidate(FeedState::kDown, ErrorCode::kClosedByPeer);
  CHECK(book.book().bids.empty());
  CHECK_FALSE(book.book().sequence.has_value());
  const MaintainedBook::Outcome outcome = ws(delta(BookRule::kNumbered, 10, 10));
  REQUIRE(outcome.error.has_value());
  CHECK(outcome.error->code == ErrorCode::kSnapshotMissing);
}

TEST_CASE_FIXTURE(Numbered, "random changes agree with a set of levels kept the simple way") {
  std::uint32_t random = 88172645U;
  const auto next = [&random](std::uint32_t bound) {
    random ^= random << 13U;
    random ^= random >> 17U;
    random ^= random << 5U;
    return random % bound;
  };
  BookMessage m;
  m.rule = BookRule::kNumbered;
  m.sequence = 1;
  CHECK(ws(m).show);
  std::map<std::int64_t, std::int64_t> bids;
  for (std::int64_t u = 2; u < 3000; ++u) {
    m.snapshot = false;
    m.sequence = u;
    m.bids.clear();
    for (std::uint32_t i = 0; i < 1 + next(5); ++i) {
      const std::int64_t price = 1 + next(60);
      const std::int64_t size = next(3);
      // The same price in different spellings is one price.
      m.bids.push_back(
          {next(2) == 0 ? Decimal{price, 1} : Decimal{price * 100, 3}, Decimal{size, 0}});
      if (size == 0) {
        bids.erase(price);
      } else {
        bids[price] = size;
      }
    }
    REQUIRE(ws(m).show);
    REQUIRE(book.book().bids.size() == bids.size());
    auto expected = bids.rbegin();
    for (const Level& level : book.book().bids) {
      REQUIRE(level.price == Decimal{expected->first, 1});
      REQUIRE(level.size == Decimal{expected->second, 0});
      ++expected;
    }
  }
}

}  // namespace
}  // namespace spreadwatch::ingest::test
