// Tells when the file that a path leads to may have become another one, or may have been written.
//
// A file is replaced in many ways: written in place; renamed over; a symbolic link on the way swapped (as Kubernetes
// does it for its ConfigMaps); a directory renamed. So every step of the path is watched: for each component, and for
// each component of each symbolic link on the way, the directory that holds it, for events that carry its name. inotify
// watches of files themselves would end with the file.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "shunt/error.h"

namespace shunt::flags {

// Not thread-safe.
class PathWatch {
 public:
  // Opens inotify; call place() next. Without inotify the watch still exists: fd() is -1 and shortfall() says why.
  explicit PathWatch(std::string path);
  ~PathWatch();
  PathWatch(const PathWatch&) = delete;
  PathWatch& operator=(const PathWatch&) = delete;

  // Watches the steps that lead to the file now. Call it before reading the file, each time that something changed:
  // what changes after it gives an event.
  void place();

  // Readable when drain() has something to return; -1 without inotify. Owned by the watch.
  [[nodiscard]] int fd() const noexcept { return fd_; }

  // Ordered by how much they ask for.
  enum class Seen : std::uint8_t {
    Nothing,  // no event that concerns the path
    Writing,  // the file was written or is being written: more may follow
    Changed,  // a writer closed it, or a step of the path changed: worth a look now
  };
  // Takes all events that have arrived; does not block. If they cannot be read, there is no inotify from then on.
  [[nodiscard]] Seen drain();

  // Why changes may go unseen, empty if none can: then the caller must look from time to time.
  [[nodiscard]] const std::string& shortfall() const noexcept { return shortfall_; }

 private:
  struct Step {
    std::string directory, name;
    bool operator==(const Step&) const = default;
  };
  [[nodiscard]] std::vector<Step> steps(std::string& problem) const;
  bool place_once(const std::vector<Step>& steps);
  Seen give_up(std::string why);

  std::string path_;
  int fd_ = -1;
  std::string shortfall_;
  std::map<int, std::vector<std::string>> names_;  // by watch descriptor: names that concern the path
};

}  // namespace shunt::flags
