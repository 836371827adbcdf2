#pragma once

#include <span>
#include <string>
#include <string_view>

namespace spreadwatch {

/// What stands in the place of a secret.
inline constexpr std::string_view kHidden = "***";

/// Whether a setting, property or query parameter of this name holds something that nobody but the
/// other end may see: `sasl.password`, `api_key`, `token`, …
bool is_secret_name(std::string_view name);

/// `value`, taken as one address or setting, without user information (`user:pass@`) and without
/// the values of parameters with a secret's name (`?token=…`): `***` stands in their place.
std::string without_credentials(std::string_view value);

/// Makes these values secret for the life of the process: without_secrets() hides each wherever it
/// stands. At most a thousand are kept; shorter than 4 bytes ones are hidden only where no letter
/// or digit touches them. Threads: any.
void keep_secrets(std::span<const std::string> values);

/// `text` as it may be shown to anyone: without_credentials() of every word, and without the values
/// that were kept. Threads: any.
std::string without_secrets(std::string_view text);

}  // namespace spreadwatch
