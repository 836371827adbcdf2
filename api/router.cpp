#include "api/router.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "api/routes/patterns.h"
#include "core/text.h"

namespace spreadwatch::api {
namespace {

/// Percent-decoding of a path segment or a form value; nullopt when an escape is broken, or what
/// comes out is no UTF-8.
std::optional<std::string> decoded(std::string_view text, bool plus_is_space) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_space) {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      unsigned value = 0;
      if (i + 2 >= text.size()) return std::nullopt;
      const char* const begin = text.data() + i + 1;
      if (std::from_chars(begin, begin + 2, value, 16).ptr != begin + 2) return std::nullopt;
      out += static_cast<char>(value);
      i += 2;
    }
  }
  if (!is_utf8(out)) return std::nullopt;
  return out;
}

bool matches(std::string_view pattern, std::string_view value) {
  if (pattern.empty()) return true;
  if (pattern == kAssetPattern) return is_asset(value);
  if (pattern == kDepthPattern) {
    return !value.empty() && value.size() <= 4 && value.front() != '0' &&
           std::all_of(value.begin(), value.end(), [](char c) { return c >= '0' && c <= '9'; });
  }
  if (pattern == kAmountPattern) {
    const auto digits = [](std::string_view text, std::size_t most) {
      return !text.empty() && text.size() <= most &&
             std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
    };
    const auto amount = split_text(value, '.');
    return amount.size() <= 2 && digits(amount[0], 9) &&
           (amount.size() == 1 || digits(amount[1], 8));
  }
  const auto parts = split_text(value, '-');
  return parts.size() == 2 && is_asset(parts[0]) && is_asset(parts[1]);
}

/// The template's `{name}` segments taken from a path; nullopt when the path is not of the
/// template.
std::optional<std::vector<std::pair<std::string_view, std::string_view>>> match_path(
    std::string_view path_template, std::string_view path) {
  const auto wanted = split_text(path_template, '/');
  const auto given = split_text(path, '/');
  if (wanted.size() != given.size()) return std::nullopt;
  std::vector<std::pair<std::string_view, std::string_view>> captured;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i].starts_with('{')) {
      if (given[i].empty()) return std::nullopt;
      captured.emplace_back(wanted[i].substr(1, wanted[i].size() - 2), given[i]);
    } else if (wanted[i] != given[i]) {
      return std::nullopt;
    }
  }
  return captured;
}

/// Why a value is not as its parameter describes it.
std::optional<Response> check(const Parameter& parameter, std::string_view value) {
  const std::string name{parameter.name};
  if (!parameter.values.empty() && std::find(parameter.values.begin(), parameter.values.end(),
                                             value) == parameter.values.end()) {
    if (parameter.in == Parameter::In::kPath) {
      return problem(404, "unknown_venue", "there is no venue '" + std::string{value} + "'");
    }
    std::string allowed;
    for (const std::string_view v : parameter.values) {
      if (!allowed.empty()) allowed += ", ";
      allowed += v;
    }
    return problem(400, "invalid_parameter",
                   "'" + name + "' is '" + std::string{value} + "', not one of " + allowed);
  }
  if (matches(parameter.pattern, value)) return std::nullopt;
  if (parameter.in == Parameter::In::kPath) {
    return problem(404, "unknown_symbol", "'" + std::string{value} + "' is not a market's name");
  }
  return problem(400, "invalid_parameter",
                 "'" + name + "' is '" + std::string{value} + "', which does not match " +
                     std::string{parameter.pattern});
}

/// Adds one; the problem when it is not as the route describes it.
std::optional<Response> add(Arguments& arguments, const Route& route, Parameter::In in,
                            std::string_view raw_name, std::string_view raw_value) {
  const bool query = in == Parameter::In::kQuery;
  const auto name = decoded(raw_name, query);
  const auto value = decoded(raw_value, query);
  if (!name || !value) return problem(400, "malformed_uri", "a percent escape is broken");
  const auto known =
      std::find_if(route.parameters.begin(), route.parameters.end(),
                   [&](const Parameter& p) { return p.in == in && p.name == *name; });
  if (known == route.parameters.end()) {
    return problem(400, "unknown_parameter", "there is no query parameter '" + *name + "' here");
  }
  if (!arguments.add(*name, *value)) {
    return problem(400, "invalid_parameter", "'" + *name + "' is given more than once");
  }
  for (const std::string_view one :
       known->list ? split_text(*value, ',') : std::vector<std::string_view>{*value}) {
    if (auto bad = check(*known, one)) return bad;
  }
  return std::nullopt;
}

/// Which methods the rows of one path answer to, as the Allow header has them.
std::string allowed_methods(std::span<const Route> table, std::string_view path) {
  std::string allowed;
  for (const Route& route : table) {
    if (!match_path(route.path, path)) continue;
    if (!allowed.empty()) allowed += ", ";
    allowed += to_string(route.method);
    if (route.method == Route::Method::kGet) allowed += ", HEAD";
  }
  return allowed;
}

Response method_not_allowed(std::string allowed) {
  std::string named = allowed;
  if (const auto last = named.rfind(", "); last != std::string::npos)
    named.replace(last, 2, " and ");
  Response refused = problem(405, "method_not_allowed", "this answers to " + named + " only");
  refused.allow = std::move(allowed);
  return refused;
}

}  // namespace

Router::Router(std::vector<config::VenueSettings> venues, const Store& store, const Clock& clock,
               Providers providers, std::span<const Route> table)
    : context_{std::move(venues), store, clock, std::move(providers)}, table_(table) {}

Response Router::answer(const Request& request) const {
  bool known_path = false;
  for (const Route& route : table_) {
    const auto captured = match_path(route.path, request.path);
    if (!captured) continue;
    known_path = true;
    if (request.method != to_string(route.method)) continue;
    if (route.needs_token && !request.authorized) {
      return problem(401, "unauthorized", "this needs the token");
    }
    Arguments arguments;
    for (const auto& [name, value] : *captured) {
      if (auto bad = add(arguments, route, Parameter::In::kPath, name, value)) return *bad;
    }
    for (const std::string_view pair : split_text(request.query, '&')) {
      if (pair.empty()) continue;
      const std::size_t equals = std::min(pair.find('='), pair.size());
      const std::string_view value = pair.substr(std::min(equals + 1, pair.size()));
      if (auto bad = add(arguments, route, Parameter::In::kQuery, pair.substr(0, equals), value)) {
        return *bad;
      }
    }
    for (const Parameter& parameter : route.parameters) {
      if (parameter.required && arguments.find(parameter.name) == nullptr) {
        return problem(400, "invalid_parameter",
                       "'" + std::string{parameter.name} + "' is missing");
      }
    }
    return route.handler(context_, request, arguments, route);
  }
  if (known_path) return method_not_allowed(allowed_methods(table_, request.path));
  return problem(404, "unknown_route", "there is nothing here; /openapi.json lists what there is");
}

}  // namespace spreadwatch::api
