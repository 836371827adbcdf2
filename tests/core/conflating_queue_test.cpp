#include "core/conflating_queue.h"

#include <doctest/doctest.h>

#include <map>
#include <string>
#include <thread>
#include <vector>

namespace spreadwatch {
namespace {

using namespace std::chrono_literals;

struct Value {
  std::string key;
  int number = 0;
  bool keep = false;
  std::size_t bytes = 1;
  int merged = 0;  // how many it stands for
};

struct Rules {
  static bool keep(const Value& v) { return v.keep; }
  static std::string key(const Value& v) { return v.key; }
  static std::size_t bytes(const Value& v) { return v.bytes; }
  static void merge(Value& newer, const Value& older) { newer.merged += 1 + older.merged; }
};
using Queue = ConflatingQueue<Value, Rules>;

/// Behind from the first value on.
constexpr Queue::Bounds kAlways{.replaceable = {100, 1000}, .kept = {100, 1000}, .behind = 0};

std::vector<int> numbers(Queue& queue, std::size_t at_most = 1000) {
  std::vector<Value> out;
  queue.pop(out, at_most, 0us);
  std::vector<int> all;
  for (const Value& v : out) all.push_back(v.number);
  queue.done(out.size());
  return all;
}

TEST_CASE("the newest of a key takes the place of the older one and stands where it came itself") {
  Queue queue(kAlways);
  CHECK_FALSE(queue.push({"a", 1}).conflated);
  CHECK_FALSE(queue.push({"b", 2}).conflated);
  const Queue::Pushed pushed = queue.push({"a", 3});
  CHECK(pushed.taken);
  CHECK(pushed.conflated);
  CHECK(pushed.waiting == 2);
  CHECK(queue.push({"a", 4}).conflated);
  CHECK(numbers(queue) == std::vector<int>{2, 4});
  // What the reader has is not replaced.
  CHECK_FALSE(queue.push({"a", 5}).conflated);
  CHECK(numbers(queue) == std::vector<int>{5});
}

TEST_CASE("the newer value is given what must outlive the older ones") {
  Queue queue(kAlways);
  for (int i = 0; i < 5; ++i) queue.push({"a", i});
  std::vector<Value> out;
  CHECK(queue.pop(out, 10, 0us));
  REQUIRE(out.size() == 1);
  CHECK(out[0].merged == 4);
}

TEST_CASE("a state change between two values of its key keeps all three, in order") {
  Queue queue(kAlways);
  queue.push({"a", 1});
  queue.push({"a", 2, true});
  CHECK_FALSE(queue.push({"a", 3}).conflated);
  CHECK(queue.push({"a", 4}).conflated);
  CHECK(numbers(queue) == std::vector<int>{1, 2, 4});
}

TEST_CASE("a state change is not replaced, not overtaken, and parts no other key") {
  Queue queue(kAlways);
  queue.push({"a", 1});
  queue.push({"b", 2});
  queue.push({"b", 3, true});
  queue.push({"b", 4, true});
  queue.push({"", 5, true});
  CHECK(queue.push({"a", 6}).conflated);
  queue.push({"b", 7});
  CHECK(numbers(queue) == std::vector<int>{2, 3, 4, 5, 6, 7});
}

TEST_CASE("nothing is conflated while the reader keeps up, what is in its hand included") {
  Queue queue({.replaceable = {100, 1000}, .kept = {100, 1000}, .behind = 2});
  CHECK_FALSE(queue.push({"a", 1}).conflated);
  CHECK_FALSE(queue.push({"a", 2}).conflated);
  CHECK_FALSE(queue.push({"a", 3}).conflated);
  CHECK(queue.push({"a", 4}).conflated);
  std::vector<Value> out;
  queue.pop(out, 2, 0us);
  CHECK(queue.waiting() == 3);
  CHECK(queue.push({"a", 5}).conflated);
  queue.done(2);
  CHECK_FALSE(queue.push({"a", 6}).conflated);
  CHECK(numbers(queue) == std::vector<int>{5, 6});
}

TEST_CASE("half of the bytes is behind, however few values they are") {
  Queue queue({.replaceable = {100, 100}, .kept = {100, 100}, .behind = 50});
  queue.push({"a", 1, false, 30});
  CHECK_FALSE(queue.push({"a", 2, false, 30}).conflated);
  CHECK(queue.push({"a", 3, false, 30}).conflated);
  CHECK(numbers(queue) == std::vector<int>{1, 3});
}

TEST_CASE("a full queue loses its oldest replaceable value, never a state change") {
  Queue queue({.replaceable = {3, 1000}, .kept = {2, 1000}, .behind = 0});
  queue.push({"a", 1});
  queue.push({"b", 2});
  queue.push({"x", 3, true});
  queue.push({"c", 4});
  const Queue::Pushed pushed = queue.push({"d", 5});
  CHECK(pushed.taken);
  CHECK(pushed.shed == 1);
  CHECK(pushed.waiting == 4);
  CHECK(queue.push({"", 6, true}).taken);
  const Queue::Pushed refused = queue.push({"", 7, true});
  CHECK_FALSE(refused.taken);
  CHECK_FALSE(refused.closed);
  // What was shed can no longer be replaced.
  CHECK_FALSE(queue.push({"a", 8}).conflated);
  CHECK(numbers(queue) == std::vector<int>{3, 4, 5, 6, 8});
}

TEST_CASE("both kinds are bounded in bytes as well") {
  Queue queue({.replaceable = {100, 100}, .kept = {100, 50}, .behind = 0});
  queue.push({"a", 1, false, 40});
  queue.push({"b", 2, false, 40});
  CHECK(queue.bytes() == 80);
  CHECK(queue.push({"c", 3, false, 90}).shed == 2);
  CHECK(queue.bytes() == 90);
  // One that could never be held costs nobody a place.
  const Queue::Pushed giant = queue.push({"d", 4, false, 101});
  CHECK_FALSE(giant.taken);
  CHECK(giant.shed == 0);
  CHECK(queue.push({"", 5, true, 30}).taken);
  CHECK_FALSE(queue.push({"", 6, true, 30}).taken);
  CHECK(queue.push({"", 7, true, 20}).taken);
  // A smaller one in place of a larger gives the room back.
  CHECK(queue.push({"c", 8, false, 10}).conflated);
  CHECK(queue.bytes() == 60);
  CHECK(numbers(queue) == std::vector<int>{5, 7, 8});
  CHECK(queue.bytes() == 0);
}

TEST_CASE("a reader takes what it asked for, and the rest can still be replaced") {
  Queue queue(kAlways);
  queue.push({"a", 1});
  queue.push({"b", 2});
  queue.push({"c", 3});
  std::vector<Value> out;
  CHECK(queue.pop(out, 1, 0us));
  CHECK(out.size() == 1);
  CHECK(queue.push({"b", 4}).conflated);
  CHECK(numbers(queue) == std::vector<int>{3, 4});
}

TEST_CASE("a closed queue takes nothing, hands out what is left, then ends") {
  Queue queue(kAlways);
  queue.push({"a", 1});
  queue.close();
  const Queue::Pushed pushed = queue.push({"b", 2});
  CHECK_FALSE(pushed.taken);
  CHECK(pushed.closed);
  std::vector<Value> out;
  CHECK(queue.pop(out, 10, 0us));
  CHECK(out.size() == 1);
  CHECK_FALSE(queue.pop(out, 10, 0us));
}

TEST_CASE("a wake ends the wait of the reader") {
  Queue queue(kAlways);
  queue.wake();
  std::vector<Value> out;
  CHECK(queue.pop(out, 10, 10s));
  CHECK(out.empty());
}

TEST_CASE("two writers and a slow reader: every state change comes, each key only rises") {
  constexpr int kRounds = 3000;
  constexpr int kEvery = 100;  // a state change among so many
  Queue queue({.replaceable = {1000, 100'000}, .kept = {1000, 100'000}, .behind = 4});
  std::vector<std::jthread> writers;
  std::vector<std::size_t> conflated(2);
  for (std::size_t w = 0; w < 2; ++w) {
    writers.emplace_back([&queue, &conflated, w] {
      for (int i = 0; i < kRounds; ++i) {
        const std::string key = std::to_string(w) + std::to_string(i % 3);
        const auto pushed = queue.push({key, i, i % kEvery == 0});
        CHECK(pushed.taken);
        CHECK(pushed.shed == 0);
        conflated[w] += pushed.conflated ? 1 : 0;
      }
    });
  }
  std::size_t read = 0;
  std::size_t changes = 0;
  std::map<std::string, int> last;
  std::jthread closer([&] {
    for (std::jthread& writer : writers) writer.join();
    queue.close();
  });
  std::vector<Value> out;
  while (queue.pop(out, 16, 1s)) {
    for (const Value& v : out) {
      ++read;
      changes += v.keep ? 1 : 0;
      const auto [at, first] = last.try_emplace(v.key, v.number);
      if (!first) CHECK(at->second < v.number);
      at->second = v.number;
    }
    queue.done(out.size());
  }
  closer.join();
  CHECK(changes == 2 * kRounds / kEvery);
  CHECK(read + conflated[0] + conflated[1] == 2 * kRounds);
  CHECK(queue.waiting() == 0);
  CHECK(queue.bytes() == 0);
}

}  // namespace
}  // namespace spreadwatch
