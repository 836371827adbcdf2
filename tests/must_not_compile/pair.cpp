// A pair's two ends meet in USDT: proceeds before conversion are no profit.
// right: spread::usdt_received(pair.sell, quantity)
// wrong: pair.sell.book->amount_of(quantity)
// error: no match for .operator-|invalid operands to binary expression
#include "spread/arithmetic.h"

using namespace spreadwatch;

UsdtAmount profit(const spread::PairInput& pair, Real quantity) {
  return *GIVEN - *spread::usdt_spent(pair.buy, quantity);
}
