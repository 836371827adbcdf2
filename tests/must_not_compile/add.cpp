// An amount of the venue's currency is not added to one in USDT.
// right: UsdtAmount
// wrong: QuoteAmount
// error: no match for .operator[+]|invalid operands to binary expression
#include "core/money.h"

using namespace spreadwatch;

UsdtAmount total(UsdtAmount spent, GIVEN fee) { return spent + fee; }
