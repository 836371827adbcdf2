// Nor are the two equal.
// right: UsdtAmount
// wrong: QuoteAmount
// error: no match for .operator==|invalid operands to binary expression
#include "core/money.h"

using namespace spreadwatch;

bool same(UsdtAmount a, GIVEN b) { return a == b; }
