// Every adapter and every book rule against arbitrary bytes (P13).
//
// The first byte picks the venue, its high bits how the frame came; the rest is cut at newlines
// into frames of one connection, so that the fuzzer can build a book and then break it. Run from
// the fuzz preset:
//   fuzz_venues -max_len=65536 corpus/

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "ingest/normalizer.h"

namespace {

using namespace spreadwatch;          // NOLINT(google-build-using-namespace)
using namespace spreadwatch::ingest;  // NOLINT(google-build-using-namespace)

/// What every consumer relies on. Aborts, which the fuzzer reports.
void require(bool condition) {
  if (!condition) std::abort();
}

class Checker final : public MarketSink {
 public:
  void on_ticker(const Ticker& t) override {
    require(!t.instrument.base.empty() && !t.instrument.quote.empty());
    for (const auto& price :
         {t.opening_price, t.trade_price, t.high_price, t.low_price, t.prev_closing_price}) {
      require(!price || (*price > 0 && *price < 1e300));
    }
  }
  void on_order_book(const std::string& stream, const OrderBook& book) override {
    require(!stream.empty());
    if (!book.synced()) {
      require(book.bids.empty() && book.asks.empty());
      return;
    }
    check_side(book.bids, false);
    check_side(book.asks, true);
    require(book.bids.empty() || book.asks.empty() || book.bids[0].price < book.asks[0].price);
  }
  void on_error(const FeedError& error) override {
    require(error.payload.size() <= Normalizer::kMaxErrorPayload);
  }

 private:
  static void check_side(const std::vector<Level>& side, bool rising) {
    require(side.size() <= MaintainedBook::kMaxLevels);
    for (std::size_t i = 0; i < side.size(); ++i) {
      require(side[i].price.is_positive() && side[i].size.is_positive());
      if (i == 0) continue;
      require(rising ? side[i - 1].price < side[i].price : side[i].price < side[i - 1].price);
    }
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::uint8_t head = data[0];
  const VenueId venue = kVenues[(head & 0x1FU) % kVenues.size()].id;
  std::string_view rest{reinterpret_cast<const char*>(data) + 1, size - 1};
  Frame frame;
  frame.origin = (head & 0x20U) != 0 ? Origin::kRest : Origin::kWs;
  frame.channel = (head & 0x40U) != 0 ? "orderbook" : "";
  const std::string symbol =
      (head & 0x80U) != 0
          ? make_adapter(venue)->venue_symbol({"BTC", std::string{identity(venue).default_quote}})
          : std::string{};
  frame.symbol = symbol;
  frame.connection = 1;
  Normalizer normalizer{venue};
  Checker checker;
  while (!rest.empty()) {
    const auto end = rest.find('\n');
    const std::string payload{rest.substr(0, end)};  // of its own, so that a read beyond it is seen
    rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
    frame.payload = payload;
    normalizer.feed(frame, checker);
  }
  normalizer.invalidate(1, FeedState::kDown, ErrorCode::kClosedByPeer, checker);
  return 0;
}
