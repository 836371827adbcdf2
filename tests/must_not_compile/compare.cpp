// A price of the venue's currency is neither above nor below one in USDT.
// right: QuoteAmount
// wrong: UsdtAmount
// error: no match for .operator>|invalid operands to binary expression
#include "core/money.h"

using namespace spreadwatch;

bool crossed(QuoteAmount bid, GIVEN ask) { return bid > ask; }
