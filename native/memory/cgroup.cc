// The memory limit that a container or a service manager set, read from the cgroup file system.
#include <algorithm>
#include <fstream>

#include "process_memory.h"

namespace inhouse {
namespace {

void addLimit(const std::string& file, std::optional<std::uint64_t>& smallest) {
  std::ifstream stream(file);
  std::uint64_t limit = 0;
  if (!(stream >> limit)) return;                     // absent, or "max"
  if (limit >= std::uint64_t{1} << 60) return;        // how v1 writes that there is none
  smallest = std::min(smallest.value_or(limit), limit);
}

/** Of the group at `path` and of all groups above it; the path may belong to another namespace and not exist here. */
void addLimits(const std::string& mount, std::string path, const char* file, std::optional<std::uint64_t>& smallest) {
  for (;;) {
    addLimit(mount + path + "/" + file, smallest);
    const std::size_t slash = path.find_last_of('/');
    if (slash == std::string::npos) return;
    path.resize(slash);
  }
}

bool lists(const std::string& controllers, const std::string& name) {
  return ("," + controllers + ",").find("," + name + ",") != std::string::npos;
}

}  // namespace

std::optional<std::uint64_t> readCgroupMemoryLimit(const std::string& root) {
  std::optional<std::uint64_t> smallest;
  std::ifstream groups(root + "proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {  // "id:controllers:path", with no controllers in v2
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string path = line.substr(second + 1) == "/" ? "" : line.substr(second + 1);
    if (controllers.empty()) addLimits(root + "sys/fs/cgroup", path, "memory.max", smallest);
    if (lists(controllers, "memory"))
      addLimits(root + "sys/fs/cgroup/memory", path, "memory.limit_in_bytes", smallest);
  }
  return smallest;
}

}  // namespace inhouse
