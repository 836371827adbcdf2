#include "ingest/live/subscription_table.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "ingest/net/backoff.h"

namespace spreadwatch::ingest {

// --- which streams there are
// -----------------------------------------------------------------------------

bool SubscriptionTable::add(const Subscription& subscription, std::string name) {
  const auto [it, inserted] = streams_.try_emplace(subscription);
  if (!inserted) return false;
  Stream& stream = it->second;
  stream.subscription = subscription;
  stream.name = std::move(name);
  if (stream.is_book()) {
    books_[stream.name] = &stream;
  } else {
    tickers_[subscription.instrument] = &stream;
  }
  return true;
}

void SubscriptionTable::remove(const Subscription& subscription) {
  const auto it = streams_.find(subscription);
  if (it == streams_.end()) return;
  if (it->second.is_book()) {
    books_.erase(it->second.name);
  } else {
    tickers_.erase(subscription.instrument);
  }
  streams_.erase(it);
}

void SubscriptionTable::succeed(const SubscriptionTable& old) {
  for (const auto& [subscription, known] : old.streams_) {
    if (!add(subscription, known.name)) continue;
    Stream& stream = streams_.at(subscription);
    stream.cadence = known.cadence;
    stream.rejections = known.rejections;
    stream.rejected_until = known.rejected_until;
    stream.duplicates = known.duplicates;
  }
}

const SubscriptionTable::Stream* SubscriptionTable::find(const Subscription& subscription) const {
  const auto it = streams_.find(subscription);
  return it == streams_.end() ? nullptr : &it->second;
}

const SubscriptionTable::Stream* SubscriptionTable::find_book(const std::string& name) const {
  const auto it = books_.find(name);
  return it == books_.end() ? nullptr : it->second;
}

const SubscriptionTable::Stream* SubscriptionTable::find_book(const Instrument& instrument) const {
  const auto it = std::ranges::find_if(books_, [&](const auto& entry) {
    return entry.second->subscription.instrument == instrument;
  });
  return it == books_.end() ? nullptr : it->second;
}

SubscriptionTable::Stream* SubscriptionTable::book(const std::string& name) {
  const auto it = books_.find(name);
  return it == books_.end() ? nullptr : it->second;
}

SubscriptionTable::Subscriptions SubscriptionTable::accepted() const {
  Subscriptions out;
  for (const auto& [subscription, stream] : streams_) {
    if (!stream.rejected_until) out.push_back(subscription);
  }
  return out;
}

// --- what happens to them
// --------------------------------------------------------------------------------

void SubscriptionTable::mark_subscribed(Stream& stream, SteadyTime now) {
  stream.subscribed = true;
  stream.subscribed_at = now;
  stream.answered = false;
  stream.resubscribe_at.reset();
  stream.rejected_until.reset();
}

SubscriptionTable::Subscriptions SubscriptionTable::subscribe(const Subscriptions& subscriptions,
                                                              SteadyTime now) {
  for (const Subscription& subscription : subscriptions) {
    const auto it = streams_.find(subscription);
    if (it != streams_.end()) mark_subscribed(it->second, now);
  }
  if (!rules_.subscribe_replaces) return subscriptions;
  Subscriptions all;
  for (auto& [subscription, stream] : streams_) {
    if (stream.rejected_until) continue;
    if (!stream.subscribed) mark_subscribed(stream, now);
    all.push_back(subscription);
  }
  return all;
}

void SubscriptionTable::on_closed() {
  for (auto& [subscription, stream] : streams_) {
    stream.subscribed = stream.answered = stream.synced = false;
    stream.resubscribe_at.reset();
  }
}

void SubscriptionTable::count_message(Stream& stream, SteadyTime now) {
  // The pause before the first answer to a subscription is no pause of the stream.
  if (stream.delivers() && stream.data_at > stream.subscribed_at) {
    stream.cadence.add(std::chrono::duration_cast<milliseconds>(now - stream.data_at));
  }
  if (now - stream.subscribed_at >= kInTransit) stream.refreshes = 0;
  stream.data_at = now;
}

bool SubscriptionTable::on_ticker(const Ticker& ticker, SteadyTime now) {
  const auto it = tickers_.find(ticker.instrument);
  if (it == tickers_.end()) return false;
  Stream& stream = *it->second;
  count_message(stream, now);
  stream.answered = true;
  stream.failures = 0;
  stream.received = ticker.receive_time;
  stream.exchange_time = ticker.exchange_time;
  stream.origin = ticker.origin;
  stream.rejections = 0;
  return true;
}

std::optional<SubscriptionTable::BookChange> SubscriptionTable::on_book(const std::string& name,
                                                                        const OrderBook& book,
                                                                        SteadyTime now) {
  const auto it = books_.find(name);
  if (it == books_.end()) return std::nullopt;
  Stream& stream = *it->second;
  if (!book.synced()) {
    stream.synced = false;
    return BookChange::kUnsynced;
  }
  BookChange change = BookChange::kSynced;
  if (!stream.synced) {
    stream.synced_at = now;
    if (stream.ever_synced) change = BookChange::kResynced;
  } else if (now - stream.synced_at >= kStable) {
    stream.failures = 0;
  }
  count_message(stream, now);
  stream.answered = stream.synced = stream.ever_synced = true;
  stream.received = book.receive_time;
  stream.exchange_time = book.exchange_time;
  stream.origin = book.origin;
  stream.rejections = 0;
  return change;
}

bool SubscriptionTable::on_unknown(const Instrument& instrument, SteadyTime now) {
  bool waits = false;
  for (auto& [subscription, stream] : streams_) {
    if (!stream.subscribed || stream.answered || subscription.instrument != instrument) continue;
    waits = true;
    reject(stream, now);
  }
  if (!waits) return false;
  for (auto& [subscription, stream] : streams_) {
    if (stream.subscribed && !stream.answered && !stream.resubscribe_at &&
        now - stream.subscribed_at < kInTransit) {
      stream.resubscribe_at = now + kFirstCooling;
    }
  }
  return true;
}

void SubscriptionTable::reject(const std::string& name, SteadyTime now) {
  if (Stream* const stream = book(name)) reject(*stream, now);
}

void SubscriptionTable::reject(Stream& stream, SteadyTime now) const {
  stream.subscribed = false;
  stream.rejected_until =
      now + doubled(rules_.first_rejection, stream.rejections++, kLongestRejection);
}

void SubscriptionTable::resubscribe_book(const std::string& name, SteadyTime now) {
  Stream* const stream = book(name);
  if (stream == nullptr || stream->resubscribe_at) return;
  stream->resubscribe_at = now;
  if (stream->failures > 0) {
    stream->resubscribe_at = now + doubled(kFirstCooling, stream->failures - 1, kLongestCooling);
  }
  // Between a resubscription and the snapshot the old stream may still deliver. A snapshot that
  // comes in time mends that; one that could not be used is as good as none.
  if (!stream->answered) {
    stream->resubscribe_at = std::max(*stream->resubscribe_at, stream->subscribed_at + kInTransit);
  }
}

void SubscriptionTable::suspect_book(const std::string& name, SteadyTime now) {
  Stream* const stream = book(name);
  if (stream == nullptr || stream->resubscribe_at) return;
  stream->resubscribe_at = now + doubled(kFirstCooling, stream->failures, kLongestCooling);
}

// --- what to do about it
// ---------------------------------------------------------------------------------

SubscriptionTable::Review SubscriptionTable::review(
    SteadyTime now, const Outgoing& outgoing, const Normalizer& books,
    const std::function<bool(const std::string&)>& awaits_snapshot) {
  Review out;
  std::vector<Stream*> silent;
  for (auto& [subscription, stream] : streams_) {
    if (stream.rejected_until) {
      if (now >= *stream.rejected_until) out.subscribe.push_back(subscription);
      continue;
    }
    if (!stream.subscribed) continue;
    bool seeding = false;
    if (rules_.seeded_over_rest && stream.is_book()) {
      // The state of the book decides, not what once was requested: a market that says nothing for
      // an hour does not say again that its book is broken.
      const MaintainedBook* const book = books.find(stream.name);
      seeding = book != nullptr && book->wants_snapshot();
      if (seeding) out.seed.push_back(stream.name);
    }
    if (stream.resubscribe_at) {
      if (now < *stream.resubscribe_at) continue;
      if (stream.delivers()) {
        stream.resubscribe_at.reset();
      } else {
        ++stream.failures;
        out.resubscribe.push_back(subscription);
      }
      continue;
    }
    if (!stream.delivers() || unanswered(stream)) {
      if (!outgoing.sent_at || seeding || awaits_snapshot(stream.name)) continue;
      milliseconds limit = doubled(rules_.first_data, stream.failures, kLongestPatience);
      if (stream.delivers()) limit = std::min(limit, patience(stream));
      if (now - std::max(stream.subscribed_at, *outgoing.sent_at) < limit) continue;
      ++stream.failures;
      out.stranded = out.stranded || (stream.ever_synced && stream.failures >= kUnanswered);
      out.unanswered.push_back(subscription);
      out.resubscribe.push_back(subscription);
    } else if (now - std::max(stream.data_at, stream.subscribed_at) >= patience(stream)) {
      // Whoever is seeded over REST need not answer: then only such a long silence shows it.
      out.stranded =
          out.stranded || (rules_.seeded_over_rest && stream.ever_synced && !stream.answered &&
                           stream.cadence.known() && stream.refreshes >= kUnanswered);
      silent.push_back(&stream);
    }
  }
  if (!out.resubscribe.empty() && nothing_answers()) {
    out.nothing_answers = true;
    return out;
  }
  // Stalled or only quiet looks the same from here; an answer shows which. It must not use up the
  // messages that mending a broken book takes.
  if (!outgoing.spare) return out;
  for (Stream* stream : silent) {
    ++stream->refreshes;
    out.silent.push_back(stream->subscription);
    out.resubscribe.push_back(stream->subscription);
  }
  return out;
}

bool SubscriptionTable::unanswered(const Stream& stream) const {
  return stream.is_book() && !rules_.seeded_over_rest && !stream.answered;
}

milliseconds SubscriptionTable::patience(const Stream& stream) const {
  // What is older than `quiet` is no longer believed; a ticker that waits for a trade is no harm.
  milliseconds limit = stream.cadence.patience(rules_.least_patience, rules_.quiet);
  if (!stream.is_book()) {
    limit = stream.cadence.known() ? std::max(rules_.quiet, stream.cadence.unusual())
                                   : kLongestPatience;
  }
  return doubled(std::min(limit, kLongestPatience), stream.refreshes, kLongestPatience);
}

bool SubscriptionTable::nothing_answers() const {
  return std::ranges::all_of(streams_, [this](const auto& entry) {
    const Stream& stream = entry.second;
    const bool mute = !stream.delivers() || unanswered(stream);
    return !stream.subscribed || (mute && stream.failures >= kUnanswered);
  });
}

// --- what is reported
// ------------------------------------------------------------------------------------

bool SubscriptionTable::covers(const SubscriptionTable& old, const Normalizer& books,
                               std::uint32_t connection) const {
  return std::ranges::all_of(old.streams_, [&](const auto& entry) {
    const auto& [subscription, stream] = entry;
    if (!stream.delivers() || old.unanswered(stream)) return true;
    const auto mine = streams_.find(subscription);
    if (mine == streams_.end()) return true;
    if (!stream.is_book()) return mine->second.answered;
    const MaintainedBook* const book = books.find(stream.name);
    return book == nullptr || book->book().connection == connection;
  });
}

std::uint64_t SubscriptionTable::take_duplicates(const Normalizer& books) {
  std::uint64_t fresh = 0;
  for (const auto& [name, stream] : books_) {
    const MaintainedBook* const book = books.find(name);
    if (book == nullptr || book->duplicates() <= stream->duplicates) continue;
    fresh += book->duplicates() - std::exchange(stream->duplicates, book->duplicates());
  }
  return fresh;
}

void SubscriptionTable::append_status(Timestamp now, const Connection& connection,
                                      const Normalizer& books, std::vector<FeedStatus>& out) const {
  for (const auto& [subscription, stream] : streams_) {
    FeedStatus status;
    status.venue = rules_.venue;
    status.symbol = subscription.instrument.name();
    status.channel = subscription.channel;
    status.origin = stream.origin;
    status.exchange_ts = stream.exchange_time;
    status.reconnects = connection.reconnects;
    status.updated = stream.received;
    status.state = stream.answered ? FeedState::kSynced : FeedState::kSyncing;
    if (stream.is_book()) {
      const MaintainedBook* const book = books.find(stream.name);
      status.state = FeedState::kSyncing;
      if (book != nullptr) {
        status.state = book->book().state;
        status.reason = book->book().reason;
        if (book->book().synced()) status.updated = book->book().receive_time;
        status.gaps = book->gaps();
        status.checksum_mismatches = book->checksum_mismatches();
        status.resyncs = book->resyncs();
      }
    }
    if (status.state == FeedState::kSynced && stream.is_book() && status.updated &&
        now - *status.updated > rules_.quiet) {
      status.state = FeedState::kStale;
      status.reason = ErrorCode::kTimeout;
    }
    if (stream.rejected_until) {
      status.state = FeedState::kFaulted;
      status.reason = ErrorCode::kUnknownSymbol;
    }
    if (!connection.up) {
      status.state = FeedState::kDown;
      status.reason = connection.last_close;
    }
    out.push_back(std::move(status));
  }
}

}  // namespace spreadwatch::ingest
