#include <doctest/doctest.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/metrics/full_registry.h"

namespace spreadwatch::metrics {
namespace {

/// The value of a series as the exposition prints it; empty when there is no such series.
std::string value_of(const Registry& registry, const std::string& series) {
  std::istringstream lines(registry.text());
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(series + " ")) return line.substr(series.size() + 1);
  }
  return "";
}

std::size_t series_count(const Registry& registry) {
  std::istringstream lines(registry.text());
  std::size_t count = 0;
  for (std::string line; std::getline(lines, line);) count += line.starts_with('#') ? 0U : 1U;
  return count;
}

constexpr Timestamp kNow = timestamp_from_ms(1'700'000'000'250);

TEST_CASE("every name starts with the prefix and counters end in _total") {
  const FullRegistry all;
  std::istringstream lines(all.registry.text());
  int families = 0;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("# TYPE ")) continue;
    ++families;
    std::istringstream words(line.substr(7));
    std::string name;
    std::string type;
    words >> name >> type;
    CAPTURE(name);
    CHECK(name.starts_with("spreadwatch_"));
    CHECK(name.ends_with("_total") == (type == "counter"));
  }
  CHECK(families > 40);
}

TEST_CASE("series of closed lists exist at zero from the start") {
  const FullRegistry all;
  const std::vector<std::string> zeros = {
      R"(spreadwatch_ingest_connections{venue="upbit"})",
      R"(spreadwatch_ingest_disconnections_total{reason="timeout",venue="kraken"})",
      R"(spreadwatch_ingest_disconnections_total{reason="requested",venue="okx"})",
      R"(spreadwatch_ingest_reconnect_attempts_total{venue="bybit"})",
      R"(spreadwatch_ingest_frames_total{channel="orderbook",venue="gateio"})",
      R"(spreadwatch_ingest_bytes_total{channel="ticker",venue="korbit"})",
      R"(spreadwatch_ingest_tickers_total{symbol="other",venue="coinone"})",
      R"(spreadwatch_ingest_decode_errors_total{reason="malformed_json",venue="bithumb"})",
      R"(spreadwatch_ingest_gaps_total{venue="binance"})",
      R"(spreadwatch_ingest_checksum_mismatches_total{venue="kraken"})",
      R"(spreadwatch_ingest_resyncs_total{venue="okx"})",
      R"(spreadwatch_ingest_rest_fallback_active{venue="upbit"})",
      R"(spreadwatch_ingest_rest_fallback_instruments{venue="upbit"})",
      R"(spreadwatch_ingest_rest_late_answers_total{venue="upbit"})",
      R"(spreadwatch_ingest_audit_comparisons_total{outcome="not_comparable",venue="upbit"})",
      R"(spreadwatch_ingest_rest_requests_total{reason="ok",venue="upbit"})",
      R"(spreadwatch_ingest_rest_requests_total{reason="rate_limited",venue="upbit"})",
      R"(spreadwatch_app_log_lines_lost_total)",
      R"(spreadwatch_fx_sources_excluded_total{pair="USDT/KRW",reason="outlier"})",
      R"(spreadwatch_fx_bank_errors_total{reason="timeout"})",
      R"(spreadwatch_fx_last_update_timestamp_seconds{pair="USD/KRW"})",
      R"(spreadwatch_spread_open_opportunities{asset="ETH"})",
      R"(spreadwatch_spread_opportunities_closed_total{reason="stale"})",
      R"(spreadwatch_spread_verdict_reasons_total{reason="fx_quorum"})",
      R"(spreadwatch_publish_delivered_total{topic="opportunity"})",
      R"(spreadwatch_publish_dropped_total{topic="ticker.korea"})",
      R"(spreadwatch_publish_outbox_records)",
      R"(spreadwatch_alerts_fired_total{rule="premium_high"})",
      R"(spreadwatch_alerts_delivered_total{sink="webhook"})",
      R"(spreadwatch_app_queue_drops_total{stage="publish"})",
      R"(spreadwatch_http_connections{kind="stream",server="api"})",
      R"(spreadwatch_http_answers_total{server="metrics",status="5xx"})",
      R"(spreadwatch_http_rejected_total{reason="head_too_large",server="api"})",
      R"(spreadwatch_http_rejected_total{reason="made_room",server="metrics"})",
      R"(spreadwatch_http_stream_events_dropped_total)",
  };
  for (const std::string& series : zeros) {
    CAPTURE(series);
    CHECK(value_of(all.registry, series) == "0");
  }
}

TEST_CASE("a connection that ends is counted under its reason") {
  FullRegistry all;
  VenueMetrics& venue = all.ingest.venue(VenueId::kOkx);
  venue.connected();
  venue.connected();
  venue.disconnected(ErrorCode::kClosedByPeer);
  venue.disconnected(std::nullopt);
  const Registry& r = all.registry;
  CHECK(value_of(r, R"(spreadwatch_ingest_connections{venue="okx"})") == "0");
  CHECK(value_of(
            r, R"(spreadwatch_ingest_disconnections_total{reason="closed_by_peer",venue="okx"})") ==
        "1");
  CHECK(value_of(r, R"(spreadwatch_ingest_disconnections_total{reason="requested",venue="okx"})") ==
        "1");
  CHECK(value_of(r, R"(spreadwatch_ingest_connections{venue="bybit"})") == "0");
}

TEST_CASE("frames and bytes are counted per channel") {
  FullRegistry all;
  all.ingest.venue(VenueId::kKraken).frame(Channel::kOrderBook, 845);
  all.ingest.venue(VenueId::kKraken).frame(Channel::kOrderBook, 155);
  const Registry& r = all.registry;
  CHECK(value_of(r, R"(spreadwatch_ingest_frames_total{channel="orderbook",venue="kraken"})") ==
        "2");
  CHECK(value_of(r, R"(spreadwatch_ingest_bytes_total{channel="orderbook",venue="kraken"})") ==
        "1000");
  CHECK(value_of(r, R"(spreadwatch_ingest_frames_total{channel="ticker",venue="kraken"})") == "0");
}

TEST_CASE("symbols beyond the bound share one series") {
  FullRegistry all;
  VenueMetrics& venue = all.ingest.venue(VenueId::kBinance);
  for (std::size_t i = 0; i < VenueMetrics::kMaxSymbols + 5; ++i) {
    venue.ticker({"A" + std::to_string(i), "USDT"});
  }
  venue.ticker({"A0", "USDT"});
  const Registry& r = all.registry;
  CHECK(value_of(r, R"(spreadwatch_ingest_tickers_total{symbol="A0-USDT",venue="binance"})") ==
        "2");
  CHECK(value_of(r, R"(spreadwatch_ingest_tickers_total{symbol="other",venue="binance"})") == "5");
}

TEST_CASE("a book age disappears with the last synced book and the update time stays") {
  FullRegistry all;
  VenueMetrics& venue = all.ingest.venue(VenueId::kUpbit);
  const std::string age = R"(spreadwatch_ingest_book_age_seconds{venue="upbit"})";
  CHECK(value_of(all.registry, age) == "");
  venue.book_updated(kNow);
  venue.set_oldest_book(kNow - milliseconds{1500});
  CHECK(value_of(all.registry, age) == "1.5");
  venue.set_oldest_book(std::nullopt);
  CHECK(value_of(all.registry, age) == "");
  CHECK(value_of(all.registry,
                 R"(spreadwatch_ingest_book_last_update_timestamp_seconds{venue="upbit"})") ==
        "1700000000.25");
}

TEST_CASE("a negative exchange delay is counted as none") {
  FullRegistry all;
  all.ingest.venue(VenueId::kUpbit).exchange_delay(milliseconds{-40});
  CHECK(value_of(all.registry,
                 R"(spreadwatch_ingest_exchange_delay_seconds_bucket{venue="upbit",le="0.001"})") ==
        "1");
  CHECK(value_of(all.registry, R"(spreadwatch_ingest_exchange_delay_seconds_sum{venue="upbit"})") ==
        "0");
}

TEST_CASE("an unavailable rate is removed with its age, not frozen") {
  FullRegistry all;
  const Registry& r = all.registry;
  all.fx.set_rate(0, 1390.0, 1391.0, 1390.5, kNow - milliseconds{250});
  CHECK(value_of(r, R"(spreadwatch_fx_rate{pair="USDT/KRW",side="bid"})") == "1390");
  CHECK(value_of(r, R"(spreadwatch_fx_rate{pair="USDT/KRW",side="mid"})") == "1390.5");
  CHECK(value_of(r, R"(spreadwatch_fx_age_seconds{pair="USDT/KRW"})") == "0.25");
  all.fx.clear_rate(0);
  all.fx.confirm(0, kNow);  // of what there is no more
  for (const char* side : {"bid", "ask", "mid"}) {
    CAPTURE(side);
    CHECK(value_of(r, "spreadwatch_fx_rate{pair=\"USDT/KRW\",side=\"" + std::string{side} +
                          "\"}") == "");
  }
  CHECK(value_of(r, R"(spreadwatch_fx_age_seconds{pair="USDT/KRW"})") == "");
  CHECK(value_of(r, R"(spreadwatch_fx_last_update_timestamp_seconds{pair="USDT/KRW"})") ==
        "1700000000");
}

TEST_CASE("an age is of the scrape, and a confirmed value is as young as its confirmation") {
  FullRegistry all;
  const Registry& r = all.registry;
  const std::string rate = R"(spreadwatch_fx_age_seconds{pair="USD/KRW"})";
  const std::string update = R"(spreadwatch_fx_last_update_timestamp_seconds{pair="USD/KRW"})";
  const std::string book = R"(spreadwatch_ingest_book_age_seconds{venue="okx"})";
  const std::string ticker = R"(spreadwatch_ingest_ticker_age_seconds{venue="okx"})";
  const std::string queue = "spreadwatch_publish_queue_age_seconds";
  all.fx.set_rate(2, std::nullopt, std::nullopt, 1380.0, kNow);
  all.ingest.venue(VenueId::kOkx).set_oldest_book(kNow);
  all.ingest.venue(VenueId::kOkx).set_tickers(2, kNow - seconds{1}, kNow);
  all.publish.set_queue(3, 900, seconds{2});
  CHECK(value_of(r, rate) == "0");
  // Nobody says anything any more.
  all.clock.time += seconds{42};
  CHECK(value_of(r, rate) == "42");
  CHECK(value_of(r, book) == "42");
  CHECK(value_of(r, ticker) == "43");
  CHECK(value_of(r, queue) == "44");
  CHECK(value_of(r, update) == "1700000000.25");
  // The same value once more.
  all.fx.confirm(2, all.clock.time);
  all.clock.time += seconds{3};
  CHECK(value_of(r, rate) == "3");
  CHECK(value_of(r, update) == "1700000042.25");
}

TEST_CASE("an age is never negative, however late the clock is looked at") {
  FullRegistry all;
  all.fx.set_rate(0, 1390.0, 1391.0, 1390.5, kNow + seconds{1});
  CHECK(value_of(all.registry, R"(spreadwatch_fx_age_seconds{pair="USDT/KRW"})") == "0");
}

TEST_CASE("the age of tickers goes with the last one that may be believed, its time stays") {
  FullRegistry all;
  VenueMetrics& venue = all.ingest.venue(VenueId::kUpbit);
  venue.set_tickers(2, kNow - seconds{5}, kNow);
  CHECK(value_of(all.registry, R"(spreadwatch_ingest_tickers_synced{venue="upbit"})") == "2");
  CHECK(value_of(all.registry, R"(spreadwatch_ingest_ticker_age_seconds{venue="upbit"})") == "5");
  venue.set_tickers(0, std::nullopt, std::nullopt);
  CHECK(value_of(all.registry, R"(spreadwatch_ingest_tickers_synced{venue="upbit"})") == "0");
  CHECK(value_of(all.registry, R"(spreadwatch_ingest_ticker_age_seconds{venue="upbit"})") == "");
  CHECK(value_of(all.registry,
                 R"(spreadwatch_ingest_ticker_last_update_timestamp_seconds{venue="upbit"})") ==
        "1700000000.25");
}

TEST_CASE("a rate without sides has only a mid") {
  FullRegistry all;
  all.fx.set_rate(2, std::nullopt, std::nullopt, 1380.0, kNow);
  CHECK(value_of(all.registry, R"(spreadwatch_fx_rate{pair="USD/KRW",side="mid"})") == "1380");
  CHECK(value_of(all.registry, R"(spreadwatch_fx_rate{pair="USD/KRW",side="bid"})") == "");
}

TEST_CASE("an unavailable premium is removed and its update time stays") {
  FullRegistry all;
  const std::string labels = R"({asset="BTC",basis="usdt",over="europe",region="korea"})";
  const Registry& r = all.registry;
  CHECK(value_of(r, "spreadwatch_spread_premium_ratio" + labels) == "");
  CHECK(value_of(r, "spreadwatch_spread_premium_last_update_timestamp_seconds" + labels) == "0");
  all.spread.set_premium("BTC", "korea", "europe", "usdt", 0.0126, kNow);
  CHECK(value_of(r, "spreadwatch_spread_premium_ratio" + labels) == "0.0126");
  all.spread.set_premium("BTC", "korea", "europe", "usdt", std::nullopt, kNow);
  CHECK(value_of(r, "spreadwatch_spread_premium_ratio" + labels) == "");
  CHECK(value_of(r, "spreadwatch_spread_premium_last_update_timestamp_seconds" + labels) ==
        "1700000000.25");
}

TEST_CASE("the premium of USDT over the bank appears when it is first known") {
  FullRegistry all;
  all.spread.set_premium("USDT", "korea", "bank", "bank", 0.004, kNow);
  CHECK(value_of(all.registry,
                 R"(spreadwatch_spread_premium_ratio{asset="USDT",basis="bank",over="bank",)"
                 R"(region="korea"})") == "0.004");
}

TEST_CASE("the best of an asset goes when no pair has one") {
  FullRegistry all;
  const Registry& r = all.registry;
  all.spread.set_best("ETH", SpreadMetrics::Best{-0.002, -3.5}, kNow);
  CHECK(value_of(r, R"(spreadwatch_spread_best_net_ratio{asset="ETH"})") == "-0.002");
  CHECK(value_of(r, R"(spreadwatch_spread_best_net_profit_usdt{asset="ETH"})") == "-3.5");
  all.spread.set_best("ETH", std::nullopt, kNow);
  CHECK(value_of(r, R"(spreadwatch_spread_best_net_ratio{asset="ETH"})") == "");
  CHECK(value_of(r, R"(spreadwatch_spread_best_net_profit_usdt{asset="ETH"})") == "");
}

TEST_CASE("a verdict counts once and each of its reasons once") {
  FullRegistry all;
  Reasons reasons{Reason::kStaleLeg};
  reasons.add(Reason::kFxQuorum);
  all.spread.verdict("unknown", reasons);
  const Registry& r = all.registry;
  CHECK(value_of(r, R"(spreadwatch_spread_verdicts_total{verdict="unknown"})") == "1");
  CHECK(value_of(r, R"(spreadwatch_spread_verdict_reasons_total{reason="stale_leg"})") == "1");
  CHECK(value_of(r, R"(spreadwatch_spread_verdict_reasons_total{reason="fx_quorum"})") == "1");
  CHECK(value_of(r, R"(spreadwatch_spread_verdict_reasons_total{reason="muted"})") == "0");
}

TEST_CASE("the queue's age is absent while nothing waits") {
  FullRegistry all;
  const std::string age = "spreadwatch_publish_queue_age_seconds";
  CHECK(value_of(all.registry, age) == "");
  all.publish.set_queue(3, 900, seconds{2});
  CHECK(value_of(all.registry, age) == "2");
  CHECK(value_of(all.registry, "spreadwatch_publish_queue_records") == "3");
  all.publish.set_queue(0, 0, std::nullopt);
  CHECK(value_of(all.registry, age) == "");
}

TEST_CASE("all venues with every asset the bound allows stay below 10000 series") {
  std::vector<std::string> assets;
  for (std::size_t i = 0; i < SpreadMetrics::kMaxAssets + 10; ++i) {
    assets.push_back("A" + std::to_string(i));
  }
  FullRegistry all(assets);
  for (const std::string& asset : assets) {
    for (const char* over : {"asia", "europe"}) {
      all.spread.set_premium(asset, "korea", over, "usdt", 0.01, kNow);
      all.spread.set_premium(asset, "korea", over, "bank", 0.01, kNow);
    }
    all.spread.set_premium(asset, "asia", "europe", "usdt", 0.01, kNow);
    all.spread.set_best(asset, SpreadMetrics::Best{}, kNow);
  }
  for (const VenueId id : kAllVenues) {
    for (std::size_t i = 0; i < VenueMetrics::kMaxSymbols + 5; ++i) {
      all.ingest.venue(id).ticker({"A" + std::to_string(i), "USDT"});
    }
  }
  CHECK(series_count(all.registry) < 10'000);
  CHECK(value_of(all.registry, "spreadwatch_spread_assets_unlabelled_total") != "0");
}

TEST_CASE("updates from several threads during scrapes lose nothing") {
  FullRegistry all;
  VenueMetrics& venue = all.ingest.venue(VenueId::kUpbit);
  constexpr int kThreads = 4;
  constexpr int kUpdates = 2000;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&venue, t] {
        for (int i = 0; i < kUpdates; ++i) {
          venue.frame(Channel::kTicker, 1);
          venue.ticker({"A" + std::to_string(i % 7), "KRW"});
          if ((i + t) % 2 == 0) {
            venue.set_oldest_book(kNow - milliseconds{i});
          } else {
            venue.set_oldest_book(std::nullopt);
          }
        }
      });
    }
    for (int i = 0; i < 5; ++i) CHECK(!all.registry.text().empty());
  }
  CHECK(value_of(all.registry,
                 R"(spreadwatch_ingest_frames_total{channel="ticker",venue="upbit"})") == "8000");
}

TEST_CASE("lost lines of the log only ever rise") {
  Registry registry;
  LogMetrics log(registry);
  log.set_lost(7);
  log.set_lost(3);
  log.set_lost(9);
  CHECK(log.lost() == 9);
  CHECK(value_of(registry, "spreadwatch_app_log_lines_lost_total") == "9");
}

TEST_CASE("an asset that goes takes its series with it and frees its place") {
  SetClock clock;
  Registry registry{clock};
  const std::vector<std::string> assets{"BTC"};
  SpreadMetrics spread(registry, assets);
  const std::size_t before = series_count(registry);
  spread.set_premium("DOGE", "korea", "asia", "usdt", 0.01, kNow);
  spread.set_best("DOGE", SpreadMetrics::Best{0.01, 5}, kNow);
  spread.opportunity_opened("DOGE");
  CHECK(series_count(registry) > before);
  spread.remove_asset("DOGE");
  CHECK(series_count(registry) == before);
  spread.remove_asset("DOGE");
  for (std::size_t i = 0; i + 1 < SpreadMetrics::kMaxAssets; ++i) {
    spread.opportunity_opened("A" + std::to_string(i));
  }
  const std::string unlabelled = "spreadwatch_spread_assets_unlabelled_total";
  CHECK(value_of(registry, unlabelled) == "0");
  spread.opportunity_opened("ONE_TOO_MANY");
  CHECK(value_of(registry, unlabelled) == "1");
  spread.remove_asset("A7");
  spread.opportunity_opened("ANOTHER");
  CHECK(value_of(registry, unlabelled) == "1");
}

TEST_CASE("a venue that was not there at the start has its series when it is first seen") {
  SetClock clock;
  Registry registry{clock};
  IngestMetrics ingest(registry, std::vector<VenueId>{VenueId::kOkx});
  const std::string gaps = R"(spreadwatch_ingest_gaps_total{venue="kraken"})";
  const std::string old = R"(spreadwatch_ingest_gaps_total{venue="okx"})";
  CHECK(value_of(registry, gaps).empty());
  CHECK(value_of(registry, old) == "0");
  ingest.venue(VenueId::kKraken).gap();
  CHECK(&ingest.venue(VenueId::kKraken) == &ingest.venue(VenueId::kKraken));
  CHECK(value_of(registry, gaps) == "1");
}

TEST_CASE("conflation, bytes and failed consumers stand at zero until they happen") {
  SetClock clock;
  Registry registry{clock};
  QueueMetrics queues(registry, kStages);
  const std::size_t store = queues.add_consumer("store");
  const std::string conflated = R"(spreadwatch_app_queue_conflated_total{stage="spread"})";
  const std::string bytes = R"(spreadwatch_app_queue_bytes{stage="publish"})";
  const std::string failures = R"(spreadwatch_app_consumer_failures_total{consumer="store"})";
  for (const std::string& series : {conflated, bytes, failures}) {
    CHECK(value_of(registry, series) == "0");
  }
  queues.conflated(0);
  queues.set_bytes(1, 4096);
  queues.consumer_failed(store);
  CHECK(value_of(registry, conflated) == "1");
  CHECK(value_of(registry, bytes) == "4096");
  CHECK(value_of(registry, failures) == "1");
}

TEST_CASE("the ticker series of an instrument that is removed goes, and makes room for another") {
  Registry registry;
  const std::vector<VenueId> venues{VenueId::kUpbit};
  IngestMetrics ingest(registry, venues);
  VenueMetrics& upbit = ingest.venue(VenueId::kUpbit);
  for (std::size_t i = 0; i < VenueMetrics::kMaxSymbols; ++i) {
    upbit.ticker({"C" + std::to_string(i), "KRW"});
  }
  upbit.ticker({"NEW", "KRW"});
  CHECK(registry.text().find("symbol=\"NEW-KRW\"") == std::string::npos);
  upbit.remove_symbol({"C7", "KRW"});
  upbit.remove_symbol({"NEVER", "KRW"});
  CHECK(registry.text().find("symbol=\"C7-KRW\"") == std::string::npos);
  upbit.ticker({"NEW", "KRW"});
  CHECK(registry.text().find("symbol=\"NEW-KRW\"") != std::string::npos);
}

}  // namespace
}  // namespace spreadwatch::metrics
