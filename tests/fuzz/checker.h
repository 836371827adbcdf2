#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <string_view>

#include "ingest/book/normalizer.h"
#include "tests/fuzz/require.h"

namespace spreadwatch::fuzz {

/// Requires of all that a normalizer says what its consumers rely on.
class Checker final : public ingest::MarketSink {
 public:
  void on_ticker(const Ticker& t) override {
    require(!t.instrument.base.empty() && !t.instrument.quote.empty(),
            "a ticker has an instrument");
    for (const auto& price :
         {t.opening_price, t.trade_price, t.high_price, t.low_price, t.prev_closing_price}) {
      require(!price || (*price > 0 && std::isfinite(*price)), "a ticker's prices are above zero");
    }
    require(
        !t.acc_trade_volume_24h || (*t.acc_trade_volume_24h >= 0 && finite(t.acc_trade_volume_24h)),
        "a volume is not negative");
    require(finite(t.signed_change_price) && finite(t.signed_change_rate), "a change is finite");
    add(t.instrument.base), add(t.instrument.quote), add(t.exchange_time);
    for (const auto& number :
         {t.opening_price, t.trade_price, t.high_price, t.low_price, t.prev_closing_price,
          t.acc_trade_volume_24h, t.signed_change_price, t.signed_change_rate}) {
      add(number ? *number : -1.0);
    }
  }

  void on_order_book(const std::string& stream, const OrderBook& book) override {
    require(!stream.empty(), "a stream has a name");
    require(!book.instrument.base.empty(), "a book has an instrument");
    Stream& known = streams_[stream];
    require(book.epoch >= known.epoch, "an epoch never falls");
    require(book.synced() || !known.synced || book.epoch > known.epoch,
            "a book that is lost ends its epoch");
    require(!book.synced() || known.synced || !known.seen || book.epoch > known.epoch_synced,
            "a new synced period is a new epoch");
    known.seen = known.seen || book.synced();
    known.epoch = book.epoch;
    known.synced = book.synced();
    if (book.synced()) known.epoch_synced = book.epoch;
    add(stream), add(book.epoch), add(static_cast<std::uint64_t>(book.state));
    add(book.exchange_time), add(book.sequence ? static_cast<std::uint64_t>(*book.sequence) : 0);
    check_side(book.bids, false);
    check_side(book.asks, true);
    if (!book.synced()) {
      require(book.bids.empty() && book.asks.empty(), "a book that is not synced shows nothing");
      require(!book.sequence && !book.exchange_time, "a book that is not synced is of no time");
      return;
    }
    require(!book.reason, "a synced book has no excuse");
    require(book.bids.empty() || book.asks.empty() || book.bids[0].price < book.asks[0].price,
            "a book is not crossed");
  }

  void on_error(const FeedError& error) override {
    require(error.payload.size() <= ingest::Normalizer::kMaxErrorPayload,
            "an error's payload is cut");
    add(error.symbol), add(error.error.detail), add(static_cast<std::uint64_t>(error.error.code));
  }

  void on_control(const ingest::ControlMessage& control) override {
    add(control.stream), add(static_cast<std::uint64_t>(control.kind));
  }

  void on_market(const ingest::MarketInfo& market) override {
    require(!market.symbol.empty() && !market.instrument.base.empty() &&
                !market.instrument.quote.empty(),
            "a market has its names");
    add(market.symbol), add(market.instrument.base), add(market.instrument.quote);
    add(static_cast<std::uint64_t>(market.active));
  }

  void on_need(const std::string& stream, const Instrument& instrument,
               ingest::MaintainedBook::Need need) override {
    require(need != ingest::MaintainedBook::Need::kNothing, "a need is one");
    require(!instrument.base.empty(), "a need is an instrument's");
    add(stream), add(static_cast<std::uint64_t>(need));
  }

  /// Of everything that was said, in its order.
  std::uint64_t digest() const { return digest_; }

 private:
  struct Stream {
    std::uint64_t epoch = 0;
    std::uint64_t epoch_synced = 0;
    bool synced = false;
    bool seen = false;
  };

  static bool finite(const std::optional<double>& value) { return !value || std::isfinite(*value); }

  void check_side(const std::vector<Level>& side, bool rising) {
    require(side.size() <= ingest::MaintainedBook::kMaxLevels, "a side is bounded");
    for (std::size_t i = 0; i < side.size(); ++i) {
      const Level& level = side[i];
      require(level.price.is_positive() && level.size.is_positive(), "a level is above zero");
      for (const Decimal& number : {level.price, level.size}) {
        add(static_cast<std::uint64_t>(number.mantissa()));
        add(static_cast<std::uint64_t>(number.mantissa() >> 64));
      }
      add(static_cast<std::uint64_t>(level.price.scale() * 100 + level.size.scale()));
      if (i == 0) continue;
      require(rising ? side[i - 1].price < level.price : level.price < side[i - 1].price,
              "levels are best first, one a price");
    }
  }

  void add(std::uint64_t value) {
    digest_ = (digest_ ^ value) * 0x9E3779B97F4A7C15ULL;
    digest_ ^= digest_ >> 29U;
  }
  void add(double value) {
    std::uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    add(bits);
  }
  void add(const std::string& text) {
    add(static_cast<std::uint64_t>(text.size()));
    for (const char c : text) add(static_cast<std::uint64_t>(static_cast<unsigned char>(c)));
  }
  void add(const std::optional<Timestamp>& time) {
    add(time ? static_cast<std::uint64_t>(to_ms(*time)) : 0);
  }

  std::map<std::string, Stream, std::less<>> streams_;
  std::uint64_t digest_ = 1;
};

}  // namespace spreadwatch::fuzz
