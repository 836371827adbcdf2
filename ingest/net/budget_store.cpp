#include "ingest/net/budget_store.h"

#include <exception>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

#include "core/state_file.h"

namespace spreadwatch::ingest {
namespace {

using nlohmann::json;

constexpr int kFileVersion = 1;
/// How often a write that failed is tried again, and the file looked for.
constexpr std::chrono::seconds kLookEvery{2};

json time_or_null(const std::optional<Timestamp>& time) {
  return time ? json(to_us(*time)) : json(nullptr);
}

json encode_window(const std::vector<RateWindow::Taken>& taken) {
  json rows = json::array();
  for (const RateWindow::Taken& t : taken) rows.push_back(json::array({to_us(t.time), t.weight}));
  return rows;
}

/// A whole number from zero to `most`; a file that has another has not been written here.
std::int64_t decode_whole(const json& value, std::int64_t most) {
  const std::int64_t whole = value.is_number_integer() ? value.get<std::int64_t>() : -1;
  if (whole < 0 || whole > most) throw std::out_of_range("a number out of range");
  return whole;
}

Timestamp decode_moment(const json& value) {
  constexpr std::int64_t kYear3000Us = 32'503'680'000'000'000;
  return Timestamp{microseconds{decode_whole(value, kYear3000Us)}};
}

std::optional<Timestamp> decode_time(const json& value) {
  if (value.is_null()) return std::nullopt;
  return decode_moment(value);
}

std::vector<RateWindow::Taken> decode_window(const json& rows) {
  std::vector<RateWindow::Taken> taken;
  for (const json& row : rows) {
    constexpr std::int64_t kMostWeight = 1'000'000'000;
    taken.push_back(
        {decode_moment(row.at(0)), static_cast<int>(decode_whole(row.at(1), kMostWeight))});
  }
  return taken;
}

}  // namespace

std::string encode_budgets(const KeptBudgets& budgets) {
  json venues = json::object();
  for (const auto& [venue, kept] : budgets) {
    venues[std::string{to_string(venue)}] = {
        {"hosts", kept.hosts},
        {"connect_paused_until_us", time_or_null(kept.state.connect_pause)},
        {"rest_paused_until_us", time_or_null(kept.state.rest_pause)},
        {"connects", encode_window(kept.state.connects)},
        {"rest", encode_window(kept.state.rest)}};
  }
  return json{{"version", kFileVersion}, {"venues", std::move(venues)}}.dump(1) + "\n";
}

Result<KeptBudgets> decode_budgets(std::string_view text) {
  const json document = json::parse(text, nullptr, false);
  if (document.is_discarded()) return Unexpected{Error{ErrorCode::kMalformedJson, "not JSON"}};
  KeptBudgets budgets;
  try {
    if (document.at("version") != kFileVersion) {
      return Unexpected{Error{ErrorCode::kSchemaMismatch, "another version"}};
    }
    for (const auto& [name, value] : document.at("venues").items()) {
      const std::optional<VenueId> venue = venue_from_name(name);
      if (!venue) continue;
      KeptBudget& kept = budgets[*venue];
      kept.hosts = value.at("hosts").get<std::string>();
      kept.state.connect_pause = decode_time(value.at("connect_paused_until_us"));
      kept.state.rest_pause = decode_time(value.at("rest_paused_until_us"));
      kept.state.connects = decode_window(value.at("connects"));
      kept.state.rest = decode_window(value.at("rest"));
    }
  } catch (const std::exception& e) {
    return Unexpected{Error{ErrorCode::kSchemaMismatch, e.what()}};
  }
  return budgets;
}

BudgetStore::BudgetStore(std::filesystem::path file, OnError on_error)
    : file_(std::move(file)),
      on_error_(std::move(on_error)),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

BudgetStore::~BudgetStore() = default;

KeptBudgets BudgetStore::load() {
  const auto unreadable = [this](const std::string& why) {
    const std::string text = file_.string() + ": " + why;
    on_error_(Operation::kRead, text);
    const std::lock_guard lock(mutex_);
    state_.error = text;
    return KeptBudgets{};
  };
  std::error_code ec;
  if (!std::filesystem::exists(file_, ec)) return ec ? unreadable(ec.message()) : KeptBudgets{};
  std::ifstream in(file_, std::ios::binary);
  std::string text(kMaxBytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (!in.is_open() || in.bad()) return unreadable("cannot be read");
  Result<KeptBudgets> budgets =
      text.size() > kMaxBytes
          ? Result<KeptBudgets>{Unexpected{Error{ErrorCode::kSchemaMismatch, "too large"}}}
          : decode_budgets(text);
  if (budgets) return std::move(*budgets);
  // The next write would replace it: whoever wants to know what was in it finds it beside.
  on_error_(Operation::kRead, file_.string() + ": " + budgets.error().detail);
  std::string failure;
  const std::optional<std::filesystem::path> moved = spreadwatch::move_aside(file_, failure);
  const std::lock_guard lock(mutex_);
  if (moved) {
    state_.moved_aside = moved->string();
  } else {
    state_.error = file_.string() + ": damaged, and " + failure;
  }
  return {};
}

void BudgetStore::save(const KeptBudgets& budgets) {
  std::string text = encode_budgets(budgets);
  if (text == last_) return;
  last_ = text;
  {
    const std::lock_guard lock(mutex_);
    next_ = std::move(text);
  }
  changed_.notify_one();
}

void BudgetStore::finish() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
}

BudgetStore::State BudgetStore::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

void BudgetStore::run(const std::stop_token& stop) {
  // What is not on disk, or no longer: tried again until it is.
  std::optional<std::string> text;
  std::string written;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, stop, kLookEvery, [this] { return next_.has_value(); });
      if (next_) {
        text = std::move(next_);
        next_.reset();
      }
    }
    std::error_code ec;
    if (!text && !written.empty() && !std::filesystem::exists(file_, ec)) text = written;
    if (text) {
      const std::filesystem::path folder = file_.has_parent_path() ? file_.parent_path() : ".";
      std::optional<std::string> error = make_private_folder(folder);
      if (!error) error = replace_file(file_, *text);
      std::string told = error.value_or("");
      {
        const std::lock_guard lock(mutex_);
        told.swap(state_.error);
      }
      if (error && *error != told) on_error_(Operation::kWrite, *error);
      if (!error) {
        written = std::move(*text);
        text.reset();
      }
    }
    if (stop.stop_requested()) {
      const std::lock_guard lock(mutex_);
      if (!next_) return;
    }
  }
}

}  // namespace spreadwatch::ingest
