// A profit is not what was received in one currency less what was spent in another.
// right: UsdtAmount
// wrong: QuoteAmount
// error: no match for .operator-|invalid operands to binary expression
#include "core/money.h"

using namespace spreadwatch;

UsdtAmount profit(UsdtAmount received, GIVEN spent) { return received - spent; }
