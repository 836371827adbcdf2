// Writes what the fuzz targets start from: seed_corpus DIRECTORY makes a folder for each target.

#define DOCTEST_CONFIG_IMPLEMENT  // the simulator's test bench checks with it
#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/fuzz/seeds.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: seed_corpus DIRECTORY\n", stderr);
    return 2;
  }
  doctest::Context context;
  context.setAsDefaultForAssertsOutOfTestCases();
  context.setAssertHandler([](const doctest::AssertData& failed) {
    std::fprintf(stderr, "%s:%d: %s\n", failed.m_file, failed.m_line, failed.m_expr);
    std::exit(1);
  });
  const std::filesystem::path root{argv[1]};
  for (const spreadwatch::fuzz::Seed& seed : spreadwatch::fuzz::all_seeds()) {
    std::filesystem::create_directories(root / seed.target);
    std::ofstream file{root / seed.target / seed.name, std::ios::binary};
    file << seed.content;
    if (!file.flush()) {
      std::fprintf(stderr, "cannot write %s\n", (root / seed.target / seed.name).c_str());
      return 1;
    }
  }
  return 0;
}
