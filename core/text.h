#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace spreadwatch {

/// Length in bytes of the well-formed UTF-8 sequence that `text` starts with; 0 when it starts with
/// none, or is empty.
std::size_t utf8_length(std::string_view text);

/// Whether the bytes are UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above
/// U+10FFFF.
bool is_utf8(std::string_view text);

/// The letters A to Z in the other case. Every other byte stays as it is, so that a name in any
/// script stays that name whatever the locale says.
std::string to_upper(std::string_view text);
std::string to_lower(std::string_view text);

/// Characters that an asset's name may have, however many bytes they take.
inline constexpr std::size_t kMaxAssetCharacters = 20;

/// Whether the text can be an asset's name: up to kMaxAssetCharacters letters, digits, `.`, `$` and
/// characters beyond ASCII, in well-formed UTF-8. Venues do list names in other scripts. What they
/// join names with (`-`, `_`, `/` and the like), white space, quotes and control characters are no
/// part of one.
bool is_asset(std::string_view text);
/// As is_asset(), and without lower case letters a to z: a canonical name.
bool is_canonical_asset(std::string_view text);

/// Whether a URL can carry the character as it is, wherever it stands (RFC 3986, unreserved).
constexpr bool is_unreserved(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_' || c == '.' || c == '~';
}
/// Appends `text` percent-encoded but for its unreserved characters.
void append_url_escaped(std::string& out, std::string_view text);

/// Whether a name from outside can stand in records, addresses and on a terminal as it is: valid
/// UTF-8 of 1 to `max_bytes` bytes in which a reader sees every character: no control characters,
/// no line separators, no marks that turn the direction of writing.
bool printable_name(std::string_view text, std::size_t max_bytes);

/// Appends `text` as one line that shows everything that is in it: control characters, line
/// separators, direction marks and bytes that are not UTF-8 become `\n`, `\r`, `\t`, `\x1b`,
/// `\u202e`, `\xff`. What would be longer than `max_bytes` ends in `… (N more bytes)`, which is not
/// counted; N is of `text`.
void append_visible(std::string& out, std::string_view text, std::size_t max_bytes);

/// Long enough for every sentence of ours, short enough for a line of a log.
inline constexpr std::size_t kVisibleBytes = 2000;

/// append_visible() as a value.
std::string visible(std::string_view text, std::size_t max_bytes = kVisibleBytes);

}  // namespace spreadwatch
