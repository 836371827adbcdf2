#include "process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

extern char** environ;  // NOLINT(readability-redundant-declaration)

namespace spreadwatch::test {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

std::string read_file(const std::filesystem::path& file) {
  std::ostringstream text;
  text << std::ifstream(file, std::ios::binary).rdbuf();
  return text.str();
}

std::filesystem::path new_folder() {
  std::string name = (std::filesystem::temp_directory_path() / "spreadwatch-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
  return name;
}

}  // namespace

bool eventually(milliseconds deadline, const std::function<bool()>& predicate) {
  const auto end = Clock::now() + deadline;
  while (true) {
    if (predicate()) return true;
    if (Clock::now() >= end) return false;
    std::this_thread::sleep_for(milliseconds{10});  // the pace of asking, not a wait for luck
  }
}

Process::Process(const std::vector<std::string>& argv,
                 const std::map<std::string, std::string>& environment, int err)
    : folder_(new_folder()) {
  std::vector<char*> arguments;
  for (const std::string& argument : argv) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  std::vector<std::string> variables;
  for (char** v = environ; *v != nullptr; ++v) variables.emplace_back(*v);
  for (const auto& [name, value] : environment) variables.push_back(name + "=" + value);
  std::vector<char*> env;
  for (std::string& variable : variables) env.push_back(variable.data());
  env.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, (folder_ / "out").c_str(),
                                   O_CREAT | O_WRONLY | O_TRUNC, 0600);
  if (err >= 0) {
    posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
  } else {
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, (folder_ / "err").c_str(),
                                     O_CREAT | O_WRONLY | O_TRUNC, 0600);
  }
  const int error =
      posix_spawnp(&pid_, arguments[0], &actions, nullptr, arguments.data(), env.data());
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    std::filesystem::remove_all(folder_);
    throw std::runtime_error("cannot start " + argv[0]);
  }
}

Process::~Process() {
  if (running()) {
    signal(SIGKILL);
    wait(std::chrono::seconds{10});
  }
  std::filesystem::remove_all(folder_);
}

std::string Process::out() const { return read_file(folder_ / "out"); }
std::string Process::err() const { return read_file(folder_ / "err"); }

void Process::signal(int number) {
  if (!status_) kill(pid_, number);
}

bool Process::running() {
  wait(milliseconds{0});
  return !status_;
}

std::optional<int> Process::wait(milliseconds deadline) {
  eventually(deadline, [this] {
    int status = 0;
    if (!status_ && waitpid(pid_, &status, WNOHANG) == pid_) {
      status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    return status_.has_value();
  });
  return status_;
}

bool Process::wait_for(const std::function<bool(const Process&)>& predicate,
                       milliseconds deadline) {
  bool held = false;
  eventually(deadline, [&] {
    const bool alive = running();
    held = predicate(*this);
    return held || !alive;
  });
  return held;
}

Finished run(const std::vector<std::string>& argv, milliseconds deadline) {
  Process process(argv);
  const std::optional<int> code = process.wait(deadline);
  return {code.value_or(-1), process.out(), process.err()};
}

TemporaryFolder::TemporaryFolder() : path_(new_folder()) {}
TemporaryFolder::~TemporaryFolder() { std::filesystem::remove_all(path_); }
std::filesystem::path TemporaryFolder::write(const std::string& name,
                                             const std::string& content) const {
  std::filesystem::path file = path_ / name;
  std::ofstream(file, std::ios::binary) << content;
  return file;
}

HttpAnswer http_get(const std::string& url, const std::string& method, const std::string& body) {
  const std::size_t host = url.find("//") + 2;
  const std::size_t colon = url.find(':', host);
  const std::size_t slash = url.find('/', colon);
  const std::string port = url.substr(colon + 1, slash - colon - 1);
  const std::string path = slash == std::string::npos ? "/" : url.substr(slash);
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(std::stoi(port)));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const timeval limit{5, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  std::string answer;
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    const std::string request =
        method + " " + path + " HTTP/1.1\r\nHost: 127.0.0.1:" + port +
        "\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
        body;
    if (send(fd, request.data(), request.size(), MSG_NOSIGNAL) ==
        static_cast<ssize_t>(request.size())) {
      char buffer[65536];
      ssize_t got = 0;
      while ((got = recv(fd, buffer, sizeof buffer, 0)) > 0) {
        answer.append(buffer, static_cast<std::size_t>(got));
      }
    }
  }
  close(fd);
  const std::size_t head = answer.find("\r\n\r\n");
  if (head == std::string::npos || answer.size() < 12) return {};
  HttpAnswer result{std::stoi(answer.substr(9, 3)), answer.substr(head + 4)};
  if (answer.substr(0, head).find("chunked") != std::string::npos) {
    std::string plain;
    std::size_t at = 0;
    while (at < result.body.size()) {
      const std::size_t end = result.body.find("\r\n", at);
      if (end == std::string::npos) break;
      const std::size_t size = std::stoul(result.body.substr(at, end - at), nullptr, 16);
      if (size == 0) break;
      plain += result.body.substr(end + 2, size);
      at = end + 2 + size + 2;
    }
    result.body = plain;
  }
  return result;
}

std::string program() { return std::string{SPREADWATCH_BINARY_DIR} + "/spreadwatch"; }

std::optional<std::filesystem::path> frames() {
  const char* named = std::getenv("SPREADWATCH_FRAMES");
  std::filesystem::path folder =
      named != nullptr ? std::filesystem::path{named}
                       : std::filesystem::path{SPREADWATCH_SOURCE_DIR} / ".." / "shared" / "frames";
  if (!std::filesystem::is_directory(folder)) return std::nullopt;
  return folder;
}

}  // namespace spreadwatch::test
