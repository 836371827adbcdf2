// A number without a currency is no amount before somebody says of which it is.
// right: UsdtAmount
// wrong: Real
// error: could not convert|cannot convert|conversion from .*requested|no viable conversion
#include "core/money.h"

using namespace spreadwatch;

UsdtAmount in_usdt(GIVEN price) { return price; }
