#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/feed_status.h"
#include "core/market_data.h"
#include "core/time.h"
#include "ingest/book/normalizer.h"
#include "ingest/decode/venue_adapter.h"
#include "ingest/live/cadence.h"
#include "ingest/live/steady_time.h"

namespace spreadwatch::ingest {

/// The streams that one connection carries, what has become of each, and which of them to subscribe
/// anew and when. It decides only: no socket, no timer and no request is in it, and time is passed
/// in.
///
/// Bounds: one entry for every subscription that was added; whoever adds them keeps to
/// VenueProfile::max_subscriptions. Threads: one at a time.
class SubscriptionTable {
 public:
  /// Sent before a resubscription, a message may still come in for so long.
  static constexpr milliseconds kInTransit{5'000};
  /// Synced for so long: earlier failures no longer count.
  static constexpr milliseconds kStable{60'000};
  /// From one resubscription to the next, doubling with each that failed.
  static constexpr milliseconds kFirstCooling{1'000};
  static constexpr milliseconds kLongestCooling{60'000};
  /// The longest wait for an answer to a subscription, and for a silent stream to speak.
  static constexpr milliseconds kLongestPatience{600'000};
  static constexpr milliseconds kLongestRejection{3'600'000};
  /// Subscriptions in a row without an answer, after which the connection is at fault.
  static constexpr int kUnanswered = 2;

  struct Rules {
    VenueId venue{};
    /// Order books are changes only and the first whole book is fetched over REST.
    bool seeded_over_rest = false;
    /// A list of subscriptions replaces all earlier ones.
    bool subscribe_replaces = false;
    milliseconds first_data{10'000};  ///< as the next three, see SessionSettings
    milliseconds quiet{30'000};
    milliseconds least_patience{10'000};
    milliseconds first_rejection{60'000};
  };

  struct Stream {
    Subscription subscription;
    std::string name;         ///< of an order book stream; empty for a ticker
    bool subscribed = false;  ///< on the connection that is open
    bool answered = false;    ///< data has come since it was last subscribed
    bool synced = false;      ///< an order book that may be shown
    bool ever_synced = false;
    SteadyTime subscribed_at{};
    SteadyTime data_at{};
    SteadyTime synced_at{};
    std::optional<Timestamp> received;
    std::optional<Timestamp> exchange_time;
    Origin origin = Origin::kWs;
    int failures = 0;   ///< times subscribed anew without lasting success
    int refreshes = 0;  ///< times subscribed anew because it was silent
    Cadence cadence;
    std::optional<SteadyTime> resubscribe_at;
    std::optional<SteadyTime> rejected_until;  ///< the venue does not know it
    int rejections = 0;
    std::uint64_t duplicates = 0;  ///< counted so far

    bool is_book() const { return !name.empty(); }
    /// It has what it was subscribed for: a synced order book, a ticker.
    bool delivers() const { return is_book() ? synced : answered; }
  };
  using Subscriptions = std::vector<Subscription>;

  explicit SubscriptionTable(Rules rules) : rules_(rules) {}
  SubscriptionTable(const SubscriptionTable&) = delete;  // the indices point into the streams
  SubscriptionTable& operator=(const SubscriptionTable&) = delete;

  // --- which streams there are

  /// `name` is the order book stream's, empty for a ticker. False, and nothing happens, when the
  /// subscription is known.
  bool add(const Subscription& subscription, std::string name = {});
  void remove(const Subscription& subscription);
  /// Takes over the subscriptions of the connection that this one succeeds, and what was learned
  /// about them. REQUIRES: empty.
  void succeed(const SubscriptionTable& old);

  std::size_t size() const { return streams_.size(); }
  bool empty() const { return streams_.empty(); }
  std::size_t books() const { return books_.size(); }
  const std::map<Subscription, Stream>& streams() const { return streams_; }
  /// nullptr when there is none; the pointer holds until the stream is removed.
  const Stream* find(const Subscription& subscription) const;
  const Stream* find_book(const std::string& name) const;
  const Stream* find_book(const Instrument& instrument) const;
  /// Everything but what the venue has rejected: what a fresh connection is to subscribe.
  Subscriptions accepted() const;

  // --- what happens to them

  /// They are being subscribed. Returns what the request has to name: them, or the whole list where
  /// a list replaces all earlier ones.
  Subscriptions subscribe(const Subscriptions& subscriptions, SteadyTime now);
  /// The connection is gone.
  void on_closed();
  /// False when the ticker is not subscribed, or no longer.
  bool on_ticker(const Ticker& ticker, SteadyTime now);
  enum class BookChange : std::uint8_t {
    kUnsynced,
    kSynced,
    kResynced  ///< synced again after it was not
  };
  /// nullopt when the stream is not subscribed, or no longer.
  std::optional<BookChange> on_book(const std::string& name, const OrderBook& book, SteadyTime now);
  /// The venue does not know the instrument: what is subscribed of it and has brought nothing is
  /// rejected, and what was subscribed with it and does not come is subscribed anew, since some
  /// venues refuse a whole request for one unknown symbol. False when nothing of it waits.
  bool on_unknown(const Instrument& instrument, SteadyTime now);
  /// The venue does not know the stream's symbol: subscribed anew, but seldom. As the next two,
  /// nothing happens when there is no such stream.
  void reject(const std::string& name, SteadyTime now);
  /// The order book cannot go on: it is subscribed anew, the sooner the fewer attempts have failed.
  void resubscribe_book(const std::string& name, SteadyTime now);
  /// The order book stream is perhaps not what it should be: subscribed anew after a while.
  void suspect_book(const std::string& name, SteadyTime now);

  // --- what to do about it

  struct Outgoing {
    /// Since when everything has been sent; nullopt while something waits. What was not sent is not
    /// answered.
    std::optional<SteadyTime> sent_at;
    /// There are messages to spare for streams that are only silent.
    bool spare = false;
  };
  struct Review {
    Subscriptions subscribe;        ///< rejected for long enough
    Subscriptions resubscribe;      ///< with the next two
    Subscriptions unanswered;       ///< nothing came of the last subscription in time
    Subscriptions silent;           ///< fell silent
    std::vector<std::string> seed;  ///< order book streams that a snapshot over REST would mend
    /// Every stream was subscribed again and again in vain: the connection is of no use. Then
    /// silent streams are not reviewed.
    bool nothing_answers = false;
    /// Order books do not come back on this connection while others go on: a fresh one may have
    /// them.
    bool stranded = false;
  };
  /// What is due. Whatever it names for subscription counts as one more attempt. `awaits_snapshot`
  /// says of an order book stream whether a snapshot over REST is on its way or has its time.
  Review review(SteadyTime now, const Outgoing& outgoing, const Normalizer& books,
                const std::function<bool(const std::string&)>& awaits_snapshot);

  // --- what is reported

  /// What `old`, of the connection before, delivers comes over `connection` as well.
  bool covers(const SubscriptionTable& old, const Normalizer& books,
              std::uint32_t connection) const;
  /// Messages that changed no order book since the last call.
  std::uint64_t take_duplicates(const Normalizer& books);
  struct Connection {
    bool up = false;
    std::optional<ErrorCode> last_close;
    std::uint64_t reconnects = 0;
  };
  /// Appends the state of every subscription.
  void append_status(Timestamp now, const Connection& connection, const Normalizer& books,
                     std::vector<FeedStatus>& out) const;

 private:
  Stream* book(const std::string& name);
  static void mark_subscribed(Stream& stream, SteadyTime now);
  void reject(Stream& stream, SteadyTime now) const;
  static void count_message(Stream& stream, SteadyTime now);
  /// An order book that nothing has come of since it was last subscribed, where something has to:
  /// every subscription is answered with the whole book but for those that are seeded over REST.
  bool unanswered(const Stream& stream) const;
  /// How long it may say nothing before it is subscribed anew.
  milliseconds patience(const Stream& stream) const;
  bool nothing_answers() const;

  const Rules rules_;
  std::map<Subscription, Stream> streams_;
  std::unordered_map<std::string, Stream*> books_;
  std::unordered_map<Instrument, Stream*> tickers_;
};

}  // namespace spreadwatch::ingest
