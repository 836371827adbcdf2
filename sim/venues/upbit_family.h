#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sim/format.h"
#include "sim/protocol.h"

/// What Bithumb copied from Upbit: binary frames of whole books, requests that replace the earlier
/// one, silence as the answer to unknown codes, and {"status":"UP"} for who says PING. How a book
/// or ticker is spelled, what is an error and what is limited differs, and is in each one's file.
namespace spreadwatch::sim {

/// "KRW-BTC".
std::string market_code(const Instrument& instrument);

/// "RISE", "FALL" or "EVEN".
const char* change_word(std::int64_t change);

/// The best `depth` levels a side after grouping, with their sums.
struct BookSides {
  std::vector<Level> bids;
  std::vector<Level> asks;
  std::int64_t total_bid = 0;
  std::int64_t total_ask = 0;

  /// The shorter side gets zeros: a unit has both.
  void pad();
};
BookSides book_sides(const Book& book, std::size_t depth, std::int64_t level);

/// `change` as a fraction of `base`; no trailing zeros.
std::string rate_text(std::int64_t change, std::int64_t base, int decimals);

/// A price or a size as a venue writes it there.
using Spelling = std::function<std::string(std::int64_t)>;
/// The units of a book, one of a bid and an ask each, with the short keys of SIMPLE or the long
/// ones.
std::string units_text(BookSides sides, bool simple, const Spelling& price, const Spelling& size);

/// A grouping in price units; nothing when no whole number of units holds it.
std::optional<std::int64_t> level_units(const Instrument& instrument, double level);

/// A row of /v1/ticker. What is told in Unix time is `ahead_ms` ahead.
std::string rest_ticker_row(const Listing& listing, const Spelling& price, int rate_decimals,
                            std::int64_t ahead_ms);
constexpr std::int64_t kKstOffsetMs = std::int64_t{9} * 3'600'000;

/// /v1/market/all. Where `detailed`, the request's word for it, is "true", `details` adds to a row.
HttpAnswer market_list(const std::vector<const Listing*>& listings, const std::string& detailed,
                       const std::function<void(JsonObject&)>& details);

class UpbitFamily : public VenueProtocol {
 public:
  [[nodiscard]] std::string ws_path() const override { return "/websocket/v1"; }
  [[nodiscard]] bool compresses() const override { return true; }
  void on_ping(Connection& connection, std::string_view payload, std::int64_t now_ms) override;
  void on_book(const BookEvent& event) override;
  void on_ticker(const Listing& listing) override;
  void on_timer(std::int64_t now_ms) override;

 protected:
  struct Timing {
    std::int64_t idle_ms;          ///< without any message the connection ends
    std::int64_t first_status_ms;  ///< from PING to the first {"status":"UP"}
  };

  struct BookSubscription {
    std::size_t depth;
    std::int64_t level;  ///< grouping in price units; what means none is the venue's business
    bool live;

    friend auto operator<=>(const BookSubscription&, const BookSubscription&) = default;
  };

  struct FamilyState : ConnectionState {
    int style = 0;  ///< the venue's number for the spelling that was asked for
    std::map<const Listing*, std::vector<BookSubscription>> books;
    std::set<const Listing*> tickers;
    std::int64_t last_activity_ms = 0;
    std::int64_t next_status_ms = 0;  ///< 0 = the client sent no PING
  };

  UpbitFamily(const VenueContext& context, Timing timing);

  [[nodiscard]] virtual std::string book_text(const Listing& listing, int style,
                                              const BookSubscription& subscription,
                                              std::string_view stream) const = 0;
  [[nodiscard]] virtual std::string ticker_text(const Listing& listing, int style,
                                                std::string_view stream) const = 0;

  static FamilyState& family_state(Connection& connection) {
    return static_cast<FamilyState&>(*connection.state);
  }
  /// Whether the path is the websocket's, with or without a slash behind it.
  [[nodiscard]] bool is_ws_path(std::string_view path) const;
  /// Null for a market nobody knows. `code` is upper case.
  [[nodiscard]] const Listing* find(const std::string& code) const { return by_code_.find(code); }
  /// Forgets what an earlier request asked for: a later one replaces it.
  static void start_over(FamilyState& state, int style);
  /// Whether the text was a PING, which is then dealt with.
  bool ping(Connection& connection, std::string_view text, std::int64_t now_ms) const;
  static Frame data_frame(std::string text, FrameKind kind, const Listing* listing);
  /// Sends the error and closes.
  static void fail(Connection& connection, std::string error);
  /// Keeps what is live and, if asked for, sends the first picture.
  void add_book(Connection& connection, const Listing& listing,
                const BookSubscription& subscription, bool snapshot) const;
  void add_ticker(Connection& connection, const Listing& listing, bool live, bool snapshot) const;

 private:
  Timing timing_;
  SymbolIndex by_code_{market()};
};

}  // namespace spreadwatch::sim
