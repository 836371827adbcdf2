#include "ingest/live/wallet_feed.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace spreadwatch::ingest {
namespace {

constexpr double kSpareForUrgent = 0.25;  // of the REST budget

}  // namespace

WalletFeed::WalletFeed(SessionContext context, Settings settings)
    : context_(context), settings_(std::move(settings)) {
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
  const microseconds wait =
      context_.budget.take_rest(context_.clock.now(), next.route.weight, kSpareForUrgent);
  if (wait.count() > 0) {
    // Asked again at least once a second: a pause may be lifted, and the wall clock may jump.
    hold_until_ = now + std::min<microseconds>(wait, seconds{1});
    return;
  }
  in_flight_ = true;
  RestRequest request;
  request.url = settings_.rest_url + std::string{next.route.path};
  request.timeout = settings_.timeout;
  request.max_bytes = kMaxBodyBytes;
  context_.rest.get(std::move(request),
                    [this, &next](const RestResult& result) { on_answer(next, result); });
}

void WalletFeed::on_answer(Route& route, const RestResult& result) {
  if (stopping_) return;
  in_flight_ = false;
  const Timestamp wall = context_.clock.now();
  const SteadyTime now = std::chrono::steady_clock::now();
  settle(context_, result, wall);
  if (!result) return failed(route, result.error().error, {}, wall, now);
  context_.metrics.frame(std::nullopt, result->body.size());
  if (const std::optional<Error> error = read(route, result->body, wall)) {
    context_.metrics.decode_error(error->code);
    return failed(route, *error, result->body, wall, now);
  }
  route.failures = 0;
  route.due = now + settings_.interval;
}

std::optional<Error> WalletFeed::read(const Route& route, const std::string& body, Timestamp wall) {
  const Frame frame{Origin::kRest, body, kWalletChannel, route.route.path, wall, 0};
  context_.sink.on_raw(settings_.venue, frame, false);
  std::vector<Error> refused;
  Result<std::vector<WalletStatus>> wallets = parse_wallets(settings_.venue, body, wall, &refused);
  if (wallets) {
    for (const Error& row : refused) {
      context_.metrics.decode_error(row.code);
      emit(FeedError{settings_.venue,
                     {},
                     {row.code, std::string{route.route.path} + ": " + row.detail},
                     wall,
                     body.substr(0, Normalizer::kMaxErrorPayload),
                     true});
    }
    for (WalletStatus& status : *wallets) emit(std::move(status));
    return std::nullopt;
  }
  if (wallets.error().code == ErrorCode::kVenueError) {
    // Some venues say in the body of a 200 that they are asked too often; the adapter knows how.
    context_.normalizer.adapter().decode(frame, decoded_);
    for (const DecodeError& error : decoded_.errors) {
      settle_body(context_, error.error.code, wall);
    }
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
  tell(context_.sink, std::move(event));
}

}  // namespace spreadwatch::ingest
