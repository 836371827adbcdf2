#include "core/secrets.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <mutex>
#include <shared_mutex>
#include <vector>

namespace spreadwatch {
namespace {

constexpr std::size_t kMaxKept = 1000;
constexpr std::size_t kShort = 4;

struct Kept {
  std::shared_mutex mutex;
  std::vector<std::string> values;  // longest first, so that no part of another is hidden before it
};

// Never destroyed: threads of libraries may log while the process exits.
Kept& kept() {
  static Kept& only = *new Kept;
  return only;
}

bool is_alphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_name_char(char c) { return is_alphanumeric(c) || c == '_' || c == '-' || c == '.'; }

/// `text` without what follows `name=`, for names of secrets.
std::string without_parameters(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t equals = text.find('=', at);
    if (equals == std::string_view::npos) {
      out += text.substr(at);
      break;
    }
    std::size_t begin = equals;
    while (begin > at && is_name_char(text[begin - 1])) --begin;
    out += text.substr(at, equals + 1 - at);
    at = equals + 1;
    if (!is_secret_name(text.substr(begin, equals - begin))) continue;
    const std::size_t end = std::min(text.find_first_of("&;#", at), text.size());
    if (end > at) out += kHidden;
    at = end;
  }
  return out;
}

void hide(std::string& text, const std::string& secret) {
  for (std::size_t at = 0; (at = text.find(secret, at)) != std::string::npos;) {
    const std::size_t end = at + secret.size();
    const bool touched = (at > 0 && is_alphanumeric(text[at - 1])) ||
                         (end < text.size() && is_alphanumeric(text[end]));
    if (secret.size() < kShort && touched) {
      at = end;
      continue;
    }
    text.replace(at, secret.size(), kHidden);
    at += kHidden.size();
  }
}

}  // namespace

bool is_secret_name(std::string_view name) {
  std::string lower{name};
  std::ranges::transform(lower, lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  constexpr std::array<std::string_view, 11> kParts = {
      "token",     "secret",     "password", "passwd",  "pwd", "key",
      "signature", "credential", "auth",     "session", "jaas"};
  constexpr std::array<std::string_view, 5> kWhole = {"sig", "app_id", "appid", "pass", "pw"};
  return std::ranges::find(kWhole, lower) != kWhole.end() ||
         std::ranges::any_of(
             kParts, [&](std::string_view part) { return lower.find(part) != std::string::npos; });
}

std::string without_credentials(std::string_view value) {
  const std::size_t at = value.rfind('@');
  if (at == std::string_view::npos) return without_parameters(value);
  // To the last @, so that a password that should have been encoded is hidden as a whole.
  std::size_t begin = value.find("://");
  if (begin < at) {
    begin += 3;
  } else if (value.substr(0, at).find(':') != std::string_view::npos) {
    begin = 0;
  } else {
    return without_parameters(value);
  }
  return std::string{value.substr(0, begin)}.append(kHidden).append(
      without_parameters(value.substr(at)));
}

void keep_secrets(std::span<const std::string> values) {
  Kept& all = kept();
  const std::unique_lock lock(all.mutex);
  for (const std::string& value : values) {
    if (value.empty() || all.values.size() >= kMaxKept) continue;
    if (std::ranges::find(all.values, value) == all.values.end()) all.values.push_back(value);
  }
  std::ranges::stable_sort(all.values, std::ranges::greater{}, &std::string::size);
}

std::string without_secrets(std::string_view text) {
  // The values first: what is hidden of a word must not leave a part of a value that went beyond.
  std::string plain{text};
  {
    Kept& all = kept();
    const std::shared_lock lock(all.mutex);
    for (const std::string& secret : all.values) hide(plain, secret);
  }
  if (plain.find_first_of("@=") == std::string::npos) return plain;
  constexpr std::string_view kBetweenWords = " \t\r\n\v\f\"'<>";
  std::string out;
  const std::string_view rest{plain};
  for (std::size_t at = 0; at < rest.size();) {
    const std::size_t word = std::min(rest.find_first_not_of(kBetweenWords, at), rest.size());
    const std::size_t end = std::min(rest.find_first_of(kBetweenWords, word), rest.size());
    out += rest.substr(at, word - at);
    out += without_credentials(rest.substr(word, end - word));
    at = end;
  }
  return out;
}

}  // namespace spreadwatch
