// The ratio of two prices is one only in one currency.
// right: UsdtAmount
// wrong: QuoteAmount
// error: no match for .operator/|invalid operands to binary expression
#include "core/money.h"

using namespace spreadwatch;

Real ratio(UsdtAmount sell_price, GIVEN buy_price) { return sell_price / buy_price; }
