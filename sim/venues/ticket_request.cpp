#include "sim/venues/ticket_request.h"

#include <nlohmann/json.hpp>

namespace spreadwatch::sim {
namespace {

bool flag(const nlohmann::json& object, const char* name) {
  const auto at = object.find(name);
  return at != object.end() && at->is_boolean() && at->get<bool>();
}

TicketRequest::Type parse_type(const nlohmann::json& object) {
  TicketRequest::Type type;
  if (const auto at = object.find("type"); at != object.end() && at->is_string()) {
    type.type = at->get<std::string>();
  }
  if (const auto at = object.find("codes"); at != object.end() && at->is_array()) {
    type.codes.emplace();
    for (const nlohmann::json& code : *at) {
      if (code.is_string()) type.codes->push_back(code.get<std::string>());
    }
  }
  if (const auto at = object.find("level"); at != object.end() && !at->is_null()) {
    if (at->is_number()) {
      type.level = at->get<double>();
    } else {
      type.bad_level = true;
    }
  }
  type.snake_only_snapshot = flag(object, "is_only_snapshot");
  type.snake_only_realtime = flag(object, "is_only_realtime");
  type.camel_only_snapshot = flag(object, "isOnlySnapshot");
  type.camel_only_realtime = flag(object, "isOnlyRealtime");
  return type;
}

}  // namespace

TicketRequest parse_ticket_request(std::string_view text) {
  TicketRequest request;
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_array()) return request;
  for (const nlohmann::json& object : json) {
    if (!object.is_object()) return request;
  }
  request.well_formed = true;
  for (const nlohmann::json& object : json) {
    // One object may carry the ticket and the type; some clients send it so.
    bool control = false;
    if (const auto at = object.find("ticket"); at != object.end()) {
      control = true;
      if (at->is_string()) request.ticket = at->get<std::string>();
    }
    if (const auto at = object.find("method"); at != object.end() && at->is_string()) {
      control = true;
      request.method = at->get<std::string>();
    }
    if (const auto at = object.find("format"); at != object.end() && at->is_string()) {
      control = true;
      request.format = at->get<std::string>();
    }
    if (!control || object.contains("type")) request.types.push_back(parse_type(object));
  }
  return request;
}

}  // namespace spreadwatch::sim
