#include "publish/asyncapi.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "publish/schemas.h"
#include "publish/topics.h"

namespace spreadwatch::publish {
namespace {

using Json = nlohmann::ordered_json;

bool is_plain(std::string_view key) {
  return !key.empty() && std::ranges::all_of(key, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
  });
}

/// Block style; lists of scalars in one line, scalars as in JSON, which is YAML.
void append_yaml(std::string& out, const Json& value, std::size_t indent) {
  const std::string margin(indent, ' ');
  const auto append_child = [&](const Json& child) {
    const bool flat = child.is_array() && std::ranges::none_of(child, [](const Json& item) {
                        return item.is_structured();
                      });
    if (!child.is_structured() || child.empty() || flat) {
      out += ' ' + child.dump() + '\n';
    } else {
      out += '\n';
      append_yaml(out, child, indent + 2);
    }
  };
  if (value.is_object()) {
    for (const auto& [key, child] : value.items()) {
      out += margin + (is_plain(key) ? key : Json(key).dump()) + ':';
      append_child(child);
    }
    return;
  }
  for (const Json& item : value) {
    out += margin + '-';
    append_child(item);
  }
}

Json text(std::string_view description) {
  return {{"type", "string"}, {"description", description}};
}

/// The CloudEvents headers, of a record type.
Json headers_of(std::string_view type) {
  return {{"type", "object"},
          {"required",
           {"ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "ce_subject",
            "ce_dataschema", "content-type"}},
          {"properties",
           {{"ce_specversion", {{"const", "1.0"}}},
            {"ce_id", text("The same content has the same id, also when it is sent again.")},
            {"ce_source", text("/spreadwatch/ and the topic without its prefix.")},
            {"ce_type", {{"const", "spreadwatch." + std::string{type}}}},
            {"ce_time", {{"type", "string"}, {"format", "date-time"}}},
            {"ce_subject", text("The record's key.")},
            {"ce_dataschema", {{"const", schema_id(type)}}},
            {"content-type", {{"const", "application/json"}}}}}};
}

std::string_view key_of(const TopicIdentity& topic) {
  switch (topic.id) {
    case TopicId::kFx:
      return "Currency pair.";
    case TopicId::kDeadLetter:
      return "Venue.";
    case TopicId::kAlert:
      return "Rule.";
    default:
      return topic.partitioning == Partitioning::kVenue ? "`venue:BASE-QUOTE`." : "Asset.";
  }
}

std::string_view partition_of(Partitioning partitioning) {
  switch (partitioning) {
    case Partitioning::kVenue:
      return "The partition is the venue's place among all venues of its region.";
    case Partitioning::kKey:
      return "Partitioned by key as Java clients do it (murmur2).";
    case Partitioning::kSingle:
      return "One partition.";
  }
  return {};
}

Json message_of(const TopicIdentity& topic) {
  Json schema = Json::parse(schema_of(topic.type));
  const Json format = "application/schema+json;version=draft-2020-12";
  return {{"name", topic.type},
          {"contentType", "application/json"},
          {"headers", headers_of(topic.type)},
          {"payload", {{"schemaFormat", format}, {"schema", std::move(schema)}}},
          {"bindings", {{"kafka", {{"key", text(key_of(topic))}, {"bindingVersion", "0.5.0"}}}}}};
}

Json reference(const std::string& pointer) { return {{"$ref", pointer}}; }

}  // namespace

std::string asyncapi_document(std::string_view prefix) {
  Json channels = Json::object();
  Json operations = Json::object();
  Json messages = Json::object();
  for (const TopicIdentity& topic : kTopics) {
    if (!has_schema(topic.type)) continue;  // nothing is sent there
    const std::string name{topic.name};
    const std::string type{topic.type};
    const auto kept = std::chrono::milliseconds{topic.kept}.count();
    channels[name] = {{"address", std::string{prefix} + name},
                      {"description", partition_of(topic.partitioning)},
                      {"messages", {{type, reference("#/components/messages/" + type)}}},
                      {"bindings",
                       {{"kafka",
                         {{"partitions", topic.partitions},
                          {"topicConfiguration", {{"retention.ms", kept}}},
                          {"bindingVersion", "0.5.0"}}}}}};
    const std::string channel = "#/channels/" + name;
    std::string message = channel;
    message.append("/messages/").append(type);
    operations["send." + name] = {{"action", "send"},
                                  {"channel", reference(channel)},
                                  {"messages", Json::array({reference(message)})}};
    if (!messages.contains(type)) messages[type] = message_of(topic);
  }
  const Json document{
      {"asyncapi", "3.0.0"},
      {"info",
       {{"title", "spreadwatch"},
        {"version", "1"},
        {"description",
         "Cross-region spot premiums and whether they can be earned, as records in Kafka. Times "
         "are Unix epoch with the unit in the name, rates are fractions, what is absent is null. "
         "Schemas are open: fields may be added within a version."}}},
      {"defaultContentType", "application/json"},
      {"channels", std::move(channels)},
      {"operations", std::move(operations)},
      {"components", {{"messages", std::move(messages)}}}};
  std::string out = "# Made from the tables in publish/ that the records are made from.\n";
  append_yaml(out, document, 0);
  return out;
}

}  // namespace spreadwatch::publish
