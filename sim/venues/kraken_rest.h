#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sim/protocol.h"
#include "sim/venues/kraken_text.h"

/// Kraken's REST routes, under the legacy names they still use; how often one may ask is the
/// venue's business.
namespace spreadwatch::sim::kraken {

/// Errors come with status 200.
HttpAnswer failed(std::string_view error);
const char* system_status(MarketView& market);

class KrakenRest {
 public:
  explicit KrakenRest(MarketView& market);

  HttpAnswer route(const HttpRequest& request);

 private:
  template <class Row>
  HttpAnswer pairs(const HttpRequest& request, Row row);
  HttpAnswer depth(const HttpRequest& request);
  HttpAnswer assets(const HttpRequest& request);

  MarketView& market_;
  SymbolIndex by_rest_name_{market_};
  std::vector<std::string> assets_ = assets_of(market_.listings());
};

}  // namespace spreadwatch::sim::kraken
