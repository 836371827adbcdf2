#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// Changes to recorded sessions that keep most of their meaning.
///
/// An input is lines; a line is a head (what the harness needs to know) and, from its first bracket
/// on, a JSON payload. Lines are dropped, repeated and reordered, which makes gaps and snapshots in
/// the middle; payloads change as trees, so that what comes out is nearly always JSON; and numbers
/// change as text, since some venues' checksums are over the text.
namespace spreadwatch::fuzz {

/// libFuzzer's LLVMFuzzerMutate(), or something like it: changes bytes in place within `max`.
using RawMutation = std::size_t (*)(std::uint8_t* data, std::size_t size, std::size_t max);

/// A variant of `text` of at most `max_size` bytes. The same arguments give the same variant,
/// provided that `raw` does.
std::string mutate(std::string_view text, std::size_t max_size, std::uint32_t seed,
                   RawMutation raw);

/// Lines, or parts of lines, of both.
std::string cross_over(std::string_view first, std::string_view second, std::size_t max_size,
                       std::uint32_t seed);

/// Makes sequence numbers follow each other again and Kraken's checksums right, so that a changed
/// book is taken rather than refused.
std::string relink(std::string_view text);

}  // namespace spreadwatch::fuzz
