#include "tests/fuzz/mutator.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <functional>
#include <iterator>
#include <map>
#include <optional>
#include <utility>

#include "tests/fuzz/json_tree.h"

namespace spreadwatch::fuzz {
namespace {

using Kind = JsonTree::Kind;

/// xorshift64*: small, and the same everywhere.
class Random {
 public:
  explicit Random(std::uint64_t seed)
      : state_(seed * 0x9E3779B97F4A7C15ULL + 0x632BE59BD9B4E019ULL) {
    if (state_ == 0) state_ = 1;
    next();
  }
  std::uint64_t next() {
    state_ ^= state_ >> 12U;
    state_ ^= state_ << 25U;
    state_ ^= state_ >> 27U;
    return (state_ * 0x2545F4914F6CDD1DULL) >> 16U;
  }
  /// 0 to n - 1; 0 when n is 0.
  std::size_t below(std::size_t n) { return n == 0 ? 0 : next() % n; }
  bool one_in(std::size_t n) { return below(n) == 0; }
  template <class Container>
  auto& pick(Container& from) {
    return from[below(std::size(from))];
  }

 private:
  std::uint64_t state_;
};

/// An item of a list with bars between the items.
std::string_view one_of(std::string_view list, Random& random) {
  const auto bars = static_cast<std::size_t>(std::count(list.begin(), list.end(), '|'));
  for (std::size_t skip = random.below(bars + 1); skip > 0; --skip) {
    list.remove_prefix(list.find('|') + 1);
  }
  return list.substr(0, list.find('|'));
}

struct Line {
  std::string head;
  std::string payload;
};
using Lines = std::vector<Line>;

Lines lines_of(std::string_view text) {
  Lines lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::size_t bracket = line.substr(0, 200).find_first_of("{[");
    const std::size_t head = bracket == std::string_view::npos ? 0 : bracket;
    lines.push_back({std::string{line.substr(0, head)}, std::string{line.substr(head)}});
  }
  return lines;
}

std::string text_of(const Lines& lines) {
  std::string text;
  for (const Line& line : lines) {
    if (!text.empty()) text.push_back('\n');
    text += line.head;
    text += line.payload;
  }
  return text;
}

/// At most `max_size` bytes of it: whole lines as long as there are several.
std::string fitting(Lines lines, std::size_t max_size, Random& random) {
  std::string text = text_of(lines);
  while (text.size() > max_size && lines.size() > 1) {
    lines.erase(lines.begin() + static_cast<std::ptrdiff_t>(random.below(lines.size())));
    text = text_of(lines);
  }
  if (text.size() > max_size) text.resize(max_size);
  return text;
}

// Numbers.

constexpr std::string_view kEdgeNumbers =
    "0|-0|0.0|1|-1|0.1|00012|1.|.5|+1|1e|--1|0x10|NaN|Infinity|-Infinity|1e400|-1e400|1e-400|"
    "1e308|1.8e308|4.9e-324|2.2250738585072011e-308|1E8|1.16539E8|1e18|1e19|1e-18|1e-19|"
    "0.000000000000000001|0.00000000000000000000000001|9223372036854775807|"
    "9223372036854775808|-9223372036854775808|-9223372036854775809|18446744073709551615|"
    "18446744073709551616|922337203685477580.7|0.9223372036854775807|4294967295|4294967296|"
    "2147483648|253402300800000|99999999999999999999999999999999999999";

std::string edge_number(Random& random) {
  if (!random.one_in(12)) return std::string{one_of(kEdgeNumbers, random)};
  std::string digits = random.one_in(2) ? "0." : "";
  const std::size_t length = 1 + random.below(400);
  const bool zeros = random.one_in(2);
  for (std::size_t i = 0; i < length; ++i) {
    digits.push_back(zeros ? '0' : static_cast<char>('0' + random.below(10)));
  }
  return digits + "1";
}

/// A number like `number`: a step away, or spelled differently.
std::string near_number(std::string number, Random& random) {
  std::int64_t value = 0;
  const char* const end = number.data() + number.size();
  const auto read = std::from_chars(number.data(), end, value);
  constexpr std::int64_t kSafe = 900'000'000'000'000'000;
  if (read.ec == std::errc{} && read.ptr == end && value < kSafe && value > -kSafe &&
      !random.one_in(4)) {
    constexpr std::array<std::int64_t, 10> kSteps = {1, 1, 1, -1, -1, -1, 2, -2, 1000, -1000};
    return std::to_string(value + random.pick(kSteps));
  }
  const std::size_t at = random.below(number.size());
  switch (random.below(7)) {
    case 0:
      return "-" + number;
    case 1:
      return number + (number.find('.') == std::string::npos ? ".0" : "0");
    case 2:
      return number + "e" + std::to_string(static_cast<int>(random.below(40)) - 20);
    case 3:
      number.insert(at, 1, static_cast<char>('0' + random.below(10)));
      return number;
    case 4:
      number.erase(at, 1);
      return number.empty() ? "0" : number;
    case 5:
      number.insert(at, ".");
      return number;
    default:
      number[at] = static_cast<char>('0' + random.below(10));
      return number;
  }
}

std::string other_number(const std::string& number, Random& random) {
  return random.one_in(3) ? edge_number(random) : near_number(number, random);
}

// Strings.

constexpr std::string_view kWords =
    "| |null|true|\\u0000|\\ud800|\\|\\\"|\xff\xfe|"
    "\xed\x95\x9c|"
    "nan|KRW-BTC|KRW-XRP|KRW-USDT|btc_krw|BTC_KRW|BTC-USDT|BTC-USDT-SWAP|BTCUSDT|XRPUSDT|"
    "BTC_USDT|BTC/USD|XBT/USD|XXBTZUSD|USDT/USD|BTC|KRW|USDT|snapshot|update|delta|subscribe|"
    "unsubscribe|error|success|fail|ticker|tickers|orderbook|ORDERBOOK|TICKER|book|books|"
    "bbo-tbt|orderbook.50.BTCUSDT|ob.BTC_USDT.50|spot.obu|spot.order_book_update|"
    "btcusdt@depth20|depthUpdate|heartbeat|status|pong|notice|SNAPSHOT|REALTIME";

std::string quoted(std::string_view text) { return "\"" + std::string{text} + "\""; }

bool looks_numeric(std::string_view text) {
  return !text.empty() && (text[0] == '-' || (text[0] >= '0' && text[0] <= '9')) &&
         text.find_first_not_of("0123456789+-.eE") == std::string_view::npos;
}

std::string other_string(const std::string& with_quotes, Random& random) {
  std::string content = with_quotes.substr(1, with_quotes.size() - 2);
  if (looks_numeric(content) && !random.one_in(6)) return quoted(other_number(content, random));
  switch (random.below(6)) {
    case 0:
      if (!content.empty()) content.erase(random.below(content.size()), 1);
      return quoted(content);
    case 1:
      content.insert(random.below(content.size() + 1), 1, static_cast<char>(random.below(256)));
      return quoted(content);
    case 2:
      return quoted(std::string(random.below(3000), 'A'));
    default:
      return quoted(one_of(kWords, random));
  }
}

// Trees.

/// Where a value stands.
struct Place {
  JsonTree* parent = nullptr;  ///< nullptr for the whole
  std::size_t index = 0;
  JsonTree* value = nullptr;
};

void collect_places(JsonTree& tree, std::vector<Place>& out) {
  for (std::size_t i = 0; i < tree.items.size(); ++i) {
    out.push_back({&tree, i, &tree.items[i].value});
    collect_places(tree.items[i].value, out);
  }
}

Place some_place(JsonTree& tree, Random& random) {
  std::vector<Place> places;
  places.push_back({nullptr, 0, &tree});
  collect_places(tree, places);
  // Prices outnumber everything else by far: half of the time only what has a name counts.
  if (random.one_in(2)) {
    std::vector<Place> named;
    for (const Place& place : places) {
      if (place.parent != nullptr && place.parent->kind == Kind::kObject) named.push_back(place);
    }
    if (!named.empty()) return random.pick(named);
  }
  return random.pick(places);
}

JsonTree scalar(std::string text) {
  JsonTree tree;
  tree.text = std::move(text);
  return tree;
}

constexpr std::string_view kScalars = "null|true|false|0|1|-1|\"\"|\"x\"|{}|[]|[[]]|[null]";

void change_scalar(JsonTree& value, Random& random) {
  if (value.kind != Kind::kScalar || random.one_in(8)) {
    value = scalar(std::string{one_of(kScalars, random)});
  } else if (value.is_string()) {
    if (random.one_in(8)) {
      value.text = value.text.substr(1, value.text.size() - 2);
      if (value.text.empty()) value.text = "null";
    } else {
      value.text = other_string(value.text, random);
    }
  } else if (looks_numeric(value.text)) {
    value.text = random.one_in(8) ? quoted(value.text) : other_number(value.text, random);
  } else {
    value.text = value.text == "true" ? "false" : std::string{one_of(kScalars, random)};
  }
}

void wrap(JsonTree& value, Random& random) {
  if (random.one_in(6)) {
    // As text, so that nothing here recurses as deep.
    const std::size_t depth = random.one_in(2) ? 1 + random.below(2000) : 1 + random.below(100'000);
    const bool objects = random.one_in(2);
    std::string text;
    for (std::size_t i = 0; i < depth; ++i) text += objects ? "{\"a\":" : "[";
    text += objects ? "1" : "";
    text.append(depth, objects ? '}' : ']');
    value = scalar(std::move(text));
    return;
  }
  JsonTree outer;
  outer.kind = random.one_in(2) ? Kind::kArray : Kind::kObject;
  outer.items.push_back({quoted(one_of(kWords, random)), std::move(value)});
  value = std::move(outer);
}

/// A value of another payload, of the same key where there is one.
void transplant(const Place& place, const Lines& lines, Random& random) {
  if (lines.empty()) return;
  std::optional<JsonTree> donor = parse_tree(random.pick(lines).payload);
  if (!donor) return;
  std::vector<Place> all;
  collect_places(*donor, all);
  if (all.empty()) return;
  std::vector<Place> same;
  if (place.parent != nullptr && place.parent->kind == Kind::kObject) {
    const std::string& key = place.parent->items[place.index].key;
    for (const Place& p : all) {
      if (p.parent->kind == Kind::kObject && p.parent->items[p.index].key == key) {
        same.push_back(p);
      }
    }
  }
  JsonTree copy = *random.pick(same.empty() || random.one_in(5) ? all : same).value;
  *place.value = std::move(copy);
}

void change_tree(JsonTree& tree, const Lines& lines, Random& random) {
  const Place place = some_place(tree, random);
  JsonTree* const parent = place.parent;
  const std::size_t op = random.below(16);
  if (op < 5 || parent == nullptr) {
    if (place.value->kind != Kind::kScalar && !place.value->items.empty() && !random.one_in(6)) {
      auto& items = place.value->items;
      if (op == 0) std::reverse(items.begin(), items.end());
      change_scalar(random.pick(items).value, random);
    } else {
      change_scalar(*place.value, random);
    }
    return;
  }
  auto& items = parent->items;
  const auto at = items.begin() + static_cast<std::ptrdiff_t>(place.index);
  const std::size_t other = random.below(items.size());
  switch (op) {
    case 5:
    case 6:
      items.erase(at);
      break;
    case 7: {
      auto copy = *at;
      items.insert(items.begin() + static_cast<std::ptrdiff_t>(other), std::move(copy));
      break;
    }
    case 8: {  // the same again, a little different: a level more, a second symbol
      auto copy = *at;
      if (copy.value.items.empty()) {
        change_scalar(copy.value, random);
      } else {
        change_scalar(random.pick(copy.value.items).value, random);
      }
      items.insert(items.begin() + static_cast<std::ptrdiff_t>(other), std::move(copy));
      break;
    }
    case 9:
      std::swap(items[place.index], items[other]);
      break;
    case 10:
      std::swap(items[place.index].value, items[other].value);
      break;
    case 11:
      if (parent->kind == Kind::kObject) {
        at->key = random.one_in(2) ? items[other].key : quoted(one_of(kWords, random));
      } else {
        std::reverse(items.begin(), items.end());
      }
      break;
    case 12:
      wrap(*place.value, random);
      break;
    case 13:
      if (!place.value->items.empty()) {
        JsonTree inner = random.pick(place.value->items).value;
        *place.value = std::move(inner);
      } else {
        const std::size_t copies = random.below(60);
        const auto item = *at;
        items.insert(at, copies, item);
      }
      break;
    default:
      transplant(place, lines, random);
      break;
  }
}

// Lines.

void change_number_in_text(std::string& text, Random& random) {
  constexpr std::string_view kDigits = "0123456789";
  constexpr std::string_view kNumber = "0123456789.eE+-";
  const std::size_t from = text.find_first_of(kDigits, random.below(text.size()));
  if (from == std::string::npos) return;
  const std::size_t to = std::min(text.find_first_not_of(kNumber, from), text.size());
  text.replace(from, to - from, other_number(text.substr(from, to - from), random));
}

void change_bytes(std::string& text, RawMutation raw) {
  const std::size_t size = text.size();
  text.resize(size + 32);
  text.resize(raw(reinterpret_cast<std::uint8_t*>(text.data()), size, text.size()));
}

void change_head(std::string& head, const Lines& lines, Random& random) {
  switch (random.below(4)) {
    case 0:
      head = random.pick(lines).head;
      break;
    case 1:
      if (head.size() > 1) head[1] = "012367"[random.below(6)];
      break;
    case 2: {
      constexpr std::string_view kChannels = "orderbook|ticker|markets|polled|audit|-|x";
      head = "r1 " + std::string{one_of(kChannels, random)} + " " +
             std::string{one_of(kWords, random)} + " ";
      break;
    }
    default:
      head = "w1 ";
      break;
  }
}

void change_lines(Lines& lines, Random& random) {
  const std::size_t a = random.below(lines.size());
  const std::size_t b = random.below(lines.size());
  const auto at = [&lines](std::size_t i) {
    return lines.begin() + static_cast<std::ptrdiff_t>(i);
  };
  switch (random.below(9)) {
    case 0:
    case 1:
      if (lines.size() > 1) lines.erase(at(a));
      break;
    case 2: {
      Line copy = lines[a];
      lines.insert(at(b), std::move(copy));
      break;
    }
    case 3:
      std::swap(lines[a], lines[b]);
      break;
    case 4:
      if (a < b) std::rotate(at(a), at(a) + 1, at(b) + 1);
      break;
    case 5:
      if (a < b && b - a + 1 < lines.size()) lines.erase(at(a), at(b));
      break;
    case 6: {
      constexpr std::string_view kEvents = "d1|y1|d2|d0|y2";
      lines.insert(at(a), {"", std::string{one_of(kEvents, random)}});
      break;
    }
    case 7:
      change_head(lines[a].head, lines, random);
      break;
    default:
      lines[a].payload.resize(random.below(lines[a].payload.size() + 1));
      break;
  }
}

// Links between messages.

/// Digits as a checksum wants them: without point and leading zeros.
std::string mantissa_of(const std::string& text) {
  std::string digits;
  for (const char c : text) {
    if (c >= '0' && c <= '9' && (c != '0' || !digits.empty())) digits.push_back(c);
  }
  return digits;
}

double value_of(const std::string& text) { return std::strtod(text.c_str(), nullptr); }

/// A Kraken book as far as its checksum goes.
class KrakenBook {
 public:
  void set_depth(std::size_t depth) { depth_ = depth; }

  void apply(JsonTree& row, bool snapshot) {
    if (snapshot) bids_.clear(), asks_.clear();
    change(row, "bids", bids_);
    change(row, "asks", asks_);
    JsonTree* const checksum = member(row, "checksum");
    if (checksum == nullptr) return;
    std::string text;
    append(asks_, text);
    append(bids_, text);
    checksum->text =
        std::to_string(::crc32_z(0, reinterpret_cast<const Bytef*>(text.data()), text.size()));
  }

 private:
  using Texts = std::pair<std::string, std::string>;

  template <class Side>
  static void append(const Side& side, std::string& text) {
    std::size_t left = 10;
    for (const auto& [price, level] : side) {
      if (left-- == 0) break;
      text += mantissa_of(level.first) + mantissa_of(level.second);
    }
  }

  template <class Side>
  void change(JsonTree& row, std::string_view key, Side& side) {
    if (JsonTree* const levels = member(row, key)) {
      for (auto& item : levels->items) {
        const JsonTree* const price = member(item.value, "price");
        const JsonTree* const size = member(item.value, "qty");
        if (price == nullptr || size == nullptr) continue;
        if (value_of(size->text) == 0) {
          side.erase(value_of(price->text));
        } else {
          side[value_of(price->text)] = {price->text, size->text};
        }
      }
    }
    while (side.size() > depth_) side.erase(std::prev(side.end()));
  }

  std::size_t depth_ = 10;
  std::map<double, Texts, std::greater<>> bids_;
  std::map<double, Texts> asks_;
};

class Linker {
 public:
  /// Whether it changed anything.
  bool link(JsonTree& payload) {
    changed_ = false;
    symbol_.clear();
    find_symbol(payload);
    const JsonTree* const channel = member(payload, "channel");
    const JsonTree* const type = member(payload, "type");
    JsonTree* const data = member(payload, "data");
    if (channel != nullptr && channel->text == "\"book\"" && data != nullptr && type != nullptr) {
      for (auto& row : data->items) {
        krakens_[symbol_].apply(row.value, type->text == "\"snapshot\"");
        changed_ = true;
      }
      return changed_;
    }
    if (JsonTree* const result = member(payload, "result")) {
      const std::optional<std::int64_t> depth = number(member(*result, "depth"));
      if (depth && *depth > 0) krakens_[symbol_].set_depth(static_cast<std::size_t>(*depth));
    }
    snapshot_ = type != nullptr && type->text == "\"snapshot\"";
    walk(payload);
    return changed_;
  }

 private:
  void find_symbol(JsonTree& tree) {
    for (const auto& [key, value] : tree.items) {
      if (value.is_string() && (key == "\"s\"" || key == "\"symbol\"" || key == "\"instId\"")) {
        symbol_ = value.text;
      }
    }
    for (auto& item : tree.items) {
      if (symbol_.empty()) find_symbol(item.value);
    }
  }

  static std::optional<std::int64_t> number(const JsonTree* tree) {
    if (tree == nullptr || tree->text.empty()) return std::nullopt;
    std::int64_t value = 0;
    const std::size_t skip = tree->is_string() ? 1 : 0;
    const auto read = std::from_chars(tree->text.data() + skip,
                                      tree->text.data() + tree->text.size() - skip, value);
    if (read.ec != std::errc{} || value < -1 || value > 1'000'000'000'000'000'000)
      return std::nullopt;
    return value;
  }
  void set(JsonTree* tree, std::int64_t value) {
    tree->text = tree->is_string() ? quoted(std::to_string(value)) : std::to_string(value);
    changed_ = true;
  }

  void walk(JsonTree& tree) {
    link_one(tree);
    for (auto& item : tree.items) walk(item.value);
  }

  void link_one(JsonTree& tree) {
    std::optional<std::int64_t>& last = last_[symbol_];
    JsonTree* const first_id = member(tree, "U");
    JsonTree* const last_id = member(tree, "u");
    JsonTree* const sequence = member(tree, "seqId");
    JsonTree* const previous = member(tree, "prevSeqId");
    if (sequence != nullptr && previous != nullptr) {
      const std::optional<std::int64_t> given = number(sequence);
      if (!last || number(previous) == -1) {
        last = given;
      } else {
        set(previous, *last);
        if (!given || *given <= *last) set(sequence, *last + 1);
        last = number(sequence);
      }
    } else if (first_id != nullptr && last_id != nullptr) {
      const std::optional<std::int64_t> from = number(first_id);
      const std::optional<std::int64_t> to = number(last_id);
      if (last) {
        const std::int64_t width =
            from && to && *to > *from && *to - *from < 1000 ? *to - *from : 0;
        set(first_id, *last + 1);
        set(last_id, *last + 1 + width);
      }
      last = number(last_id);
    } else if (last_id != nullptr && last_id->kind == Kind::kScalar) {
      if (last && !snapshot_ && member(tree, "full") == nullptr) set(last_id, *last + 1);
      last = number(last_id);
    }
  }

  bool changed_ = false;
  bool snapshot_ = false;
  std::string symbol_;
  std::map<std::string, std::optional<std::int64_t>> last_;
  std::map<std::string, KrakenBook> krakens_;
};

void relink_lines(Lines& lines) {
  Linker linker;
  for (Line& line : lines) {
    if (line.payload.empty() || line.payload.size() > (64U << 10U)) continue;
    std::optional<JsonTree> tree = parse_tree(line.payload);
    if (!tree || !linker.link(*tree)) continue;
    line.payload.clear();
    write_tree(*tree, line.payload);
  }
}

}  // namespace

std::string mutate(std::string_view text, std::size_t max_size, std::uint32_t seed,
                   RawMutation raw) {
  Random random{seed};
  Lines lines = lines_of(text);
  if (lines.empty() || random.one_in(10)) {
    std::string bytes{text.substr(0, max_size)};
    const std::size_t size = bytes.size();
    bytes.resize(max_size);
    bytes.resize(raw(reinterpret_cast<std::uint8_t*>(bytes.data()), size, max_size));
    return bytes;
  }
  for (std::size_t left = 1 + random.below(4); left > 0; --left) {
    Line& line = random.pick(lines);
    const std::size_t op = random.below(20);
    if (op < 6) {
      change_lines(lines, random);
    } else if (line.payload.empty()) {
      continue;
    } else if (op == 6) {
      change_bytes(line.payload, raw);
    } else if (op == 7) {
      change_number_in_text(line.payload, random);
    } else if (std::optional<JsonTree> tree = parse_tree(line.payload)) {
      for (std::size_t changes = 1 + random.below(3); changes > 0; --changes) {
        change_tree(*tree, lines, random);
      }
      line.payload.clear();
      write_tree(*tree, line.payload);
    } else {
      change_number_in_text(line.payload, random);
    }
  }
  if (random.one_in(3)) relink_lines(lines);
  return fitting(std::move(lines), max_size, random);
}

std::string cross_over(std::string_view first, std::string_view second, std::size_t max_size,
                       std::uint32_t seed) {
  Random random{seed};
  Lines lines = lines_of(first);
  const Lines others = lines_of(second);
  if (lines.empty() || others.empty()) return std::string{first.substr(0, max_size)};
  const std::size_t at = random.below(lines.size() + 1);
  const std::size_t from = random.below(others.size());
  const auto place = lines.begin() + static_cast<std::ptrdiff_t>(at);
  const auto source = others.begin() + static_cast<std::ptrdiff_t>(from);
  switch (random.below(3)) {
    case 0:  // the beginning of one, the end of the other
      lines.erase(place, lines.end());
      lines.insert(lines.end(), source, others.end());
      break;
    case 1:
      lines.insert(place, *source);
      break;
    default: {  // a value of the other
      Line& line = random.pick(lines);
      if (std::optional<JsonTree> tree = parse_tree(line.payload)) {
        transplant(some_place(*tree, random), others, random);
        line.payload.clear();
        write_tree(*tree, line.payload);
      } else {
        lines.insert(place, *source);
      }
    }
  }
  return fitting(std::move(lines), max_size, random);
}

std::string relink(std::string_view text) {
  Lines lines = lines_of(text);
  relink_lines(lines);
  return text_of(lines);
}

}  // namespace spreadwatch::fuzz
