#include "sim/faulty_venue.h"

#include <algorithm>
#include <cctype>
#include <deque>
#include <initializer_list>
#include <set>
#include <utility>

#include "sim/format.h"

namespace spreadwatch::sim {
namespace {

constexpr std::int64_t kHeldMs = 5'000;  // a message waits so long for the one to change with
constexpr std::int64_t kBulkPeriodMs = 1'000;
constexpr std::size_t kMaxDelayed = 8'192;  // messages of one connection
constexpr std::size_t kGarbageBytes = 200;

std::shared_ptr<const std::string> shared(std::string text) {
  return std::make_shared<const std::string>(std::move(text));
}

std::shared_ptr<const std::string> malformed(const std::string& text) {
  std::string spoilt = text;
  if (const std::size_t colon = spoilt.find(':'); colon != std::string::npos) spoilt[colon] = ';';
  return shared(std::move(spoilt));
}

std::shared_ptr<const std::string> garbage(std::uint64_t seed) {
  std::string bytes(kGarbageBytes, '\0');
  for (char& byte : bytes) {
    seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
    byte = static_cast<char>(seed >> 56);
  }
  bytes.front() = '\xff';
  return shared(std::move(bytes));
}

/// The text with the last digit of its checksum changed.
std::shared_ptr<const std::string> wrong_checksum(const std::string& text) {
  std::string spoilt = text;
  std::size_t at = spoilt.find("\"checksum\":");
  if (at == std::string::npos) return shared(std::move(spoilt));
  at = spoilt.find_first_not_of("0123456789", at + 11) - 1;
  spoilt[at] = spoilt[at] == '0' ? '1' : static_cast<char>(spoilt[at] - 1);
  return shared(std::move(spoilt));
}

bool has_word(std::string_view text, std::string_view word) {
  const auto inside = [&](std::size_t at) {
    return at < text.size() && std::isalnum(static_cast<unsigned char>(text[at])) != 0;
  };
  for (std::size_t at = text.find(word); at != std::string_view::npos;
       at = text.find(word, at + 1)) {
    if ((at == 0 || !inside(at - 1)) && !inside(at + word.size())) return true;
  }
  return false;
}

/// Whether a REST request names the market, in any venue's spelling.
bool names(const HttpRequest& request, const Instrument& instrument) {
  std::string text = to_upper(request.path);
  for (const auto& [key, value] : request.query) text += ' ' + to_upper(value);
  const std::string& base = instrument.base;
  const std::string& quote = instrument.quote;
  const std::string old = base == "BTC" ? "XBT" : base == "DOGE" ? "XDG" : base;
  const auto joined = [](std::initializer_list<std::string_view> parts) {
    std::string whole;
    for (const std::string_view part : parts) whole += part;
    return whole;
  };
  for (const std::string& name :
       {joined({base, "-", quote}), joined({quote, "-", base}), joined({base, quote}),
        joined({base, "_", quote}), joined({base, "/", quote}), joined({quote, "/", base}),
        joined({old, quote}), joined({old, "/", quote}), joined({"X", old, "Z", quote}),
        joined({base, "Z", quote})}) {
    if (has_word(text, name)) return true;
  }
  return false;
}

bool asks_for_book(const HttpRequest& request) {
  const std::string path = to_lower(request.path);
  return path.find("book") != std::string::npos || path.find("depth") != std::string::npos;
}

}  // namespace

/// What the protocol sends to: passes everything on to the socket's connection, faults permitting.
class FaultyVenue::Tampered final : public Connection {
 public:
  Tampered(FaultyVenue& venue, Connection& raw)
      : venue_(venue), raw_(raw), carried_(venue.view_.size()) {}

  void send(Frame frame) override {
    if (frame.listing == nullptr) {
      raw_.send(std::move(frame));
      return;
    }
    const std::size_t index = frame.listing->instrument.index;
    carried_[index] = true;
    const bool book = frame.kind == FrameKind::kBook;
    if (!venue_.pushing_ && book) venue_.answered_[index] = true;
    if (venue_.closed_ || venue_.view_.delisted(index) || frozen_.contains(index)) return;
    if (Fault* const freeze = venue_.fault(FaultKind::kFreezeStream, index)) {
      venue_.strike(*freeze, index);
      if (freeze->once()) frozen_.insert(index);
      return;
    }
    if (venue_.pushing_ && book) {
      push_book(std::move(frame), index);
    } else {
      deliver(std::move(frame), index);
    }
  }

  void ping(std::string_view payload) override { raw_.ping(payload); }
  void close(std::uint16_t code, std::string_view reason) override { raw_.close(code, reason); }
  void drop() override { raw_.drop(); }
  void reset() override { raw_.reset(); }
  void freeze() override { raw_.freeze(); }
  [[nodiscard]] const HttpRequest& upgrade() const override { return raw_.upgrade(); }
  [[nodiscard]] std::uint64_t id() const override { return raw_.id(); }

  [[nodiscard]] bool carried(const Fault& fault) const {
    return fault.listing == nullptr || carried_[fault.listing->instrument.index];
  }

  /// Sends what is due and what has changed places.
  void flush(bool everything) {
    for (auto at = held_.begin(); at != held_.end();) {
      const Held& held = at->second;
      const bool passed = held.overtaken == venue_.moment_;
      if (!everything && !passed && venue_.now_ms_ - held.since_ms < kHeldMs) {
        ++at;
        continue;
      }
      std::vector<Frame> frames = std::move(at->second.frames);
      const std::size_t index = at->first;
      at = held_.erase(at);
      for (Frame& frame : frames) deliver(std::move(frame), index);
    }
    for (auto& [index, queue] : delayed_) {
      while (!queue.empty() && (everything || queue.front().due_ms <= venue_.now_ms_)) {
        raw_.send(std::move(queue.front().frame));
        queue.pop_front();
        --delayed_count_;
      }
    }
    if (everything) frozen_.clear();
  }

  bool ending = false;  // a fault has closed it

 private:
  struct Held {
    std::vector<Frame> frames;  // of one moment
    std::uint64_t moment = 0;
    std::uint64_t overtaken = 0;  // the moment that passed it
    std::int64_t since_ms = 0;
  };
  struct Delayed {
    std::int64_t due_ms;
    Frame frame;
  };

  void push_book(Frame frame, std::size_t index) {
    if (Fault* const gap = venue_.fault(FaultKind::kGap, index)) {
      venue_.strike(*gap, index);
      return;
    }
    spoil(frame, index);
    if (Fault* const drip = venue_.fault(FaultKind::kDrip, index)) {
      venue_.strike(*drip, index);
      frame.drip_ms = drip->value;
    }
    if (Fault* const duplicate = venue_.fault(FaultKind::kDuplicate, index)) {
      venue_.strike(*duplicate, index);
      deliver(frame, index);
    }
    const auto held = held_.find(index);
    if (held != held_.end() && held->second.moment != venue_.moment_) {
      held->second.overtaken = venue_.moment_;
    } else if (held != held_.end()) {
      held->second.frames.push_back(std::move(frame));
      return;
    } else if (Fault* const reorder = venue_.fault(FaultKind::kReorder, index)) {
      venue_.strike(*reorder, index);
      held_[index] = {{std::move(frame)}, venue_.moment_, 0, venue_.now_ms_};
      return;
    }
    deliver(std::move(frame), index);
  }

  void spoil(Frame& frame, std::size_t index) {
    for (const FaultKind kind : {FaultKind::kMalformed, FaultKind::kTruncated, FaultKind::kBinary,
                                 FaultKind::kBadChecksum, FaultKind::kOversized}) {
      Fault* const fault = venue_.fault(kind, index);
      if (fault == nullptr) continue;
      const std::string& text = *frame.payload;
      if (kind == FaultKind::kMalformed) {
        frame.payload = malformed(text);
      } else if (kind == FaultKind::kTruncated) {
        frame.payload = shared(text.substr(0, text.size() / 2));
      } else if (kind == FaultKind::kBinary) {
        frame.payload = garbage(venue_.moment_ * 1'000 + index);
        frame.binary = true;
      } else if (kind == FaultKind::kBadChecksum) {
        frame.payload = wrong_checksum(text);
      } else {
        if (venue_.now_ms_ - bulk_ms_ < kBulkPeriodMs) continue;
        bulk_ms_ = venue_.now_ms_;
        if (venue_.small_ != frame.payload) {
          const auto bytes = static_cast<std::size_t>(fault->value);
          std::string padded = text;
          if (padded.size() < bytes) padded.append(bytes - padded.size(), ' ');
          venue_.small_ = frame.payload;
          venue_.big_ = shared(std::move(padded));
        }
        frame.payload = venue_.big_;
        frame.bulk = true;
      }
      venue_.strike(*fault, index);
      return;
    }
  }

  /// On to the socket, later if the market is late. What comes after a late message waits for it.
  void deliver(Frame frame, std::size_t index) {
    Fault* late = venue_.pushing_ ? venue_.fault(FaultKind::kLate, index) : nullptr;
    if (late != nullptr && late->once() && frame.kind != FrameKind::kBook) late = nullptr;
    std::deque<Delayed>& queue = delayed_[index];
    if (delayed_count_ >= kMaxDelayed || (late == nullptr && queue.empty())) {
      raw_.send(std::move(frame));
      return;
    }
    std::int64_t due_ms = venue_.now_ms_;
    if (late != nullptr) {
      venue_.strike(*late, index);
      due_ms += late->value;
    }
    if (!queue.empty()) due_ms = std::max(due_ms, queue.back().due_ms);
    queue.push_back({due_ms, std::move(frame)});
    ++delayed_count_;
  }

  FaultyVenue& venue_;
  Connection& raw_;
  std::vector<bool> carried_;     // per market: something was sent for it
  std::set<std::size_t> frozen_;  // markets silent until the end of the connection
  std::map<std::size_t, Held> held_;
  std::map<std::size_t, std::deque<Delayed>> delayed_;
  std::size_t delayed_count_ = 0;
  std::int64_t bulk_ms_ = 0;
};

FaultyVenue::FaultyVenue(const VenueContext& context, VenueProtocol& inner, Faults& faults)
    : VenueProtocol(context),
      view_(context.market),
      inner_(inner),
      faults_(faults),
      answered_(context.market.size()) {}

FaultyVenue::~FaultyVenue() = default;

FaultyVenue::Tampered* FaultyVenue::find(Connection& raw) {
  const auto at = tampered_.find(&raw);
  return at == tampered_.end() ? nullptr : at->second.get();
}

Fault* FaultyVenue::fault(FaultKind kind, std::size_t index) const {
  return faults_.find(view_.venue(), kind, index, moment_);
}

template <class Call>
void FaultyVenue::with_request_faults(bool snapshot, bool http, Call call) {
  ++moment_;
  if (faults_.live(view_.venue()).empty()) {
    call();
    return;
  }
  std::vector<Fault*> unknown(view_.size());
  std::vector<Fault*> older(view_.size());
  answered_.assign(view_.size(), false);
  for (std::size_t i = 0; i < view_.size(); ++i) {
    unknown[i] = fault(FaultKind::kUnknownSymbol, i);
    view_.set_unknown(i, unknown[i] != nullptr);
    if (snapshot) older[i] = fault(FaultKind::kStaleSnapshot, i);
    if (older[i] != nullptr && !view_.swap_older(i)) older[i] = nullptr;
    view_.take_asked(i);
  }
  call();
  for (std::size_t i = 0; i < view_.size(); ++i) {
    const bool asked = view_.take_asked(i);
    view_.set_unknown(i, false);
    if (unknown[i] != nullptr && asked) strike(*unknown[i], i);
    if (older[i] == nullptr) continue;
    view_.swap_older(i);
    if (answered_[i] || (http && asked)) strike(*older[i], i);
  }
  faults_.finish_struck(view_.venue());
}

template <class Call>
void FaultyVenue::push(std::int64_t ts_ms, Call call) {
  ++moment_;
  now_ms_ = std::max(now_ms_, ts_ms);
  pushing_ = true;
  call();
  for (const auto& [raw, tampered] : tampered_) tampered->flush(false);
  pushing_ = false;
  if (!faults_.live(view_.venue()).empty()) faults_.finish_struck(view_.venue());
}

void FaultyVenue::bend(Book& book, std::size_t index) {
  Fault* const crossed = fault(FaultKind::kCrossed, index);
  if (crossed != nullptr && !book.bids.empty() && !book.asks.empty()) {
    strike(*crossed, index);
    const std::int64_t tick = view_.shown(index).instrument.tick;
    book.bids.insert(book.bids.begin(), {book.asks.front().price + tick, book.bids.front().size});
  }
  if (Fault* const one_sided = fault(FaultKind::kOneSided, index)) {
    strike(*one_sided, index);
    book.asks.clear();
  }
}

void FaultyVenue::on_book(const BookEvent& event) {
  const std::size_t index = event.listing.instrument.index;
  push(event.after.ts_ms, [&] {
    Listing& shown = view_.shown(index);
    before_ = shown.book;
    view_.show_book(event.listing);
    bend(shown.book, index);
    if (view_.delisted(index)) return;
    if (view_.skew_ms() != 0) {
      if (Fault* const skew = fault(FaultKind::kClockSkew, index)) strike(*skew, index);
    }
    // Where a fault came or went, the best prices change although the true ones do not.
    const bool touch = best_of(before_.bids) != best_of(shown.book.bids) ||
                       best_of(before_.asks) != best_of(shown.book.asks);
    shown.book.touch_ts_ms =
        touch ? shown.book.ts_ms : std::max(shown.book.touch_ts_ms, before_.touch_ts_ms);
    inner_.on_book({shown, before_, shown.book, touch});
  });
}

void FaultyVenue::on_ticker(const Listing& listing) {
  push(listing.ticker.ts_ms, [&] {
    view_.show_ticker(listing);
    if (!view_.delisted(listing.instrument.index)) inner_.on_ticker(view_.shown(listing));
  });
}

void FaultyVenue::on_instant(std::int64_t ts_ms) {
  push(ts_ms, [&] { inner_.on_instant(ts_ms + view_.skew_ms()); });
}

std::optional<HttpAnswer> FaultyVenue::refused(const HttpRequest& request, bool upgrade) {
  const VenueId venue = view_.venue();
  const auto spend = [this](Fault& fault) {
    ++fault.touched;
    if (fault.once()) faults_.finish(fault);
  };
  const auto retry_after = [](HttpAnswer answer, std::int64_t seconds) {
    answer.headers.emplace_back("Retry-After", std::to_string(seconds));
    return answer;
  };
  if (Fault* const ban = faults_.find(venue, FaultKind::kBan)) {
    const std::int64_t left_ms = ban->started_ms + ban->duration_ms - request.now_ms;
    const std::int64_t seconds = std::max<std::int64_t>(1, (left_ms + 999) / 1000);
    spend(*ban);
    return retry_after(inner_.ban_answer(upgrade), seconds);
  }
  Fault* const maintenance = faults_.find(venue, FaultKind::kMaintenance);
  if (maintenance != nullptr && closed_ &&
      (upgrade ? inner_.maintenance_disconnects() : !inner_.works_in_maintenance(request))) {
    ++maintenance->touched;
    return inner_.refusal(503);
  }
  if (upgrade) return std::nullopt;
  for (Fault* const one : faults_.live(venue)) {
    const int status = one->kind == FaultKind::kHttp429   ? 429
                       : one->kind == FaultKind::kHttp418 ? 418
                       : one->kind == FaultKind::kHttp5xx ? static_cast<int>(one->value)
                                                          : 0;
    if (status == 0) continue;
    if (one->listing != nullptr && !names(request, one->listing->instrument)) continue;
    const std::int64_t seconds = one->value;
    spend(*one);  // may shorten the list
    HttpAnswer answer = inner_.refusal(status);
    return status < 500 ? retry_after(std::move(answer), seconds) : answer;
  }
  return std::nullopt;
}

UpgradeAnswer FaultyVenue::on_upgrade(const HttpRequest& request) {
  now_ms_ = request.now_ms;
  UpgradeAnswer answer = inner_.on_upgrade(request);
  if (auto refusal = refused(request, true)) return {std::move(refusal), {}};
  return answer;
}

HttpAnswer FaultyVenue::on_http(const HttpRequest& request) {
  now_ms_ = request.now_ms;
  HttpAnswer answer;
  with_request_faults(asks_for_book(request), true, [&] { answer = inner_.on_http(request); });
  if (view_.take_closed_shown() > 0) {
    if (Fault* const closed = faults_.find(view_.venue(), FaultKind::kWalletClosed)) {
      ++closed->touched;
    }
  }
  if (auto refusal = refused(request, false)) return std::move(*refusal);
  return answer;
}

void FaultyVenue::attach(Connection& connection) {
  auto tampered = std::make_unique<Tampered>(*this, connection);
  inner_.attach(*tampered);
  tampered_[&connection] = std::move(tampered);
}

void FaultyVenue::detach(Connection& connection) {
  frozen_.erase(&connection);
  const auto at = tampered_.find(&connection);
  if (at == tampered_.end()) return;
  inner_.detach(*at->second);
  tampered_.erase(at);
}

void FaultyVenue::on_open(Connection& connection, std::int64_t now_ms) {
  now_ms_ = now_ms;
  Tampered* const tampered = find(connection);
  if (tampered != nullptr)
    with_request_faults(false, false, [&] { inner_.on_open(*tampered, now_ms); });
}

void FaultyVenue::on_text(Connection& connection, std::string_view text, std::int64_t now_ms) {
  now_ms_ = now_ms;
  Tampered* const tampered = find(connection);
  if (tampered != nullptr)
    with_request_faults(true, false, [&] { inner_.on_text(*tampered, text, now_ms); });
}

void FaultyVenue::on_binary(Connection& connection, std::string_view data, std::int64_t now_ms) {
  now_ms_ = now_ms;
  Tampered* const tampered = find(connection);
  if (tampered != nullptr)
    with_request_faults(true, false, [&] { inner_.on_binary(*tampered, data, now_ms); });
}

void FaultyVenue::on_ping(Connection& connection, std::string_view payload, std::int64_t now_ms) {
  if (Tampered* const tampered = find(connection)) inner_.on_ping(*tampered, payload, now_ms);
}

void FaultyVenue::on_pong(Connection& connection, std::string_view payload, std::int64_t now_ms) {
  if (Tampered* const tampered = find(connection)) inner_.on_pong(*tampered, payload, now_ms);
}

void FaultyVenue::on_close(Connection& connection, std::int64_t now_ms) {
  if (Tampered* const tampered = find(connection)) inner_.on_close(*tampered, now_ms);
}

void FaultyVenue::on_timer(std::int64_t now_ms) {
  now_ms_ = now_ms;
  run_states(now_ms);
  for (const auto& [raw, tampered] : tampered_) tampered->flush(false);
  inner_.on_timer(now_ms);
}

std::optional<std::uint64_t> FaultyVenue::sequence(const Listing& listing) const {
  return inner_.sequence(listing);
}
HttpAnswer FaultyVenue::ban_answer(bool upgrade) const { return inner_.ban_answer(upgrade); }
HttpAnswer FaultyVenue::refusal(int status) const { return inner_.refusal(status); }

void FaultyVenue::on_faults_started(std::int64_t now_ms) {
  now_ms_ = now_ms;
  run_states(now_ms);
  strike_connections(true);
}

void FaultyVenue::on_faults_ended(std::int64_t now_ms) {
  now_ms_ = now_ms;
  run_states(now_ms);
  release_frozen(true);
  for (const auto& [raw, tampered] : tampered_) tampered->flush(true);
}

void FaultyVenue::run_states(std::int64_t now_ms) {
  Fault* const skew = faults_.find(view_.venue(), FaultKind::kClockSkew);
  view_.set_skew(skew == nullptr ? 0 : skew->value);
  for (std::size_t i = 0; i < view_.size(); ++i) {
    Fault* const delist = fault(FaultKind::kDelist, i);
    if (!view_.set_delisted(i, delist != nullptr) || delist == nullptr) continue;
    ++delist->touched;
    inner_.on_delisted(view_.shown(i));
  }
  std::set<std::string> closed;
  for (std::size_t i = 0; i < view_.size(); ++i) {
    if (fault(FaultKind::kWalletClosed, i) != nullptr)
      closed.insert(view_.shown(i).instrument.base);
  }
  view_.set_closed_wallets(std::move(closed));
  run_maintenance(now_ms);
  strike_connections(false);
  release_frozen(false);
}

void FaultyVenue::run_maintenance(std::int64_t now_ms) {
  Fault* fault = faults_.find(view_.venue(), FaultKind::kMaintenance);
  if (fault != nullptr && announced_ != fault->id) {
    announced_ = fault->id;
    closed_ = false;
    view_.set_maintenance(true);
    for (const auto& [raw, tampered] : tampered_) {
      inner_.announce_maintenance(*tampered, true, now_ms);
      ++fault->touched;
    }
  }
  if (fault != nullptr && !closed_ && now_ms - fault->started_ms >= fault->value) {
    closed_ = true;
    if (inner_.maintenance_disconnects()) {
      for (const auto& [raw, tampered] : tampered_) raw->close(1001, "maintenance");
    }
    if (fault->once()) {
      faults_.finish(*fault);
      fault = nullptr;
    }
  }
  if (fault == nullptr && announced_ != 0) {
    announced_ = 0;
    closed_ = false;
    view_.set_maintenance(false);
    for (const auto& [raw, tampered] : tampered_) {
      inner_.announce_maintenance(*tampered, false, now_ms);
    }
  }
}

bool FaultyVenue::strike_connection(const Fault& fault, Connection& raw) {
  Tampered& tampered = *tampered_.at(&raw);
  if (tampered.ending || !tampered.carried(fault)) return false;
  if (fault.kind == FaultKind::kFreezeSocket) {
    // The protocol must not punish a silence that the client cannot break.
    inner_.on_close(tampered, now_ms_);
    inner_.detach(tampered);
    tampered_.erase(&raw);
    frozen_[&raw] = {fault.id, fault.once()};
    raw.freeze();
    return true;
  }
  tampered.ending = true;
  if (fault.kind == FaultKind::kReset) {
    raw.reset();
  } else {
    raw.close(static_cast<std::uint16_t>(fault.value));
  }
  return true;
}

void FaultyVenue::strike_connections(bool started) {
  const std::vector<Fault*> live = faults_.live(view_.venue());
  for (Fault* const fault : live) {
    if (fault->kind != FaultKind::kClose && fault->kind != FaultKind::kReset &&
        fault->kind != FaultKind::kFreezeSocket) {
      continue;
    }
    // Those that were open when it began; later ones work.
    if (fault->kind == FaultKind::kFreezeSocket && !fault->once() &&
        !(started && fault->started_ms == now_ms_)) {
      continue;
    }
    std::vector<Connection*> open;
    for (const auto& [raw, tampered] : tampered_) open.push_back(raw);
    std::uint64_t struck = 0;
    for (Connection* const raw : open) struck += strike_connection(*fault, *raw) ? 1 : 0;
    fault->touched += struck;
    if (struck > 0 && fault->once()) faults_.finish(*fault);
  }
}

void FaultyVenue::release_frozen(bool all) {
  for (const auto& [raw, frozen] : frozen_) {
    const bool on = std::ranges::any_of(
        faults_.live(view_.venue()),
        [&, &frozen = frozen](const Fault* fault) { return fault->id == frozen.fault_id; });
    if (all || (!on && !frozen.once)) raw->drop();  // goes from the list when the socket is gone
  }
}

}  // namespace spreadwatch::sim
