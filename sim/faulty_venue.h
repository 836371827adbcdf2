#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "sim/faults.h"
#include "sim/protocol.h"

/// A venue with the faults that are on: stands between the market and the venue's protocol, and
/// between the protocol and its sockets.
///
/// What the market does is bent before the protocol encodes it (crossed, one-sided, late clocks,
/// markets that vanish), so those frames are the venue's own in every detail. Finished frames are
/// lost, spoilt, doubled, exchanged or delayed on their way to one connection. Answers to requests
/// are replaced after the protocol has counted them, so that violations stay what they are.
namespace spreadwatch::sim {

class FaultyVenue final : public VenueProtocol {
 public:
  /// All must outlive it, also `inner`'s view in the context.
  FaultyVenue(const VenueContext& context, VenueProtocol& inner, Faults& faults);
  ~FaultyVenue() override;

  [[nodiscard]] std::string ws_path() const override { return inner_.ws_path(); }
  [[nodiscard]] bool compresses() const override { return inner_.compresses(); }
  UpgradeAnswer on_upgrade(const HttpRequest& request) override;
  void on_open(Connection& connection, std::int64_t now_ms) override;
  void on_text(Connection& connection, std::string_view text, std::int64_t now_ms) override;
  void on_binary(Connection& connection, std::string_view data, std::int64_t now_ms) override;
  void on_ping(Connection& connection, std::string_view payload, std::int64_t now_ms) override;
  void on_pong(Connection& connection, std::string_view payload, std::int64_t now_ms) override;
  void on_close(Connection& connection, std::int64_t now_ms) override;
  HttpAnswer on_http(const HttpRequest& request) override;
  /// These three are told about the true market.
  void on_book(const BookEvent& event) override;
  void on_ticker(const Listing& listing) override;
  void on_instant(std::int64_t ts_ms) override;
  void on_timer(std::int64_t now_ms) override;
  [[nodiscard]] std::optional<std::uint64_t> sequence(const Listing& listing) const override;
  [[nodiscard]] HttpAnswer ban_answer(bool upgrade) const override;
  [[nodiscard]] HttpAnswer refusal(int status) const override;
  void attach(Connection& connection) override;
  void detach(Connection& connection) override;

  /// Faults were started: does at once what need not wait.
  void on_faults_started(std::int64_t now_ms);
  /// All faults were ended: releases what they hold.
  void on_faults_ended(std::int64_t now_ms);

 private:
  class Tampered;

  /// A half-open connection, which the protocol has forgotten.
  struct Frozen {
    std::uint64_t fault_id;
    bool once;
  };

  Tampered* find(Connection& raw);
  [[nodiscard]] Fault* fault(FaultKind kind, std::size_t index) const;
  void strike(Fault& fault, std::size_t index) { Faults::strike(fault, index, moment_); }
  /// Calls the protocol with older books and hidden markets where a fault wants it.
  template <class Call>
  void with_request_faults(bool snapshot, bool http, Call call);
  /// Tells the protocol about the market, then lets go what was held back.
  template <class Call>
  void push(std::int64_t ts_ms, Call call);
  void bend(Book& book, std::size_t index);
  void run_states(std::int64_t now_ms);
  void run_maintenance(std::int64_t now_ms);
  void strike_connections(bool started);
  bool strike_connection(const Fault& fault, Connection& raw);
  void release_frozen(bool all);
  std::optional<HttpAnswer> refused(const HttpRequest& request, bool upgrade);

  MarketView& view_;
  VenueProtocol& inner_;
  Faults& faults_;
  std::map<Connection*, std::unique_ptr<Tampered>> tampered_;
  std::map<Connection*, Frozen> frozen_;
  std::vector<bool> answered_;  // markets with a book message in the answer being given
  std::uint64_t moment_ = 1;
  std::int64_t now_ms_ = 0;
  bool pushing_ = false;                      // the protocol is being told about the market
  std::uint64_t announced_ = 0;               // id of the maintenance that was announced
  bool closed_ = false;                       // and has begun
  std::shared_ptr<const std::string> small_;  // the last message blown up, and what became of it
  std::shared_ptr<const std::string> big_;
  Book before_;  // kept to reuse its memory
};

}  // namespace spreadwatch::sim
