#include "tests/fuzz/json_tree.h"

namespace spreadwatch::fuzz {
namespace {

constexpr int kMaxDepth = 400;

class TreeReader {
 public:
  explicit TreeReader(std::string_view text) : text_(text) {}

  bool read_all(JsonTree& out) {
    if (!read(out, 0)) return false;
    skip();
    return at_ == text_.size();
  }

 private:
  void skip() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\r')) {
      ++at_;
    }
  }
  bool take(char c) {
    skip();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  bool read(JsonTree& out, int depth) {
    if (depth > kMaxDepth) return false;
    if (take('{')) return read_items(out, JsonTree::Kind::kObject, '}', depth);
    if (take('[')) return read_items(out, JsonTree::Kind::kArray, ']', depth);
    return read_scalar(out.text);
  }

  bool read_items(JsonTree& out, JsonTree::Kind kind, char end, int depth) {
    out.kind = kind;
    if (take(end)) return true;
    do {
      auto& [key, value] = out.items.emplace_back();
      if (kind == JsonTree::Kind::kObject && !(read_scalar(key) && take(':'))) return false;
      if (!read(value, depth + 1)) return false;
    } while (take(','));
    return take(end);
  }

  bool read_scalar(std::string& out) {
    skip();
    const std::size_t start = at_;
    if (at_ < text_.size() && text_[at_] == '"') {
      for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
        if (text_[at_] == '\\') ++at_;
      }
      if (at_ >= text_.size()) return false;
      ++at_;
    } else {
      at_ = std::min(text_.find_first_of(",:[]{}\" \t\r", at_), text_.size());
    }
    out.assign(text_.substr(start, at_ - start));
    return at_ > start;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

std::optional<JsonTree> parse_tree(std::string_view text) {
  JsonTree tree;
  if (!TreeReader{text}.read_all(tree)) return std::nullopt;
  return tree;
}

void write_tree(const JsonTree& tree, std::string& out) {
  if (tree.kind == JsonTree::Kind::kScalar) {
    out += tree.text;
    return;
  }
  const bool object = tree.kind == JsonTree::Kind::kObject;
  out.push_back(object ? '{' : '[');
  bool first = true;
  for (const auto& [key, value] : tree.items) {
    if (!first) out.push_back(',');
    first = false;
    if (object) {
      out += key.empty() ? "\"\"" : key;
      out.push_back(':');
    }
    write_tree(value, out);
  }
  out.push_back(object ? '}' : ']');
}

JsonTree* member(JsonTree& tree, std::string_view key) {
  if (tree.kind != JsonTree::Kind::kObject) return nullptr;
  for (auto& [name, value] : tree.items) {
    if (name.size() == key.size() + 2 && std::string_view{name}.substr(1, key.size()) == key) {
      return &value;
    }
  }
  return nullptr;
}

}  // namespace spreadwatch::fuzz
