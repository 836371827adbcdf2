#include "config/yaml_reader.h"

#include <charconv>
#include <cmath>
#include <sstream>

#include "core/text.h"

namespace spreadwatch::config {
namespace {

std::string plain(double value) {
  std::ostringstream text;
  text << value;
  return text.str();
}

/// Parses the whole scalar or nothing; quoted scalars are text, not numbers.
template <class T>
std::optional<T> parse_scalar(const YAML::Node& node) {
  if (!node.IsScalar() || node.Tag() == "!") return std::nullopt;
  const std::string& text = node.Scalar();
  T value{};
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec != std::errc{} || result.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::optional<YAML::Node> parse_yaml(std::string_view text, const Report& report) {
  int line = 1;
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t length = utf8_length(rest);
    if (length == 0) {
      report.errors->push_back({report.file, line, "not UTF-8"});
      return std::nullopt;
    }
    if (rest.front() == '\n') ++line;
    rest.remove_prefix(length);
  }
  try {
    return YAML::Load(std::string{text});
  } catch (const YAML::Exception& e) {
    report.errors->push_back(
        {report.file, e.mark.is_null() ? 0 : e.mark.line + 1, "not YAML: " + e.msg});
    return std::nullopt;
  }
}

void Report::error(const YAML::Node& at, std::string message) const {
  const YAML::Mark mark = at.Mark();
  errors->push_back({file, mark.is_null() ? 0 : mark.line + 1, std::move(message)});
}

Mapping::Mapping(const YAML::Node& node, std::string path, const Report& report)
    : node_(node.IsDefined() ? node : YAML::Node{}), path_(std::move(path)), report_(report) {
  // Node::operator= would write through to the document; reset() only points elsewhere.
  if (node_.IsNull()) return;
  if (!node_.IsMap()) {
    report_.error(node_, (path_.empty() ? "the file" : path_) + ": must be a mapping of keys");
    node_.reset();
    return;
  }
  std::set<std::string> seen;
  for (const auto& entry : node_) {
    if (!entry.first.IsScalar()) {
      report_.error(entry.first, path_of("?") + ": a key must be plain text");
    } else if (!seen.insert(entry.first.Scalar()).second) {
      report_.error(entry.first, path_of(entry.first.Scalar()) + ": named twice");
    }
  }
}

std::string Mapping::path_of(std::string_view key) const {
  return path_.empty() ? std::string{key} : path_ + "." + std::string{key};
}

YAML::Node Mapping::node(const char* key) {
  known_.insert(key);
  if (!node_.IsMap()) return YAML::Node{YAML::NodeType::Undefined};
  const YAML::Node& constant = node_;
  return constant[key];
}

bool Mapping::has(const char* key) const {
  const YAML::Node& constant = node_;
  return node_.IsMap() && constant[key].IsDefined();
}

void Mapping::number(const char* key, double& out, double min, double max) {
  const YAML::Node value = node(key);
  if (!value.IsDefined()) return;
  const std::optional<double> parsed = parse_scalar<double>(value);
  if (!parsed || !std::isfinite(*parsed)) {
    report_.error(value,
                  path_of(key) + ": must be a number from " + plain(min) + " to " + plain(max));
  } else if (*parsed < min || *parsed > max) {
    report_.error(value, path_of(key) + ": " + value.Scalar() + " is out of range, allowed " +
                             plain(min) + " to " + plain(max));
  } else {
    out = *parsed;
  }
}

void Mapping::integer(const char* key, std::int64_t& out, std::int64_t min, std::int64_t max) {
  const YAML::Node value = node(key);
  if (!value.IsDefined()) return;
  const std::string range = std::to_string(min) + " to " + std::to_string(max);
  const std::optional<std::int64_t> parsed = parse_scalar<std::int64_t>(value);
  if (!parsed) {
    report_.error(value, path_of(key) + ": must be a whole number from " + range);
  } else if (*parsed < min || *parsed > max) {
    report_.error(value,
                  path_of(key) + ": " + value.Scalar() + " is out of range, allowed " + range);
  } else {
    out = *parsed;
  }
}

void Mapping::boolean(const char* key, bool& out) {
  const YAML::Node value = node(key);
  if (!value.IsDefined()) return;
  if (value.IsScalar() && (value.Scalar() == "true" || value.Scalar() == "false")) {
    out = value.Scalar() == "true";
  } else {
    report_.error(value, path_of(key) + ": must be true or false");
  }
}

void Mapping::text(const char* key, std::string& out,
                   const std::function<std::string(const std::string&)>& check) {
  const YAML::Node value = node(key);
  if (!value.IsDefined()) return;
  if (!value.IsScalar()) {
    report_.error(value, path_of(key) + ": must be text");
    return;
  }
  if (check) {
    const std::string allowed = check(value.Scalar());
    if (!allowed.empty()) {
      report_.error(value,
                    path_of(key) + ": \"" + value.Scalar() + "\" is not allowed, " + allowed);
      return;
    }
  }
  out = value.Scalar();
}

void Mapping::finish() const {
  if (!node_.IsMap()) return;
  for (const auto& entry : node_) {
    if (!entry.first.IsScalar() || known_.contains(entry.first.Scalar())) continue;
    std::string allowed;
    for (const std::string& key : known_) allowed += (allowed.empty() ? "" : ", ") + key;
    report_.error(entry.first,
                  path_of(entry.first.Scalar()) + ": unknown key, allowed here: " + allowed);
  }
}

}  // namespace spreadwatch::config
