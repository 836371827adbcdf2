#include "tests/publish/json_schema.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>

namespace spreadwatch::publish {
namespace {

using Json = nlohmann::json;

bool has_type(const Json& value, const std::string& type) {
  if (type == "null") return value.is_null();
  if (type == "boolean") return value.is_boolean();
  if (type == "string") return value.is_string();
  if (type == "array") return value.is_array();
  if (type == "object") return value.is_object();
  if (type == "integer") return value.is_number_integer();
  if (type == "number") return value.is_number();
  return false;
}

class Checker {
 public:
  Checker(const Json& value, std::string where, std::vector<std::string>& errors)
      : value_(value), where_(std::move(where)), errors_(errors) {}

  void check(const Json& schema) {
    if (schema.is_boolean()) {
      if (!schema.get<bool>()) fail("is not allowed");
      return;
    }
    for (const auto& [keyword, rule] : schema.items()) apply(schema, keyword, rule);
  }

 private:
  void fail(const std::string& what) {
    errors_.push_back((where_.empty() ? "/" : where_) + " " + what + ": " +
                      value_.dump().substr(0, 80));
  }
  void expect(bool holds, const std::string& what) {
    if (!holds) fail(what);
  }
  void descend(const Json& schema, const Json& value, const std::string& step) {
    Checker(value, where_ + "/" + step, errors_).check(schema);
  }

  void apply(const Json& schema, const std::string& keyword, const Json& rule) {
    static const std::set<std::string> kSilent = {"$schema", "$id", "title", "description",
                                                  "$defs"};
    if (kSilent.contains(keyword)) return;
    if (keyword == "type") {
      const bool any = rule.is_array()
                           ? std::any_of(rule.begin(), rule.end(),
                                         [&](const Json& t) { return has_type(value_, t); })
                           : has_type(value_, rule);
      expect(any, "is not of type " + rule.dump());
    } else if (keyword == "const") {
      expect(value_ == rule, "is not " + rule.dump());
    } else if (keyword == "enum") {
      expect(std::find(rule.begin(), rule.end(), value_) != rule.end(), "is not in the list");
    } else if (keyword == "minimum") {
      expect(!value_.is_number() || value_ >= rule, "is below " + rule.dump());
    } else if (keyword == "exclusiveMinimum") {
      expect(!value_.is_number() || value_ > rule, "is not above " + rule.dump());
    } else if (keyword == "minLength") {
      expect(!value_.is_string() || value_.get_ref<const std::string&>().size() >= rule,
             "is too short");
    } else if (keyword == "minItems") {
      expect(!value_.is_array() || value_.size() >= rule, "has too few items");
    } else if (keyword == "maxItems") {
      expect(!value_.is_array() || value_.size() <= rule, "has too many items");
    } else if (keyword == "anyOf") {
      any_of(rule);
    } else {
      apply_to_children(schema, keyword, rule);
    }
  }

  void any_of(const Json& rules) {
    for (const Json& rule : rules) {
      if (schema_errors(rule, value_).empty()) return;
    }
    fail("fits none of the alternatives");
  }

  void apply_to_children(const Json& schema, const std::string& keyword, const Json& rule) {
    if (keyword == "required") {
      for (const Json& name : rule) {
        expect(!value_.is_object() || value_.contains(name.get<std::string>()),
               "lacks " + name.dump());
      }
    } else if (keyword == "properties") {
      if (!value_.is_object()) return;
      for (const auto& [name, child] : rule.items()) {
        if (value_.contains(name)) descend(child, value_.at(name), name);
      }
    } else if (keyword == "additionalProperties") {
      if (!value_.is_object()) return;
      for (const auto& [name, child] : value_.items()) {
        if (!schema.at("properties").contains(name)) descend(rule, child, name);
      }
    } else if (keyword == "prefixItems") {
      for (std::size_t i = 0; value_.is_array() && i < std::min(rule.size(), value_.size()); ++i) {
        descend(rule[i], value_[i], std::to_string(i));
      }
    } else if (keyword == "items") {
      const std::size_t first = schema.contains("prefixItems") ? schema["prefixItems"].size() : 0;
      for (std::size_t i = first; value_.is_array() && i < value_.size(); ++i) {
        descend(rule, value_[i], std::to_string(i));
      }
    } else {
      fail("is checked by the unknown keyword " + keyword);
    }
  }

  const Json& value_;
  const std::string where_;
  std::vector<std::string>& errors_;
};

}  // namespace

std::vector<std::string> schema_errors(const Json& schema, const Json& value,
                                       const std::string& where) {
  std::vector<std::string> errors;
  Checker(value, where, errors).check(schema);
  return errors;
}

namespace {

/// Closes every object of the schema.
void close(Json& schema) {
  if (schema.is_object() && schema.contains("properties")) schema["additionalProperties"] = false;
  for (Json& child : schema) {
    if (child.is_structured()) close(child);
  }
}

}  // namespace

Json load_schema(const std::string& type) {
  std::ifstream file(std::string{SPREADWATCH_SOURCE_DIR} + "/publish/schema/" + type + ".json");
  return Json::parse(file);
}

Json load_closed_schema(const std::string& type) {
  Json schema = load_schema(type);
  close(schema);
  return schema;
}

}  // namespace spreadwatch::publish
