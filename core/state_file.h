#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace spreadwatch {

// Files that outlive the process: for their owner alone, whole after a crash, and noticed when they
// go away under it. Threads: any, but one at a time per file.

/// Makes the folder and what is missing above it, 0700 where it is made here. nullopt when it is
/// there, else what failed.
std::optional<std::string> make_private_folder(const std::filesystem::path& folder);

/// Replaces `file` so that a crash leaves the old or the new content whole: writes a temporary file
/// (0600) beside it, syncs, renames, syncs the folder. nullopt when done, else what failed; the
/// temporary file is then gone.
std::optional<std::string> replace_file(const std::filesystem::path& file, std::string_view text);

/// Moves a damaged file out of the way, to a name of its own beside it, which is returned. nullopt
/// and `error` set when it could not be moved.
std::optional<std::filesystem::path> move_aside(const std::filesystem::path& file,
                                                std::string& error);

/// Which file a path leads to: the same path may lead to another one later.
struct FileIdentity {
  dev_t device{};
  ino_t inode{};

  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};
/// nullopt when there is nothing.
std::optional<FileIdentity> identity_of(const std::filesystem::path& file);

}  // namespace spreadwatch
