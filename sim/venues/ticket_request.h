#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// The request frame that Upbit invented and Bithumb copied: a JSON array of a ticket, one object
/// per type, and an optional format. What is an error, and which, differs between the two.
namespace spreadwatch::sim {

struct TicketRequest {
  struct Type {
    std::optional<std::string> type;
    std::optional<std::vector<std::string>> codes;
    bool snake_only_snapshot = false;
    bool snake_only_realtime = false;
    bool camel_only_snapshot = false;
    bool camel_only_realtime = false;
    std::optional<double> level;
    bool bad_level = false;  ///< present, but no number
  };

  bool well_formed = false;  ///< JSON, and an array of objects
  std::optional<std::string> ticket;
  std::optional<std::string> method;  ///< e.g. LIST_SUBSCRIPTIONS
  std::optional<std::string> format;
  std::vector<Type> types;  ///< objects that are neither ticket, format nor method
};

TicketRequest parse_ticket_request(std::string_view text);

}  // namespace spreadwatch::sim
