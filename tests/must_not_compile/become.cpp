// One does not become the other by being put in its place.
// right: UsdtAmount
// wrong: QuoteAmount
// error: could not convert|cannot convert|conversion from .*requested|no viable conversion
#include "core/money.h"

using namespace spreadwatch;

UsdtAmount in_usdt(GIVEN price) { return price; }
