#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace spreadwatch {

/// Whether the bytes are UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above
/// U+10FFFF.
bool valid_utf8(std::string_view text);

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
