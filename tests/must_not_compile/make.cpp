// Nor is it made out of the other by asking for it: that takes fx and a rate.
// right: Real
// wrong: QuoteAmount
// error: no matching function for call to .*Money|no matching constructor for
#include "core/money.h"

using namespace spreadwatch;

UsdtAmount in_usdt(GIVEN price) { return UsdtAmount{price}; }
