#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/text.h"

/// Number and time spelling of the simulated venues, written for the simulator alone: the service's
/// parsers must not be tested against their own formatter.
namespace spreadwatch::sim {

/// `value` x 10^-decimals with exactly `shown` fraction digits (`shown` >= `decimals`; -1 =
/// `decimals`): (1234, 2) = "12.34", (1200, 2, 8) = "12.00000000", (5, 0) = "5".
std::string fixed(std::int64_t value, int decimals, int shown = -1);

/// The same without trailing zeros: (1200, 2) = "12", (1230, 2) = "12.3", (0, 8) = "0".
std::string trimmed(std::int64_t value, int decimals);
inline std::string trimmed(int value, int decimals) {
  return trimmed(static_cast<std::int64_t>(value), decimals);
}

/// As Java's Double.toString after trimming: plain below 10^7 ("12.3", "116539.0"), else an
/// exponent
/// ("1.16539E8"); below 10^-3 "7.9276E-4".
std::string java_double(std::int64_t value, int decimals);

/// `value` x 10^-decimals as a double; the nearest one.
double to_double(std::int64_t value, int decimals);

/// A double with `decimals` fraction digits, rounded half away from zero.
std::string fixed(double value, int decimals);
/// The same without trailing zeros; "-0" is written "0".
std::string trimmed(double value, int decimals);

/// "2026-09-24T03:54:28.829165Z".
std::string rfc3339_micros(std::int64_t unix_us);
/// "20260924", "035428" and "2026-09-24" of a Unix time in ms (UTC; add an offset for KST).
std::string date_compact(std::int64_t unix_ms);
std::string time_compact(std::int64_t unix_ms);
std::string date_dashed(std::int64_t unix_ms);

/// "abc" with quotes and JSON escapes. Write sim::quoted for a std::string where <iomanip> is
/// about.
std::string quoted(std::string_view text);

/// Writes one JSON object in the order of the calls; real venues have a key order and clients that
/// depend on it.
class JsonObject {
 public:
  /// `json` is written as it is.
  JsonObject& raw(std::string_view key, std::string_view json);
  JsonObject& text(std::string_view key, std::string_view value) { return raw(key, quoted(value)); }
  JsonObject& number(std::string_view key, std::int64_t value) {
    return raw(key, std::to_string(value));
  }
  JsonObject& boolean(std::string_view key, bool value) {
    return raw(key, value ? "true" : "false");
  }
  /// The finished object.
  [[nodiscard]] std::string str() const { return body_ + '}'; }

 private:
  std::string body_ = "{";
};

/// Writes one JSON array of finished elements.
class JsonArray {
 public:
  JsonArray& add(std::string_view json);
  [[nodiscard]] std::string str() const { return body_ + ']'; }

 private:
  std::string body_ = "[";
};

}  // namespace spreadwatch::sim
