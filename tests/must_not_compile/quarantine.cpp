// Two prices of one coin are judged in one currency.
// right: UsdtAmount
// wrong: QuoteAmount
// error: no matching function for call to .*is_quarantined
#include "spread/premium.h"

using namespace spreadwatch;

bool far(UsdtAmount there, GIVEN here) { return spread::is_quarantined(there, here); }
