#include "core/state_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

namespace spreadwatch {
namespace {

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

std::optional<std::string> write_synced(const std::filesystem::path& file, std::string_view text) {
  const Descriptor out{::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)};
  if (out.get() < 0) return failed("cannot open", file);
  // One that an earlier version left has its mode still.
  if (::fchmod(out.get(), 0600) != 0) return failed("cannot restrict", file);
  while (!text.empty()) {
    const ::ssize_t written = ::write(out.get(), text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return failed("cannot write", file);
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  if (::fsync(out.get()) != 0) return failed("cannot sync", file);
  return std::nullopt;
}

}  // namespace

std::optional<std::string> make_private_folder(const std::filesystem::path& folder) {
  std::error_code failure;
  const std::filesystem::path above = folder.parent_path();
  if (!above.empty()) std::filesystem::create_directories(above, failure);
  if (failure) return "cannot make " + above.string() + ": " + failure.message();
  if (::mkdir(folder.c_str(), 0700) == 0) return std::nullopt;
  if (errno == EEXIST && std::filesystem::is_directory(folder, failure)) return std::nullopt;
  return failed("cannot make", folder);
}

std::optional<std::string> replace_file(const std::filesystem::path& file, std::string_view text) {
  const std::filesystem::path temporary = file.string() + ".tmp";
  std::optional<std::string> error = write_synced(temporary, text);
  if (!error && ::rename(temporary.c_str(), file.c_str()) != 0) {
    error = failed("cannot rename", temporary);
  }
  if (error) {
    // On a full disk its blocks are wanted back.
    ::unlink(temporary.c_str());
    return error;
  }
  const std::filesystem::path folder = file.has_parent_path() ? file.parent_path() : ".";
  const Descriptor directory{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (directory.get() < 0 || ::fsync(directory.get()) != 0) return failed("cannot sync", folder);
  return std::nullopt;
}

std::optional<std::filesystem::path> move_aside(const std::filesystem::path& file,
                                                std::string& error) {
  std::filesystem::path to;
  for (int i = 1; to.empty(); ++i) {
    std::filesystem::path name = file;
    name += ".damaged-" + std::to_string(i);
    if (!std::filesystem::exists(name)) to = std::move(name);
  }
  std::error_code failure;
  std::filesystem::rename(file, to, failure);
  if (failure) {
    error = failure.message();
    return std::nullopt;
  }
  return to;
}

std::optional<FileIdentity> identity_of(const std::filesystem::path& file) {
  struct ::stat status {};
  if (::stat(file.c_str(), &status) != 0) return std::nullopt;
  return FileIdentity{status.st_dev, status.st_ino};
}

}  // namespace spreadwatch
