#include "metrics/registry.h"

#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

namespace spreadwatch::metrics {

Registry::Registry() : registry_(std::make_shared<prometheus::Registry>()) {}

Registry::~Registry() = default;

std::string Registry::text() const {
  return prometheus::TextSerializer{}.Serialize(registry_->Collect());
}

}  // namespace spreadwatch::metrics
