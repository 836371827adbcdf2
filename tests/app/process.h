#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace spreadwatch::test {

/// A child process whose stdout and stderr are collected in files, killed at the end of its life.
/// With `err` stderr is that descriptor instead, and err() stays empty.
/// Threads: one at a time.
class Process {
 public:
  /// argv[0] is looked up in PATH. Throws std::runtime_error when it cannot be started.
  explicit Process(const std::vector<std::string>& argv,
                   const std::map<std::string, std::string>& environment = {}, int err = -1);
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process();

  std::string out() const;
  std::string err() const;
  /// Waits until `predicate` holds for the output so far; false at the deadline or when the process
  /// ended first.
  bool wait_for(const std::function<bool(const Process&)>& predicate,
                std::chrono::milliseconds deadline);
  void signal(int number);
  /// The exit code (128 + signal when killed); nullopt when it still runs at the deadline.
  std::optional<int> wait(std::chrono::milliseconds deadline);
  bool running();
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
  std::optional<int> status_;
  std::filesystem::path folder_;
};

/// A finished run: exit code and what was printed.
struct Finished {
  int code = -1;
  std::string out;
  std::string err;
};
/// Runs to the end; `code` is -1 when it did not end by the deadline.
Finished run(const std::vector<std::string>& argv,
             std::chrono::milliseconds deadline = std::chrono::seconds{60});

/// A folder of its own that is gone at the end.
class TemporaryFolder {
 public:
  TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder();
  std::filesystem::path write(const std::string& name, const std::string& content) const;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

struct HttpAnswer {
  int status = 0;  ///< 0 when there was no answer
  std::string body;
};
/// A GET (or another method) of `http://127.0.0.1:port/path`, with a deadline of 5 s.
HttpAnswer http_get(const std::string& url, const std::string& method = "GET",
                    const std::string& body = "");

/// Asks `predicate` again every few milliseconds until it holds; false at the deadline.
bool eventually(std::chrono::milliseconds deadline, const std::function<bool()>& predicate);

/// The program under test.
std::string program();
/// The folder of recorded exchange frames; nullopt when it is not there.
std::optional<std::filesystem::path> frames();

}  // namespace spreadwatch::test
