#include "core/text.h"

#include <algorithm>
#include <cstdint>

namespace spreadwatch {
namespace {

/// Beyond ASCII: a space, a line break or a control character of Unicode, those included that turn
/// the direction of what follows.
bool is_blank(std::string_view sequence) {
  const auto byte = [sequence](std::size_t i) { return static_cast<std::uint8_t>(sequence[i]); };
  if (sequence.size() == 2) return byte(0) == 0xc2 && byte(1) <= 0xa0;  // U+0080 to U+00A0
  if (sequence.size() != 3) return false;
  if (byte(0) == 0xe2 && byte(1) == 0x80) {  // U+2000 to U+200B, U+200E, U+200F, U+2028 to U+202F
    return byte(2) <= 0x8b || byte(2) == 0x8e || byte(2) == 0x8f ||
           (byte(2) >= 0xa8 && byte(2) <= 0xaf);
  }
  if (byte(0) == 0xe2 && byte(1) == 0x81) return byte(2) >= 0x9f && byte(2) <= 0xa9;  // to U+2069
  return sequence == "\xe1\x9a\x80" || sequence == "\xe3\x80\x80" || sequence == "\xef\xbb\xbf";
}

bool is_name_character(std::string_view sequence) {
  if (sequence.size() > 1) return !is_blank(sequence);
  const char c = sequence.front();
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '$';
}

}  // namespace

// The ranges are those of the Unicode standard's table 3-7: no overlong forms, no surrogates.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [text](std::size_t i) {
    return i < text.size() ? static_cast<std::uint8_t>(text[i]) : std::uint8_t{0};
  };
  const auto in = [](std::uint8_t b, int low, int high) { return b >= low && b <= high; };
  const auto tail = [&](std::size_t i) { return in(byte(i), 0x80, 0xbf); };
  const std::uint8_t first = byte(0);
  if (first < 0x80) return text.empty() ? 0 : 1;
  if (in(first, 0xc2, 0xdf)) return tail(1) ? 2 : 0;
  if (in(first, 0xe0, 0xef)) {
    const int low = first == 0xe0 ? 0xa0 : 0x80;
    const int high = first == 0xed ? 0x9f : 0xbf;
    return in(byte(1), low, high) && tail(2) ? 3 : 0;
  }
  if (in(first, 0xf0, 0xf4)) {
    const int low = first == 0xf0 ? 0x90 : 0x80;
    const int high = first == 0xf4 ? 0x8f : 0xbf;
    return in(byte(1), low, high) && tail(2) && tail(3) ? 4 : 0;
  }
  return 0;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string to_upper(std::string_view text) {
  std::string out{text};
  for (char& c : out) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
  }
  return out;
}

std::string to_lower(std::string_view text) {
  std::string out{text};
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return out;
}

bool is_asset(std::string_view text) {
  std::size_t characters = 0;
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length == 0 || !is_name_character(text.substr(0, length))) return false;
    if (++characters > kMaxAssetCharacters) return false;
    text.remove_prefix(length);
  }
  return characters > 0;
}

bool is_canonical_asset(std::string_view text) {
  return is_asset(text) &&
         std::none_of(text.begin(), text.end(), [](char c) { return c >= 'a' && c <= 'z'; });
}

void append_url_escaped(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  for (const char c : text) {
    if (is_unreserved(c)) {
      out.push_back(c);
      continue;
    }
    const auto byte = static_cast<std::uint8_t>(c);
    out.push_back('%');
    out.push_back(kHex[byte >> 4U]);
    out.push_back(kHex[byte & 15U]);
  }
}

}  // namespace spreadwatch
