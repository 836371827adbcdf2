// The board in a real browser: what it puts on the page from a sample market.

#include <doctest/doctest.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <regex>
#include <sstream>
#include <string>

#include "api/embedded.h"
#include "tests/api/sample.h"

namespace spreadwatch::api {
namespace {

namespace fs = std::filesystem;

/// The browser's path, empty when there is none.
std::string chromium() {
  const char* const path = std::getenv("PATH");
  std::istringstream folders(path != nullptr ? path : "");
  for (std::string folder; std::getline(folders, folder, ':');) {
    for (const char* name : {"chromium", "chromium-browser", "google-chrome"}) {
      const fs::path candidate = fs::path(folder) / name;
      if (::access(candidate.c_str(), X_OK) == 0) return candidate;
    }
  }
  return {};
}

/// The page's document after its scripts ran for `budget_ms` of the browser's virtual time.
std::string rendered(const std::string& browser, const std::string& url, int budget_ms) {
  std::string profile = (fs::temp_directory_path() / "spreadwatch-board-XXXXXX").string();
  REQUIRE(::mkdtemp(profile.data()) != nullptr);
  const std::string command =
      "timeout 60 '" + browser +
      "' --headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking"
      " --disable-component-update --disable-sync --disable-dev-shm-usage --user-data-dir='" +
      profile + "' --virtual-time-budget=" + std::to_string(budget_ms) + " --dump-dom '" + url +
      "' 2>/dev/null";
  std::string document;
  {
    const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(command.c_str(), "r"), ::pclose);
    REQUIRE(pipe != nullptr);
    std::array<char, 65536> buffer{};
    while (const std::size_t n = std::fread(buffer.data(), 1, buffer.size(), pipe.get())) {
      document.append(buffer.data(), n);
    }
  }
  std::error_code ignored;
  fs::remove_all(profile, ignored);
  return document;
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("the board shows premiums, rates, pairs and feeds, and says why a number is missing") {
  const std::string browser = chromium();
  if (browser.empty()) {
    std::cout << "SKIPPED: no chromium on the PATH (Debian: apt-get install chromium)\n";
    return;
  }
  SystemClock clock;
  Store store;
  test::fill(store, clock.now());
  store.update(test::premium("ETH", Region::kAsia, Region::kEurope, Basis::kUsdt, 0.0456,
                             clock.now() - milliseconds{125'000}));
  // A rate that last changed, and was last good, more than a minute ago.
  store.update(test::rate(CurrencyPair::kUsdtUsd, 0.9998, 0.9999, milliseconds{0},
                          {test::rate_source("kraken", 0.9998, 0.9999, milliseconds{0})},
                          clock.now() - seconds{70}));
  // Of two that nobody can trade, the one with the better numbers is the one whose numbers may not
  // be true.
  std::vector<SpreadEvent> more;
  const auto rejected = [&](VenueId buy, Verdict verdict, Reason reason, double ratio,
                            double profit) {
    SpreadEvent pair = test::pair("XRP", buy, VenueId::kUpbit, verdict, reason, clock.now());
    pair.gross_ratio = pair.net_ratio = ratio;
    pair.optimal.emplace().net_profit_usdt = profit;
    more.push_back(pair);
  };
  rejected(VenueId::kOkx, Verdict::kUnknown, Reason::kFxDisagree, 0.19, 50'000);
  rejected(VenueId::kBithumb, Verdict::kNotTradable, Reason::kWalletClosed, 0.05, 77);
  Server server({.address = "127.0.0.1", .port = 0}, test::sample_venues(), store, clock,
                test::sample_providers(more));
  server.start();
  const std::string page = rendered(browser, server.url() + "/", 4000);
  if (const char* keep = std::getenv("SPREADWATCH_KEEP_BOARD")) std::ofstream(keep) << page;

  CHECK(contains(page, "+1.23&nbsp;%"));  // BTC korea/europe at the USDT rate
  CHECK(contains(page, "−0.27&nbsp;%"));  // XRP at the bank rate
  CHECK(contains(page, "an order book is stale, too few exchange rate sources"));
  CHECK(contains(page, "+4.56&nbsp;%"));  // not current: shown with its age
  CHECK(contains(page, "2&nbsp;min old"));
  CHECK(contains(page, "class=\"up stale\""));
  CHECK(contains(page, "1,392.00"));                       // the consensus
  CHECK(contains(page, "no: disagrees with the others"));  // an excluded source
  CHECK(contains(page, "the exchange rate is too old"));
  CHECK(contains(page, "<td class=\"num up\">412.77</td>"));  // profit of the best pair
  CHECK(contains(page, "<td class=\"num\">50,000.00</td>"));  // no profit, however large
  CHECK(page.find("+5.000&nbsp;%") < page.find("+19.000&nbsp;%"));
  // Counted once: as old as it is, not as its last change and its last update together.
  CHECK(std::regex_search(page, std::regex("([789]|10|11)[0-9]&nbsp;s old")));
  CHECK(contains(page, "not enough depth, costs exceed the premium"));
  CHECK(contains(page, "tradable"));
  CHECK(contains(page, "1 stale"));
  CHECK(contains(page, "messages were lost"));
  CHECK(contains(page, "Not ready: venue down: okx"));
  CHECK(contains(page, "broker embedded"));
  CHECK(contains(page, "&lt;b&gt;bank&lt;/b&gt;"));  // data is text, never markup
  CHECK_FALSE(contains(page, "<b>bank</b>"));
  CHECK_FALSE(contains(page, "NaN"));
  CHECK_FALSE(contains(page, "undefined"));
  CHECK_FALSE(contains(page, ">null<"));
}

TEST_CASE("the board loads nothing from elsewhere and never makes markup from data") {
  for (const EmbeddedFile& file : board_files()) {
    const std::string content{file.content};
    CAPTURE(std::string{file.name});
    CHECK_FALSE(content.empty());
    for (const char* forbidden : {"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write",
                                  "eval(", "https://", "//cdn", "onclick="}) {
      CHECK_MESSAGE(!contains(content, forbidden), forbidden);
    }
  }
}

}  // namespace spreadwatch::api
