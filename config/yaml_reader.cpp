#include "config/yaml_reader.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <sstream>

#include "core/secrets.h"
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
  const auto refuse = [&report](int line, std::string message) {
    report.errors->push_back({report.file, line, std::move(message)});
    return std::nullopt;
  };
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);  // a byte order mark
  int line = 1;
  for (std::string_view rest = text; !rest.empty(); ++line) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    if (!is_utf8(rest.substr(0, end))) return refuse(line, "must be UTF-8");
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(std::string{text});
    if (documents.empty() || (documents.size() == 1 && documents.front().IsNull())) {
      return refuse(1, "must be a mapping of keys, but there is nothing in the file");
    }
    if (documents.size() == 1) return documents.front();
    // An empty document has no mark of its own: then it is the end of the one before.
    const YAML::Mark second = documents[1].Mark();
    const YAML::Mark at = second.is_null() ? documents.front().Mark() : second;
    return refuse(at.is_null() ? 1 : at.line + 1, "a second YAML document; a file holds one");
  } catch (const YAML::Exception& e) {
    return refuse(e.mark.is_null() ? 1 : e.mark.line + 1, "not YAML: " + e.msg);
  }
}

void Report::error(const YAML::Node& at, std::string message) const {
  const YAML::Mark mark = at.IsDefined() ? at.Mark() : YAML::Mark::null_mark();
  errors->push_back({file, mark.is_null() ? 1 : mark.line + 1, std::move(message)});
}

std::optional<std::string> Report::resolve(const YAML::Node& scalar, const std::string& path,
                                           Environment from) const {
  const std::string& written = scalar.Scalar();
  if (secrets == nullptr || from == Environment::kNone) return written;
  const auto refuse = [&](const std::string& name, const char* why) {
    std::string message = path;
    error(scalar, message.append(": the environment variable ").append(name).append(why));
    return std::nullopt;
  };
  std::string out;
  for (std::size_t at = 0;;) {
    const std::size_t begin = std::min(written.find("${", at), written.size());
    out.append(written, at, begin - at);
    if (begin == written.size()) return out;
    const std::size_t end = written.find('}', begin);
    const std::string name =
        end == std::string::npos ? "" : written.substr(begin + 2, end - begin - 2);
    const bool named = !name.empty() && (name.front() < '0' || name.front() > '9') &&
                       std::ranges::all_of(name, [](char c) {
                         return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                                (c >= '0' && c <= '9') || c == '_';
                       });
    if (!named) {
      error(scalar, path + ": ${ must be followed by the name of an environment variable and }");
      return std::nullopt;
    }
    const char* const value = std::getenv(name.c_str());
    if (value == nullptr) {
      return refuse(name, " is not set");
    }
    if (!is_utf8(value)) {
      return refuse(name, " is not UTF-8");
    }
    if (from == Environment::kSecret) secrets->emplace_back(value);
    out += value;
    at = end + 1;
  }
}

std::string shown_text(const YAML::Node& scalar) {
  std::string shown = without_credentials(scalar.Scalar());
  // Some sources take their key in the path.
  const std::size_t scheme = shown.find("://");
  const std::size_t path = shown.find('/', scheme == std::string::npos ? scheme : scheme + 3);
  if (scheme != std::string::npos && path != std::string::npos && path + 1 < shown.size()) {
    shown.replace(path + 1, std::string::npos, "…");
  }
  return shown;
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
                   const std::function<std::string(const std::string&)>& check, Environment from) {
  const YAML::Node value = node(key);
  if (!value.IsDefined()) return;
  if (!value.IsScalar()) {
    report_.error(value, path_of(key) + ": must be text");
    return;
  }
  std::optional<std::string> resolved = report_.resolve(value, path_of(key), from);
  if (!resolved) return;
  if (check) {
    const std::string allowed = check(*resolved);
    if (!allowed.empty()) {
      report_.error(value,
                    path_of(key) + ": \"" + shown_text(value) + "\" is not allowed, " + allowed);
      return;
    }
  }
  out = std::move(*resolved);
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
