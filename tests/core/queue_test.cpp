#include <doctest/doctest.h>

#include <thread>

#include "core/bounded_queue.h"
#include "core/error.h"
#include "core/reason.h"
#include "core/venue.h"

namespace spreadwatch {
namespace {

using namespace std::chrono_literals;

TEST_CASE("a full queue refuses and counts") {
  BoundedQueue<int> queue(2);
  CHECK(queue.try_push(1));
  CHECK(queue.try_push(2));
  CHECK_FALSE(queue.try_push(3));
  CHECK(queue.refused() == 1);
  CHECK_FALSE(queue.push_for(4, 1us));
  CHECK(queue.refused() == 2);
  std::vector<int> out;
  CHECK(queue.pop_all(out, 0us));
  CHECK(out == std::vector<int>{1, 2});
}

TEST_CASE("a closed queue hands out what is left, then ends") {
  BoundedQueue<int> queue(4);
  CHECK(queue.try_push(1));
  queue.close();
  CHECK_FALSE(queue.try_push(2));
  std::vector<int> out;
  CHECK(queue.pop_all(out, 0us));
  CHECK(out.size() == 1);
  CHECK_FALSE(queue.pop_all(out, 0us));
}

TEST_CASE("values cross threads in order") {
  BoundedQueue<int> queue(8);
  std::jthread writer([&queue] {
    for (int i = 0; i < 1000; ++i) {
      CHECK(queue.push_for(int{i}, 10s));
    }
    queue.close();
  });
  std::vector<int> all;
  std::vector<int> batch;
  while (queue.pop_all(batch, 1s)) all.insert(all.end(), batch.begin(), batch.end());
  REQUIRE(all.size() == 1000);
  for (int i = 0; i < 1000; ++i) CHECK(all[static_cast<std::size_t>(i)] == i);
}

TEST_CASE("every error code and reason has a name of its own") {
  CHECK(to_string(ErrorCode::kCaptureLine) == "capture_line");
  CHECK(to_string(ErrorCode::kHttpStatus) == "http_status");
  CHECK(to_string(Reason::kBookNotSynced) == "book_not_synced");
  CHECK(to_string(Reason::kMuted) == "muted");
  Reasons reasons;
  reasons.add(Reason::kStaleLeg);
  reasons.add(Reasons{Reason::kFxQuorum});
  CHECK(reasons.size() == 2);
  CHECK(reasons.contains(Reason::kFxQuorum));
}

TEST_CASE("venues are found by name and nothing else is") {
  for (const VenueIdentity& venue : kVenues) CHECK(venue_from_name(venue.name) == venue.id);
  CHECK_FALSE(venue_from_name("mtgox").has_value());
  CHECK_FALSE(venue_from_name("UPBIT").has_value());
}

}  // namespace
}  // namespace spreadwatch
