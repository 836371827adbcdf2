#include "core/text.h"

#include <algorithm>
#include <cstdint>

namespace spreadwatch {
namespace {

struct CodePoint {
  char32_t value = 0;
  std::size_t bytes = 0;  // 0: the first byte begins no UTF-8 sequence
};

CodePoint first_of(std::string_view text) {
  const std::size_t size = utf8_length(text);
  if (size == 0) return {};
  const auto byte = [text](std::size_t k) { return static_cast<unsigned char>(text[k]); };
  if (size == 1) return {byte(0), 1};
  char32_t value = byte(0) & (0x7fU >> size);
  for (std::size_t k = 1; k < size; ++k) value = (value << 6U) | (byte(k) & 0x3fU);
  return {value, size};
}

// Characters that are not seen, or that change how others are: C0, DEL, C1, line and paragraph
// separators, direction marks and embeddings, the byte order mark.
bool unseen(char32_t c) {
  return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x061c || (c >= 0x200b && c <= 0x200f) ||
         (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x2069) || c == 0xfeff;
}

constexpr std::string_view kHex = "0123456789abcdef";

void append_escape(std::string& out, char32_t c) {
  switch (c) {
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      break;
  }
  out += c < 0x80 ? "\\x" : "\\u";
  for (int shift = c < 0x80 ? 4 : 12; shift >= 0; shift -= 4) {
    out += kHex[(c >> static_cast<unsigned>(shift)) & 0xfU];
  }
}

/// Spaces of Unicode beyond ASCII.
bool is_space(char32_t c) {
  return c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x202f || c == 0x205f ||
         c == 0x3000;
}

bool is_name_character(char32_t c) {
  if (c >= 0x80) return !unseen(c) && !is_space(c);
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
    const CodePoint next = first_of(text);
    if (next.bytes == 0 || !is_name_character(next.value)) return false;
    if (++characters > kMaxAssetCharacters) return false;
    text.remove_prefix(next.bytes);
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

bool printable_name(std::string_view text, std::size_t max_bytes) {
  if (text.empty() || text.size() > max_bytes) return false;
  while (!text.empty()) {
    const CodePoint next = first_of(text);
    if (next.bytes == 0 || unseen(next.value)) return false;
    text.remove_prefix(next.bytes);
  }
  return true;
}

void append_visible(std::string& out, std::string_view text, std::size_t max_bytes) {
  const std::size_t begin = out.size();
  std::string piece;
  while (!text.empty()) {
    // Most of it is plain.
    const auto plain = std::ranges::find_if_not(text, [](char c) { return c >= ' ' && c < 0x7f; });
    const std::size_t room = max_bytes - (out.size() - begin);
    const std::size_t run = std::min(static_cast<std::size_t>(plain - text.begin()), room);
    out += text.substr(0, run);
    text.remove_prefix(run);
    if (text.empty()) return;
    const CodePoint next = first_of(text);
    const std::size_t used = next.bytes == 0 ? 1 : next.bytes;
    piece.clear();
    if (next.bytes == 0) {
      const auto byte = static_cast<unsigned char>(text.front());
      piece += "\\x";
      piece += kHex[byte >> 4U];
      piece += kHex[byte & 0xfU];
    } else if (unseen(next.value)) {
      append_escape(piece, next.value);
    } else {
      piece = text.substr(0, used);
    }
    if (out.size() - begin + piece.size() > max_bytes) {
      out += "… (" + std::to_string(text.size()) + " more bytes)";
      return;
    }
    out += piece;
    text.remove_prefix(used);
  }
}

std::string visible(std::string_view text, std::size_t max_bytes) {
  std::string out;
  append_visible(out, text, max_bytes);
  return out;
}

}  // namespace spreadwatch
