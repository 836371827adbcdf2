#include <array>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "api/embedded.h"
#include "api/route.h"
#include "core/text.h"
#include "publish/schemas.h"

namespace spreadwatch::api {
namespace {

using Json = nlohmann::ordered_json;

Json parameter_object(const Parameter& parameter) {
  Json value{{"type", "string"}};
  if (!parameter.values.empty()) value["enum"] = parameter.values;
  if (!parameter.pattern.empty()) value["pattern"] = parameter.pattern;
  const bool in_path = parameter.in == Parameter::In::kPath;
  Json object{{"name", parameter.name},
              {"in", in_path ? "path" : "query"},
              {"required", in_path || parameter.required},
              {"description", parameter.description}};
  if (parameter.list) {
    object["schema"] = {{"type", "array"}, {"items", std::move(value)}};
    object["style"] = "form";
    object["explode"] = false;
  } else {
    object["schema"] = std::move(value);
  }
  return object;
}

Json body_of(const Route& route, std::string_view description) {
  Json schema = route.schema.empty()
                    ? Json{{"type", "string"}}
                    : Json{{"$ref", "#/components/schemas/" + std::string{route.schema}}};
  return {{"description", description},
          {"content", {{std::string{route.content_type}, {{"schema", std::move(schema)}}}}}};
}

Json problem_response(std::string_view description) {
  return {
      {"description", description},
      {"content",
       {{"application/problem+json", {{"schema", {{"$ref", "#/components/schemas/Problem"}}}}}}}};
}

Json operation_of(const Route& route) {
  Json responses{{"200", body_of(route, route.summary)}};
  responses["400"] = problem_response("a parameter is unknown, repeated or malformed");
  const auto add = [&](const Route::Outcome& outcome) {
    responses[std::to_string(outcome.status)] = outcome.same_body
                                                    ? body_of(route, outcome.description)
                                                    : problem_response(outcome.description);
  };
  if (route.needs_token) responses["401"] = problem_response("the token is missing or wrong");
  for (const Route::Outcome& refusal : route.refusals) add(refusal);
  responses["413"] = problem_response("the request has too long a body");
  responses["408"] = problem_response("the request did not come whole in time");
  responses["414"] = problem_response("the request target is too long");
  responses["431"] = problem_response("the request line and headers are too long");
  if (route.not_now) add(*route.not_now);
  Json operation{{"operationId", route.operation}, {"summary", route.summary}};
  if (!route.parameters.empty()) {
    Json parameters = Json::array();
    for (const Parameter& p : route.parameters) parameters.push_back(parameter_object(p));
    operation["parameters"] = std::move(parameters);
  }
  if (!route.body_schema.empty()) {
    operation["requestBody"] = {
        {"required", true},
        {"content",
         {{"application/json",
           {{"schema", {{"$ref", "#/components/schemas/" + std::string{route.body_schema}}}}}}}}};
  }
  operation["responses"] = std::move(responses);
  return operation;
}

/// The record types that answers hold, by their names among the components.
struct RecordComponent {
  std::string_view type;
  std::string_view name;
};
constexpr std::array<RecordComponent, 6> kRecordComponents = {{
    {"ticker", "TickerRecord"},
    {"orderbook", "OrderBookRecord"},
    {"fx", "Rate"},
    {"premium", "Premium"},
    {"spread", "Spread"},
    {"opportunity", "Opportunity"},
}};

/// The shapes of the answers, and of the records in them: those are the Kafka topics' own schemas.
Json components() {
  Json schemas = Json::parse(answer_schema_files().front().content);
  for (const RecordComponent& component : kRecordComponents) {
    Json schema = Json::parse(publish::schema_of(component.type));
    // A component is named by its place in this document.
    schema.erase("$schema");
    schema.erase("$id");
    schemas[std::string{component.name}] = std::move(schema);
  }
  return schemas;
}

}  // namespace

std::string openapi_document(std::span<const Route> of) {
  Json paths = Json::object();
  for (const Route& route : of) {
    paths[std::string{route.path}][to_lower(to_string(route.method))] = operation_of(route);
  }
  const Json document{{"openapi", "3.1.0"},
                      {"info",
                       {{"title", "spreadwatch"},
                        {"version", "1"},
                        {"description",
                         "Cross-region spot premiums and whether they can be earned. Times are "
                         "Unix epoch with the unit in "
                         "the name, rates are fractions, what is absent is null. Unknown query "
                         "parameters are refused. HEAD is answered as GET without the body."}}},
                      {"paths", std::move(paths)},
                      {"components", {{"schemas", components()}}}};
  return document.dump(1);
}

}  // namespace spreadwatch::api
