#include "http/stream.h"

#include <doctest/doctest.h>

namespace spreadwatch::http {
namespace {

Stream::Chunk chunk(std::size_t bytes) {
  return std::make_shared<const std::string>(std::string(bytes, 'x'));
}

TEST_CASE("what is under way counts against a stream's bound until the next take") {
  Stream stream(100);
  std::vector<Stream::Chunk> taken;
  CHECK(stream.offer(chunk(60)));
  CHECK_FALSE(stream.offer(chunk(41)));
  CHECK(stream.offer(chunk(40)));
  CHECK(stream.take(taken, 1) == Stream::State::kOpen);
  CHECK(taken.size() == 1);
  CHECK_FALSE(stream.offer(chunk(1)));
  CHECK(stream.take(taken, 10) == Stream::State::kOpen);
  CHECK(taken.size() == 1);
  CHECK(stream.offer(chunk(60)));
}

TEST_CASE("a stream wakes its connection once for what came since it was last looked at") {
  Stream stream(100);
  std::vector<Stream::Chunk> taken;
  int woken = 0;
  stream.attach([&] { ++woken; });
  stream.offer(chunk(1));
  stream.offer(chunk(1));
  CHECK(woken == 1);
  stream.take(taken, 10);
  CHECK(taken.size() == 2);
  stream.offer(chunk(1));
  CHECK(woken == 2);
}

TEST_CASE("a finished stream is sent to its end, a cut one is not") {
  std::vector<Stream::Chunk> taken;
  Stream finished(100);
  finished.offer(chunk(1));
  finished.finish(false);
  CHECK_FALSE(finished.offer(chunk(1)));
  CHECK(finished.take(taken, 10) == Stream::State::kOpen);
  CHECK(finished.take(taken, 10) == Stream::State::kFinished);
  Stream cut(100);
  cut.offer(chunk(1));
  CHECK_FALSE(cut.cut());
  cut.finish(true);
  CHECK(cut.cut());
  CHECK(cut.take(taken, 10) == Stream::State::kCut);
}

TEST_CASE("the end of a stream's connection is told once, also to who asks late") {
  Stream stream(100);
  int told = 0;
  stream.on_over([&] { ++told; });
  stream.over();
  stream.over();
  CHECK(told == 1);
  CHECK_FALSE(stream.offer(chunk(1)));
  stream.on_over([&] { ++told; });
  CHECK(told == 2);
}

}  // namespace
}  // namespace spreadwatch::http
