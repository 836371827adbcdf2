// A size of the ladder is one in USDT.
// right: UsdtAmount
// wrong: QuoteAmount
// error: could not convert|cannot convert|no viable conversion
#include "spread/arithmetic.h"

using namespace spreadwatch;

std::optional<Trade> trade(const spread::PairInput& pair, GIVEN size) {
  return spread::trade_spending(pair, size);
}
