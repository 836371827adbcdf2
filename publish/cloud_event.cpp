#include "publish/cloud_event.h"

#include <array>
#include <bit>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>

namespace spreadwatch::publish {
namespace {

struct Hash128 {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
};

constexpr std::uint64_t mix(std::uint64_t k) {
  k ^= k >> 33U;
  k *= 0xff51afd7ed558ccdU;
  k ^= k >> 33U;
  k *= 0xc4ceb9fe1a85ec53U;
  return k ^ (k >> 33U);
}

/// MurmurHash3 x64-128 (public domain), started from `seed` so that texts can be chained. The order
/// of bytes is the machine's; the ids are compared between little-endian machines only.
Hash128 murmur3(std::string_view text, Hash128 seed) {
  constexpr std::uint64_t kC1 = 0x87c37b91114253d5U;
  constexpr std::uint64_t kC2 = 0x4cf5ad432745937fU;
  std::uint64_t h1 = seed.low;
  std::uint64_t h2 = seed.high;
  const auto add1 = [&h1](std::uint64_t k) { h1 ^= std::rotl(k * kC1, 31) * kC2; };
  const auto add2 = [&h2](std::uint64_t k) { h2 ^= std::rotl(k * kC2, 33) * kC1; };

  std::string_view rest = text;
  for (; rest.size() >= 16; rest.remove_prefix(16)) {
    std::array<std::uint64_t, 2> block{};
    std::memcpy(block.data(), rest.data(), 16);
    add1(block[0]);
    h1 = (std::rotl(h1, 27) + h2) * 5 + 0x52dce729U;
    add2(block[1]);
    h2 = (std::rotl(h2, 31) + h1) * 5 + 0x38495ab5U;
  }
  std::array<std::uint64_t, 2> tail{};
  std::memcpy(tail.data(), rest.data(), rest.size());
  add2(tail[1]);
  add1(tail[0]);

  h1 ^= text.size();
  h2 ^= text.size();
  h1 += h2;
  h2 += h1;
  h1 = mix(h1);
  h2 = mix(h2);
  h1 += h2;
  h2 += h1;
  return {h1, h2};
}

}  // namespace

std::string event_id(std::string_view source, std::string_view key, std::string_view value) {
  const Hash128 hash = murmur3(value, murmur3(key, murmur3(source, {})));
  std::array<char, 33> text{};
  std::snprintf(text.data(), text.size(), "%016llx%016llx",
                static_cast<unsigned long long>(hash.high),
                static_cast<unsigned long long>(hash.low));
  return {text.data(), 32};
}

std::string rfc3339(Timestamp time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{time - day};
  std::array<char, 64> text{};
  const int length = std::snprintf(
      text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d.%06dZ",
      static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
      static_cast<unsigned>(date.day()), static_cast<int>(clock.hours().count()),
      static_cast<int>(clock.minutes().count()), static_cast<int>(clock.seconds().count()),
      static_cast<int>(clock.subseconds().count()));
  return {text.data(), static_cast<std::size_t>(length)};
}

}  // namespace spreadwatch::publish
