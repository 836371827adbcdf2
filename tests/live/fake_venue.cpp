#include "tests/live/fake_venue.h"

#include <chrono>
#include <nlohmann/json.hpp>

namespace spreadwatch::test {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string symbol_of(const std::string& topic) { return topic.substr(topic.rfind('.') + 1); }
bool is_book(const std::string& topic) { return topic.rfind("orderbook.", 0) == 0; }

std::string ticker(const std::string& topic) {
  return json{{"topic", topic},
              {"ts", now_ms()},
              {"type", "snapshot"},
              {"cs", 1},
              {"data",
               {{"symbol", symbol_of(topic)},
                {"lastPrice", "64057.7"},
                {"highPrice24h", "64500"},
                {"lowPrice24h", "63232.1"},
                {"prevPrice24h", "64326.9"},
                {"volume24h", "7217.990977"},
                {"turnover24h", "460629823.7"},
                {"price24hPcnt", "-0.0042"},
                {"usdIndexPrice", ""}}}}
      .dump();
}

std::string size_at(std::int64_t u) { return "0." + std::to_string(1 + u % 9); }

std::string book(const std::string& topic, bool snapshot, std::int64_t u) {
  const std::string size = size_at(u);
  json data{{"s", symbol_of(topic)}, {"u", u}, {"seq", 1000 + u}};
  data["b"] = json::array({json::array({"64000", size})});
  data["a"] = json::array({json::array({"64001", size})});
  return json{{"topic", topic},
              {"ts", now_ms()},
              {"type", snapshot ? "snapshot" : "delta"},
              {"data", data},
              {"cts", now_ms()}}
      .dump();
}

}  // namespace

FakeBybit::FakeBybit() : server_([this](Peer& peer) { serve(peer); }) {}

void FakeBybit::refuse(std::string status, std::string headers) {
  const std::lock_guard lock(mutex_);
  refusal_ = std::move(status);
  refusal_headers_ = std::move(headers);
}

void FakeBybit::withhold(const std::string& topic, bool withheld) {
  const std::lock_guard lock(mutex_);
  withheld ? void(withheld_.insert(topic)) : void(withheld_.erase(topic));
}

void FakeBybit::strand(const std::string& topic) {
  const std::lock_guard lock(mutex_);
  stranded_[topic] = upgrades_;
}

bool FakeBybit::withholds(const std::string& topic, const Client& client) const {
  const auto stranded = stranded_.find(topic);
  return withheld_.contains(topic) ||
         (stranded != stranded_.end() && client.number <= stranded->second);
}

void FakeBybit::skip_one(const std::string& topic) {
  const std::lock_guard lock(mutex_);
  skipping_.insert(topic);
}

void FakeBybit::list(std::set<std::string> symbols) {
  const std::lock_guard lock(mutex_);
  listed_ = std::move(symbols);
}

void FakeBybit::refuse_rest(std::string status, std::string headers) {
  const std::lock_guard lock(mutex_);
  rest_refusal_ = std::move(status);
  rest_refusal_headers_ = std::move(headers);
}

void FakeBybit::hold_rest(bool held) {
  const std::lock_guard lock(mutex_);
  rest_held_ = held;
  rest_released_.notify_all();
}

int FakeBybit::rest_books(const std::string& symbol) const {
  const std::lock_guard lock(mutex_);
  int sum = 0;
  for (const auto& [name, count] : rest_books_) {
    if (symbol.empty() || name == symbol) sum += count;
  }
  return sum;
}

int FakeBybit::subscribed(const std::string& topic) const {
  const std::lock_guard lock(mutex_);
  const auto it = subscribed_.find(topic);
  return it == subscribed_.end() ? 0 : it->second;
}

int FakeBybit::unsubscribed(const std::string& topic) const {
  const std::lock_guard lock(mutex_);
  const auto it = unsubscribed_.find(topic);
  return it == unsubscribed_.end() ? 0 : it->second;
}

void FakeBybit::serve(Peer& peer) {
  if (peer.header("Upgrade").empty()) return serve_rest(peer);
  const int number = ++upgrades_;
  std::string refusal;
  std::string headers;
  {
    const std::lock_guard lock(mutex_);
    refusal = refusal_;
    headers = refusal_headers_;
  }
  if (!refusal.empty()) {
    peer.respond("refused", refusal, headers);
    return;
  }
  const int closes = closes_;
  if (!peer.accept()) return;
  Client client{peer, number};
  for (;;) {
    if (closes != closes_) {
      peer.close(1001, "on purpose");
      return;
    }
    if (const auto message = peer.read_for(10ms)) answer(client, *message);
    if (peer.ended()) return;
    push_updates(client);
  }
}

void FakeBybit::serve_rest_book(Peer& peer) {
  const std::string target = peer.target();
  const std::size_t at = target.find("symbol=") + 7;
  const std::string symbol = target.substr(at, target.find('&', at) - at);
  std::int64_t u = 100;
  {
    std::unique_lock lock(mutex_);
    ++rest_books_[symbol];
    rest_released_.wait(lock, [this] { return !rest_held_; });
    if (const auto it = latest_.find(symbol); it != latest_.end()) u = it->second;
  }
  const RestBook kind = rest_book_;
  const std::string size = kind == RestBook::kWrong ? "7" : size_at(u);
  const std::int64_t time = now_ms() - (kind == RestBook::kOld ? 3'600'000 : 0);
  const std::int64_t seq = kind == RestBook::kUnrelated ? 5 : 1000 + u;
  json data{{"s", symbol}, {"ts", time}, {"cts", time}, {"u", u}, {"seq", seq}};
  data["b"] = json::array({json::array({kind == RestBook::kCrossed ? "64002" : "64000", size})});
  data["a"] = json::array({json::array({"64001", size})});
  peer.respond(json{{"retCode", 0}, {"retMsg", "OK"}, {"result", data}, {"time", time}}.dump());
}

void FakeBybit::serve_rest(Peer& peer) {
  if (silent_) return peer.hold();
  std::set<std::string> listed;
  std::string refusal;
  std::string headers;
  {
    const std::lock_guard lock(mutex_);
    listed = listed_;
    refusal = rest_refusal_;
    headers = rest_refusal_headers_;
  }
  const bool wants_book = peer.target().rfind("/v5/market/orderbook", 0) == 0;
  const bool wants_ticker = peer.target().rfind("/v5/market/tickers", 0) == 0;
  if (wants_ticker) ++rest_tickers_;
  if (!refusal.empty() && (wants_book || wants_ticker)) {
    if (wants_book) {
      const std::lock_guard lock(mutex_);
      ++rest_books_["refused"];
    }
    peer.respond("refused", refusal, headers);
    return;
  }
  if (wants_book) return serve_rest_book(peer);
  if (wants_ticker) {
    json rows = json::array();
    for (const std::string& symbol : listed) {
      rows.push_back(json::parse(ticker("tickers." + symbol)).at("data"));
    }
    peer.respond(json{
        {"retCode", 0},
        {"retMsg", "OK"},
        {"result", {{"category", "spot"}, {"list", rows}}},
        {"time",
         now_ms()}}.dump());
    return;
  }
  if (peer.target().rfind("/v5/market/instruments-info", 0) != 0 || listed.empty()) {
    peer.respond("{}", "500 Internal Server Error");
    return;
  }
  json rows = json::array();
  for (const std::string& symbol : listed) {
    rows.push_back({{"symbol", symbol},
                    {"baseCoin", symbol.substr(0, symbol.size() - 4)},
                    {"quoteCoin", "USDT"},
                    {"status", "Trading"},
                    {"lotSizeFilter", {{"minOrderAmt", "5"}}},
                    {"priceFilter", {{"tickSize", "0.1"}}}});
  }
  peer.respond(json{
      {"retCode", 0},
      {"retMsg", "OK"},
      {"result", {{"category", "spot"}, {"list", rows}}},
      {"retExtInfo", json::object()},
      {"time",
       now_ms()}}.dump());
}

void FakeBybit::answer(Client& client, const std::string& message) {
  auto& [peer, number, books] = client;
  const json request = json::parse(message);
  const std::string op = request.at("op");
  if (op == "ping") ++pings_;
  if (silent_) return;
  if (op == "ping") {
    peer.send(R"({"success":true,"ret_msg":"pong","conn_id":"c","op":"ping"})");
    return;
  }
  for (const std::string topic : request.at("args")) {
    bool withheld = false;
    {
      const std::lock_guard lock(mutex_);
      ++(op == "subscribe" ? subscribed_ : unsubscribed_)[topic];
      withheld = withholds(topic, client);
    }
    if (op == "unsubscribe") {
      books.erase(topic);
    } else if (!withheld && is_book(topic)) {
      books[topic] = 100;
      peer.send(book(topic, true, 100));
    } else if (!withheld) {
      peer.send(ticker(topic));
    }
  }
  peer.send(R"({"success":true,"ret_msg":")" + op + R"(","conn_id":"c","req_id":"1","op":")" + op +
            "\"}");
}

void FakeBybit::push_updates(Client& client) {
  if (silent_) return;
  for (auto& [topic, u] : client.books) {
    {
      const std::lock_guard lock(mutex_);
      if (withholds(topic, client)) continue;
      if (skipping_.erase(topic) > 0) ++u;
      latest_[symbol_of(topic)] = u + 1;
    }
    client.peer.send(book(topic, false, ++u));
  }
}

}  // namespace spreadwatch::test
