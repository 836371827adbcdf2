#include "ingest/budget_store.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <exception>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

namespace spreadwatch::ingest {
namespace {

using nlohmann::json;

constexpr int kFileVersion = 1;

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

/// An open file that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

std::string failed(const char* what, const std::filesystem::path& path) {
  return std::string{what} + " " + path.string() + ": " + std::strerror(errno);
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

std::optional<std::string> replace_file(const std::filesystem::path& file, std::string_view text) {
  const std::filesystem::path temporary = file.string() + ".tmp";
  {
    const Descriptor out{::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)};
    if (out.get() < 0) return failed("cannot open", temporary);
    while (!text.empty()) {
      const ::ssize_t written = ::write(out.get(), text.data(), text.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return failed("cannot write", temporary);
      text.remove_prefix(static_cast<std::size_t>(written));
    }
    if (::fsync(out.get()) != 0) return failed("cannot sync", temporary);
  }
  if (::rename(temporary.c_str(), file.c_str()) != 0) return failed("cannot rename", temporary);
  const std::filesystem::path folder = file.has_parent_path() ? file.parent_path() : ".";
  const Descriptor directory{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (directory.get() < 0 || ::fsync(directory.get()) != 0) return failed("cannot sync", folder);
  return std::nullopt;
}

BudgetStore::BudgetStore(std::filesystem::path file, OnError on_error)
    : file_(std::move(file)),
      on_error_(std::move(on_error)),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

BudgetStore::~BudgetStore() = default;

KeptBudgets BudgetStore::load() const {
  std::error_code ec;
  if (!std::filesystem::exists(file_, ec)) {
    if (ec) on_error_(Operation::kRead, file_.string() + ": " + ec.message());
    return {};
  }
  std::ifstream in(file_, std::ios::binary);
  std::string text(kMaxBytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (in.bad() || (!in.eof() && in.fail()) || text.size() > kMaxBytes) {
    on_error_(Operation::kRead, file_.string() + ": cannot be read, or is too large");
    return {};
  }
  Result<KeptBudgets> budgets = decode_budgets(text);
  if (!budgets) {
    on_error_(Operation::kRead, file_.string() + ": " + budgets.error().detail);
    return {};
  }
  return std::move(*budgets);
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

void BudgetStore::run(const std::stop_token& stop) {
  for (;;) {
    std::string text;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, stop, [this] { return next_.has_value(); });
      if (!next_) return;  // stopping, and everything is written
      text = std::move(*next_);
      next_.reset();
    }
    std::error_code ec;
    const std::filesystem::path folder = file_.has_parent_path() ? file_.parent_path() : ".";
    std::filesystem::create_directories(folder, ec);
    const std::optional<std::string> error =
        ec ? std::optional{folder.string() + ": " + ec.message()} : replace_file(file_, text);
    if (error) on_error_(Operation::kWrite, *error);
  }
}

}  // namespace spreadwatch::ingest
