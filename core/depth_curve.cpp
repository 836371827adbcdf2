#include "core/depth_curve.h"

#include <algorithm>
#include <limits>

namespace spreadwatch {
namespace {

/// How far beyond the end of a book a quantity may be and still count as its end: what is left is
/// rounding.
constexpr Real kSameDepth = 1e-15L;

}  // namespace

void DepthCurve::assign(std::span<const Level> levels) {
  levels_.assign(levels.begin(), levels.end());
  steps_.clear();
  next_level_ = 0;
  compile_to(0);
}

void DepthCurve::assign_unlimited(QuoteAmount price) {
  constexpr Real kUnlimited = std::numeric_limits<Real>::infinity();
  clear();
  steps_.push_back({price, kUnlimited, QuoteAmount{kUnlimited}, 1 / price.value()});
}

void DepthCurve::clear() {
  levels_.clear();
  steps_.clear();
  next_level_ = 0;
}

bool DepthCurve::compile_to(std::size_t step) const {
  while (steps_.size() <= step && next_level_ < levels_.size()) {
    const Level& level = levels_[next_level_++];
    if (!level.price.is_positive() || !level.size.is_positive()) continue;
    const Step better = steps_.empty() ? Step{} : steps_.back();
    const QuoteAmount price{level.price.to_long_double()};
    const Real size = level.size.to_long_double();
    steps_.push_back(
        {price, better.quantity + size, better.amount + price * size, 1 / price.value()});
  }
  return step < steps_.size();
}

/// The step in which a running total reaches `value`; a value a rounding beyond the end becomes the
/// end.
template <class Total>
std::optional<std::size_t> DepthCurve::find(Total Step::*total, Total& value) const {
  while (steps_.empty() || steps_.back().*total < value) {
    if (has(steps_.size())) continue;
    if (steps_.empty() || value > steps_.back().*total * (1 + kSameDepth)) return std::nullopt;
    value = steps_.back().*total;
  }
  const auto found =
      std::ranges::lower_bound(steps_, value, {}, [total](const Step& s) { return s.*total; });
  return static_cast<std::size_t>(found - steps_.begin());
}

std::optional<QuoteAmount> DepthCurve::amount_of(Real quantity) const {
  const std::optional<std::size_t> step = find(&Step::quantity, quantity);
  if (!step) return std::nullopt;
  const Step better = before(*step);
  return better.amount + (quantity - better.quantity) * steps_[*step].price;
}

std::optional<Real> DepthCurve::quantity_of(QuoteAmount amount) const {
  const std::optional<std::size_t> step = find(&Step::amount, amount);
  if (!step) return std::nullopt;
  const Step better = before(*step);
  return better.quantity + (amount - better.amount) / steps_[*step].price;
}

}  // namespace spreadwatch
