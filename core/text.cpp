#include "core/text.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace spreadwatch {
namespace {

struct CodePoint {
  char32_t value = 0;
  std::size_t bytes = 0;  // 0: the first byte begins no UTF-8 sequence
};

CodePoint first_of(std::string_view text) {
  const auto byte = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  constexpr std::array<char32_t, 5> kLeast = {0, 0, 0x80, 0x800, 0x10000};
  if (lead < 0xc2 || lead > 0xf4 || text.size() < size) return {};
  char32_t value = lead & (0x7fU >> size);
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0U) != 0x80U) return {};
    value = (value << 6U) | (byte(i) & 0x3fU);
  }
  if (value < kLeast[size] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) return {};
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

}  // namespace

bool valid_utf8(std::string_view text) {
  while (!text.empty()) {
    const CodePoint next = first_of(text);
    if (next.bytes == 0) return false;
    text.remove_prefix(next.bytes);
  }
  return true;
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
