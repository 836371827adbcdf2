#include "ingest/live/wallet_feed.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace spreadwatch::ingest {
namespace {

constexpr double kSpareForUrgent = 0.25;  // of the REST budget

}  // namespace

WalletFeed::WalletFeed(VenueContext context, Settings settings)
    : context_(context),
      settings_(std::move(settings)),
      rest_(context_, settings_.venue, settings_.rest_url) {
  if (settings_.interval.count() == 0) return;
  for (const WalletRoute& route : wallet_routes(settings_.venue)) {
    routes_.push_back({route, std::nullopt, 0});
  }
}

void WalletFeed::tick(SteadyTime now) {
  if (stopping_ || in_flight_ || routes_.empty() || now < hold_until_) return;
  // nullopt is the smallest.
  Route& next = *std::ranges::min_element(routes_, {}, &Route::due);
  if (next.due && now < *next.due) return;
  const std::string path{next.route.path};
  const auto not_sent =
      rest_.get({.call = {path, std::string{kWalletChannel}, path, next.route.weight},
                 .timeout = settings_.timeout,
                 .max_bytes = kMaxBodyBytes,
                 .reserve = kSpareForUrgent},
                now, [this, &next](const RestCall& call, const RestResult& result) {
                  on_answer(next, call, result);
                });
  if (not_sent) {
    hold_until_ = now + not_sent->wait;
  } else {
    in_flight_ = true;
  }
}

void WalletFeed::on_answer(Route& route, const RestCall& call, const RestResult& result) {
  if (stopping_) return;
  in_flight_ = false;
  const Timestamp wall = context_.clock.now();
  const SteadyTime now = steady_now();
  if (!result) return failed(route, result.error().error, {}, wall, now);
  const Frame frame = rest_.record(call, *result, std::nullopt);
  if (const std::optional<Error> error = read(route, frame)) {
    context_.metrics.decode_error(error->code);
    return failed(route, *error, result->body, wall, now);
  }
  route.failures = 0;
  route.due = now + settings_.interval;
}

std::optional<Error> WalletFeed::read(const Route& route, const Frame& frame) {
  const std::string_view body = frame.payload;
  const Timestamp wall = *frame.receive_time;
  std::vector<Error> refused;
  Result<std::vector<WalletStatus>> wallets = parse_wallets(settings_.venue, body, wall, &refused);
  if (wallets) {
    for (const Error& row : refused) {
      context_.metrics.decode_error(row.code);
      emit(FeedError{settings_.venue,
                     {},
                     {row.code, std::string{route.route.path} + ": " + row.detail},
                     wall,
                     std::string{body.substr(0, Normalizer::kMaxErrorPayload)},
                     true});
    }
    for (WalletStatus& status : *wallets) emit(std::move(status));
    return std::nullopt;
  }
  if (wallets.error().code == ErrorCode::kVenueError) {
    // Some venues say in the body of a 200 that they are asked too often; the adapter knows how.
    rest_.decode(frame, decoded_);
  }
  return wallets.error();
}

void WalletFeed::failed(Route& route, const Error& error, std::string_view payload, Timestamp wall,
                        SteadyTime now) {
  const std::string path{route.route.path};
  spdlog::warn("wallets of {}: {}: {} ({})", to_string(settings_.venue), path, error.detail,
               to_string(error.code));
  route.due = now + std::min(kLongestRetry, kFirstRetry * (1 << std::min(route.failures, 7)));
  ++route.failures;
  emit(FeedError{settings_.venue,
                 {},
                 {error.code, path + ": " + error.detail},
                 wall,
                 std::string{payload.substr(0, Normalizer::kMaxErrorPayload)}});
}

void WalletFeed::emit(MarketEvent event) {
  if (stopping_) return;
  notify(context_.sink, std::move(event));
}

}  // namespace spreadwatch::ingest
