#include "ingest/live/snapshot_seeder.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "ingest/live/rest_fallback.h"
#include "ingest/net/backoff.h"

namespace spreadwatch::ingest {

SnapshotSeeder::SnapshotSeeder(const VenueContext& context, Settings settings, VenueRest& rest,
                               SubscriptionTable& table, std::mt19937_64& random, Reader read)
    : context_(context),
      settings_(settings),
      rest_(rest),
      table_(table),
      random_(random),
      read_(std::move(read)),
      self_(std::make_shared<SnapshotSeeder*>(this)) {}

void SnapshotSeeder::on_open() {
  open_ = true;
  ++generation_;
}

void SnapshotSeeder::on_closed() {
  open_ = false;
  seeds_.clear();
}

void SnapshotSeeder::want(const std::string& stream, SteadyTime now) {
  Seed& seed = seeds_[stream];
  if (seed.in_flight || seed.due) return;
  seed.due = now;
  if (seed.failures > 0) {
    *seed.due += pause(seed.failures);
  } else {
    fresh_ = true;
  }
}

void SnapshotSeeder::succeed(const SnapshotSeeder& old, SteadyTime now) {
  for (const auto& [stream, seed] : old.seeds_) {
    if ((seed.in_flight || seed.due) && table_.find_book(stream) != nullptr) {
      seeds_[stream].due = now;
    }
  }
}

bool SnapshotSeeder::awaited(const std::string& stream) const {
  const auto it = seeds_.find(stream);
  return it != seeds_.end() && (it->second.in_flight || it->second.due);
}

void SnapshotSeeder::on_synced(const std::string& stream) {
  const auto it = seeds_.find(stream);
  if (it == seeds_.end()) return;
  it->second.due.reset();
  it->second.failures = 0;
  if (!it->second.in_flight) seeds_.erase(it);
}

milliseconds SnapshotSeeder::pause(int failures) {
  // At least half of it: each costs weight, and what made the last one fail needs time to pass.
  const milliseconds longest =
      doubled(settings_.first_retry, failures - 1, settings_.longest_retry);
  std::uniform_int_distribution<milliseconds::rep> wait(longest.count() / 2, longest.count());
  return milliseconds{wait(random_)};
}

void SnapshotSeeder::fetch_wanted(SteadyTime now) {
  if (std::exchange(fresh_, false)) fetch(now);
}

void SnapshotSeeder::fetch(SteadyTime now) {
  if (!open_) return;
  struct Due {
    const std::string* stream;
    Seed* seed;
  };
  std::vector<Due> due;
  for (auto& [stream, seed] : seeds_) {
    if (seed.due && now >= *seed.due && !seed.in_flight) due.push_back({&stream, &seed});
  }
  if (due.empty()) return;
  // Whoever has waited longest goes first, so that one whose requests fail holds up nobody.
  std::ranges::sort(due, {}, [](const Due& one) { return *one.seed->due; });
  for (const auto& [name, seed] : due) {
    if (in_flight_ >= kMaxInFlight) return;
    const SubscriptionTable::Stream* const stream = table_.find_book(*name);
    if (stream == nullptr) continue;
    // As if every book needed one: a shallow book now goes before a deep one in a minute, and all
    // of them may be lost once more within it.
    const int weight =
        context_.budget.rest_left(context_.clock.now()) / static_cast<int>(table_.books());
    const RestCall call = context_.normalizer.adapter().seed_call(
        stream->subscription.instrument, stream->subscription.depth, weight);
    const std::optional<VenueRest::NotSent> not_sent =
        rest_.get({.call = call, .timeout = settings_.timeout, .order_book = true}, now,
                  [self = std::weak_ptr(self_), name = *name, generation = generation_](
                      const RestCall& sent, const RestResult& result) {
                    if (const auto seeder = self.lock()) {
                      (*seeder)->on_answer(name, generation, sent, result);
                    }
                  });
    if (not_sent) {
      // In an outage each keeps its place: the one that has waited longest is let through next.
      if (not_sent->reason == VenueRest::NotSent::Reason::kBudget) seed->due = now + not_sent->wait;
      return;
    }
    ++in_flight_;
    seed->due.reset();
    seed->in_flight = true;
  }
}

void SnapshotSeeder::on_answer(const std::string& stream, std::uint64_t generation,
                               const RestCall& call, const RestResult& result) {
  --in_flight_;
  if (stopped_) return;
  const SteadyTime now = steady_now();
  if (open_ && generation == generation_ && table_.find_book(stream) != nullptr) {
    Seed& seed = seeds_[stream];
    seed.in_flight = false;
    ++seed.failures;  // until the book is synced
    if (result) {
      on_snapshot(stream, call, *result, now);
    } else {
      on_failure(stream, call, result.error(), now);
    }
  } else if (result) {
    rest_.discard(call, *result);
  }
  fetch(now);
}

void SnapshotSeeder::on_snapshot(const std::string& stream, const RestCall& call,
                                 const RestAnswer& answer, SteadyTime now) {
  read_(rest_.record(call, answer, Channel::kOrderBook, settings_.connection), now);
  const SubscriptionTable::Stream* const read = table_.find_book(stream);
  if (read == nullptr || read->synced) return;
  // The pause holds from here, whatever the book has said meanwhile.
  Seed& seed = seeds_[stream];
  seed.due = now + pause(seed.failures);
  // Perhaps it is the stream that is not what it should be.
  if (seed.failures % kUnfit == 0) table_.suspect_book(stream, now);
}

void SnapshotSeeder::on_failure(const std::string& stream, const RestCall& call,
                                const RestFailure& failure, SteadyTime now) {
  Error error = error_of(failure, call, context_.normalizer.adapter());
  const bool unknown = error.code == ErrorCode::kUnknownSymbol;
  if (unknown) context_.metrics.decode_error(error.code);
  notify(context_.sink,
         FeedError{settings_.venue, call.symbol, std::move(error), context_.clock.now(), {}});
  if (unknown) {
    seeds_.erase(stream);
    return table_.reject(stream, now);
  }
  // For as long as it takes: no state of the stream makes REST answer, and once it does the book
  // is to be there.
  Seed& seed = seeds_[stream];
  seed.due = now + pause(seed.failures);
}

}  // namespace spreadwatch::ingest
