#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "api/route.h"
#include "core/error.h"
#include "core/time.h"
#include "publish/encode.h"
#include "publish/json_writer.h"
#include "publish/time_of_day.h"

namespace spreadwatch::api {

/// A code's name; null in an answer when there is none.
inline std::optional<std::string_view> name_of(std::optional<ErrorCode> code) {
  return code ? std::optional{to_string(*code)} : std::nullopt;
}

/// Appends a record in which moments of our own clock are times of day.
template <class Event, class... More>
void append_told(std::string& out, const Clock& clock, const Event& event, const More&... more) {
  const std::optional<Event> told = publish::told(event, clock);
  publish::append_record(out, told ? *told : event, more...);
}

/// What a route says that asks the engine, when there is no answer in time.
inline constexpr Route::Outcome kEngineBusy{.status = 503,
                                            .description = "there was no answer in time"};
inline Response engine_busy() {
  return problem(kEngineBusy.status, "engine_busy",
                 "the pairs are being computed: ask again in a moment");
}

/// `{"ts_ms":…,"<name>":[…]}` around the records as they are at `now`.
template <class Records, class Append>
Response list_of(std::string_view name, const Records& records, const Clock& clock, Timestamp now,
                 const Append& append) {
  Response response;
  {
    publish::JsonObject object(response.body);
    object.add("ts_ms", to_ms(clock.shown(now)));
    publish::append_json_array(object.key(name), records, append);
  }
  return response;
}

}  // namespace spreadwatch::api
