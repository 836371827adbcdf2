#pragma once

#include <cstdint>
#include <string_view>

#include "sim/protocol.h"

/// Binance's REST routes; what they may cost is the venue's business.
namespace spreadwatch::sim::binance {

HttpAnswer error_answer(int status, int code, std::string_view message);

class BinanceRest {
 public:
  explicit BinanceRest(MarketView& market);

  /// What the request counts of the weight a minute.
  static std::int64_t weight_of(const HttpRequest& request);
  HttpAnswer route(const HttpRequest& request);

 private:
  HttpAnswer exchange_info(const HttpRequest& request);
  HttpAnswer depth(const HttpRequest& request);
  HttpAnswer average_price(const HttpRequest& request);
  /// One object for `symbol`, an array for `symbols` or none.
  template <class Row>
  HttpAnswer rows(const HttpRequest& request, Row row);
  HttpAnswer networks();

  MarketView& market_;
  SymbolIndex by_symbol_{market_};
};

}  // namespace spreadwatch::sim::binance
