#include "ingest/live/venue_rest.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace spreadwatch::ingest {
namespace {

constexpr seconds kLongestWait{1};

/// Counts how a request ended and informs the venue's budget.
void account_for(const VenueContext& context, const RestResult& result, Timestamp now) {
  if (result) {
    context.metrics.rest_request(std::nullopt);
    context.budget.accepted_rest(result->retry_after);
    if (result->used_weight) context.budget.used_weight(now, *result->used_weight);
    return;
  }
  const RestFailure& failure = result.error();
  context.metrics.rest_request(failure.error.code);
  if (failure.used_weight) context.budget.used_weight(now, *failure.used_weight);
  context.budget.refused_rest(now, failure.status, failure.retry_after);
}

/// Tells the venue's RestOutage how a request for order books ended.
void judge_outage(const VenueContext& context, const RestCall& call, const RestResult& result,
                  SteadyTime now) {
  if (result || (result.error().status > 0 && result.error().status < 500)) {
    context.budget.outage().answered();
  } else if (result.error().error.code != ErrorCode::kRateLimited) {  // else it was never sent
    context.budget.outage().failed(call.symbol.empty() ? call.path : call.symbol, now);
  }
}

/// A refusal or a ban in the body of an answer counts as one of the status. Other codes
/// change nothing.
void apply_refusal(const VenueContext& context, ErrorCode code) {
  if (code != ErrorCode::kRateLimited && code != ErrorCode::kBanned) return;
  context.budget.refused_in_body(context.clock.now(), code == ErrorCode::kBanned);
}

/// Passes on what an answer says, and applies refusals to the budget on the way.
class RefusalObserver final : public MarketSink {
 public:
  RefusalObserver(const VenueContext& context, MarketSink& sink) : context_(context), sink_(sink) {}
  void on_ticker(const Ticker& ticker) override { sink_.on_ticker(ticker); }
  void on_order_book(const std::string& stream, const OrderBook& book) override {
    sink_.on_order_book(stream, book);
  }
  void on_error(const FeedError& error) override {
    apply_refusal(context_, error.error.code);
    sink_.on_error(error);
  }
  void on_control(const ControlMessage& control) override { sink_.on_control(control); }
  void on_market(const MarketInfo& market) override { sink_.on_market(market); }
  void on_need(const std::string& stream, const Instrument& instrument,
               MaintainedBook::Need need) override {
    sink_.on_need(stream, instrument, need);
  }

 private:
  const VenueContext& context_;
  MarketSink& sink_;
};

}  // namespace

VenueRest::VenueRest(const VenueContext& context, VenueId venue, std::string rest_url)
    : context_(context), venue_(venue), rest_url_(std::move(rest_url)) {}

std::optional<VenueRest::NotSent> VenueRest::get(Request request, SteadyTime now,
                                                 Callback callback) {
  RestOutage& outage = context_.budget.outage();
  if (request.order_book && !outage.may_ask(now)) {
    return NotSent{NotSent::Reason::kOutage,
                   std::min<microseconds>(outage.wait(now), kLongestWait)};
  }
  const microseconds wait =
      context_.budget.take_rest(context_.clock.now(), request.call.weight, request.reserve);
  if (wait.count() > 0) {
    return NotSent{NotSent::Reason::kBudget, std::min<microseconds>(wait, kLongestWait)};
  }
  if (request.order_book) outage.asked(now);
  RestRequest get;
  get.url = rest_url_ + request.call.path;
  get.timeout = request.timeout;
  get.max_bytes = request.max_bytes;
  // Without a pointer to this object: an answer may outlive whoever requested it.
  context_.rest.get(std::move(get), [context = context_, call = std::move(request.call),
                                     order_book = request.order_book,
                                     callback = std::move(callback)](const RestResult& result) {
    account_for(context, result, context.clock.now());
    if (order_book) judge_outage(context, call, result, steady_now());
    callback(call, result);
  });
  return std::nullopt;
}

Frame VenueRest::record(const RestCall& call, const RestAnswer& answer,
                        std::optional<Channel> channel, std::uint32_t connection) const {
  const Frame frame{Origin::kRest, answer.body,          call.channel,
                    call.symbol,   context_.clock.now(), connection};
  context_.sink.on_raw(venue_, frame, false);
  context_.metrics.frame(channel, answer.body.size());
  return frame;
}

void VenueRest::read(const Frame& frame, MarketSink& sink) const {
  RefusalObserver observer(context_, sink);
  context_.normalizer.feed(frame, observer);
}

void VenueRest::decode(const Frame& frame, Decoded& out) const {
  context_.normalizer.adapter().decode(frame, out);
  for (const DecodeError& error : out.errors) apply_refusal(context_, error.error.code);
}

void VenueRest::discard(const RestCall& call, const RestAnswer& answer) const {
  Decoded unread;
  decode({Origin::kRest, answer.body, call.channel, call.symbol, context_.clock.now(), 0}, unread);
}

}  // namespace spreadwatch::ingest
