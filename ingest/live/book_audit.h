#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ingest/book/normalizer.h"
#include "ingest/live/venue_context.h"
#include "ingest/live/venue_rest.h"
#include "ingest/net/rest_client.h"
#include "metrics/ingest_metrics.h"

namespace spreadwatch::ingest {

/// Compares maintained order books with what the venue says over REST, one at a time, now and then:
/// the check that finds what no sequence number and no checksum finds.
///
/// The messages of the audited stream are kept from a moment before the request on. Where messages
/// are changes, those behind the snapshot are applied to it (sizes are absolute, so that a change
/// that only ends behind it does no harm) and the result must equal the maintained book, level by
/// level. Where messages are whole books, the one with the snapshot's sequence or time must equal
/// it. Compared are the kLevels best of each side, exactly.
///
/// A difference at the same sequence is a mismatch. Two books can have the same time and differ
/// (two changes in a millisecond), so a venue without sequence numbers is looked at again at once,
/// and only a second difference in a row is a mismatch. A venue whose REST book has neither is not
/// audited. No moment in common within kPatience is "not comparable" and proves nothing.
///
/// Bounds: one request at a time, kMaxKept messages; half the REST budget stays free for everything
/// else. Threads: one at a time, the one that runs the io_context of the RestClient.
class BookAudit final : private BookTap {
 public:
  static constexpr std::size_t kLevels = 10;
  static constexpr std::size_t kMaxKept = 1'000;
  static constexpr milliseconds kLead{500};  ///< REST lags the socket by up to 200 ms
  static constexpr milliseconds kPatience{2'000};

  struct Settings {
    VenueId venue{};
    std::string rest_url;          ///< without a slash at the end
    milliseconds interval{5'000};  ///< from the end of one audit to the next; 0 = none
    milliseconds timeout{5'000};   ///< of the request
    int depth = 0;                 ///< levels a side of the audited streams
  };
  /// Told of an instrument whose maintained book differs, with a sentence.
  using OnMismatch = std::function<void(const Instrument&, std::string)>;

  /// What `context` refers to must outlive the object. Books that `context.fallback` polls are not
  /// audited.
  BookAudit(VenueContext context, Settings settings, OnMismatch on_mismatch);
  ~BookAudit() override;

  void watch(const Instrument& instrument);
  void forget(const Instrument& instrument);
  void tick(SteadyTime now);
  /// Nothing is requested from here on.
  void stop() { stopping_ = true; }

 private:
  enum class Phase : std::uint8_t { kIdle, kRecording, kRequested, kComparing };

  // BookTap
  void on_message(const BookMessage& message, const OrderBook& book) override;

  void begin(SteadyTime now);
  void request(SteadyTime now);
  void on_answer(std::uint64_t audit, const RestCall& call, const RestResult& result);
  /// Ends the audit if it can be decided.
  void compare(SteadyTime now);
  void compare_changes(SteadyTime now);
  void compare_whole(SteadyTime now);
  void differs(const std::string& detail, SteadyTime now);
  void finish(metrics::AuditOutcome outcome, SteadyTime now);
  std::optional<std::int64_t> position(const BookMessage& message) const;

  VenueContext context_;
  const Settings settings_;
  VenueRest rest_;
  const OnMismatch on_mismatch_;
  const VenueProfile::Match match_;
  std::map<Instrument, std::string> streams_;

  Phase phase_ = Phase::kIdle;
  std::optional<SteadyTime> next_at_;
  std::optional<Instrument> last_;     // audited
  std::optional<Instrument> suspect_;  // differed once
  std::uint64_t audits_ = 0;
  SteadyTime deadline_{};  // of the phase
  bool stopping_ = false;

  // Of the audit under way:
  Instrument instrument_;
  std::string stream_;
  std::uint64_t epoch_ = 0;
  bool broken_ = false;                // the stream began anew, or there was too much to keep
  std::optional<std::int64_t> start_;  // where the book stood before the first kept message
  std::deque<BookMessage> kept_;
  BookMessage snapshot_;
  Decoded decoded_;
};

}  // namespace spreadwatch::ingest
