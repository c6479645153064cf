#include "engine/codegen/orc/data_arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

namespace shunt::orc {
namespace {

constexpr std::size_t granularity = 16;
constexpr std::size_t region_size = std::size_t{16} << 20;
constexpr std::size_t reach = (std::size_t{1} << 31) - (std::size_t{1} << 16);  // some bytes for addends

constexpr std::uintptr_t align_up(std::uintptr_t value, std::size_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

bool reaches(std::uintptr_t code, std::size_t code_size, std::uintptr_t data, std::size_t size) {
  return code == 0 || std::max(code + code_size, data + size) - std::min(code, data) <= reach;
}

}  // namespace

DataArena::Piece::~Piece() {
  if (arena_ != nullptr) arena_->give_back(reinterpret_cast<std::uintptr_t>(data_), size_);
}

DataArena::~DataArena() {
  for (const Region& region : regions_) munmap(reinterpret_cast<void*>(region.begin), region.size);
}

Result<DataArena::Piece> DataArena::allocate(const std::uint8_t* code, std::size_t code_size, std::size_t size,
                                             std::size_t alignment) {
  const auto code_begin = reinterpret_cast<std::uintptr_t>(code);
  size = align_up(size, granularity);
  alignment = std::max(alignment, granularity);
  std::uintptr_t found = 0;
  {
    const std::lock_guard lock(mutex_);
    for (Region& region : regions_) {
      if (!reaches(code_begin, code_size, region.begin, region.size)) continue;
      found = take(region, size, alignment);
      if (found != 0) break;
    }
    if (found == 0) {
      Result<Region*> region = map_region(code_begin, code_size, align_up(size + alignment, region_size));
      if (!region) return region.error();
      found = take(**region, size, alignment);
    }
  }
  char* const data = reinterpret_cast<char*>(found);
  std::memset(data, 0, size);
  return Piece(shared_from_this(), data, size);
}

// The nearest place on either side that is free.
Result<DataArena::Region*> DataArena::map_region(std::uintptr_t code, std::size_t code_size, std::size_t size) {
  const std::uintptr_t from = code / region_size * region_size;
  int problem = 0;
  const auto map_at = [&](std::uintptr_t hint) -> Region* {
    const int fixed = hint == 0 ? 0 : MAP_FIXED_NOREPLACE;
    void* const at = mmap(reinterpret_cast<void*>(hint), size, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | fixed, -1, 0);
    if (at == MAP_FAILED) {
      problem = errno;
      return nullptr;
    }
    const auto begin = reinterpret_cast<std::uintptr_t>(at);
    return &regions_.emplace_back(Region{begin, size, {{begin, size}}});
  };
  if (code == 0) {
    if (Region* const region = map_at(0)) return region;
  }
  for (std::uintptr_t distance = region_size; code != 0 && distance < reach; distance += region_size) {
    for (const std::uintptr_t hint : {from + distance, distance < from ? from - distance : 0}) {
      if (hint == 0 || !reaches(code, code_size, hint, size)) continue;
      if (Region* const region = map_at(hint)) return region;
    }
  }
  return make_error(ErrorCode::OutOfMemory,
                    "no " + std::to_string(size) + " bytes for the data of generated code are free within 2 GiB of it" +
                        (problem == 0 ? "" : std::string(" (last tried: ") + std::strerror(problem) + ")") +
                        "; make the engine with a smaller EngineOptions::code_reservation");
}

// First fit. 0: no room.
std::uintptr_t DataArena::take(Region& region, std::size_t size, std::size_t alignment) {
  for (auto range = region.free.begin(); range != region.free.end(); ++range) {
    const auto [begin, free] = *range;
    const std::uintptr_t found = align_up(begin, alignment);
    if (found + size > begin + free) continue;
    region.free.erase(range);
    if (found != begin) region.free.emplace(begin, found - begin);
    if (found + size != begin + free) region.free.emplace(found + size, begin + free - found - size);
    return found;
  }
  return 0;
}

void DataArena::give_back(std::uintptr_t begin, std::size_t size) noexcept {
  const std::lock_guard lock(mutex_);
  const auto region = std::find_if(regions_.begin(), regions_.end(), [begin](const Region& one) {
    return begin >= one.begin && begin < one.begin + one.size;
  });
  auto after = region->free.upper_bound(begin);
  if (after != region->free.end() && after->first == begin + size) {
    size += after->second;
    after = region->free.erase(after);
  }
  if (after != region->free.begin()) {
    const auto before = std::prev(after);
    if (before->first + before->second == begin) {
      before->second += size;
      return;
    }
  }
  region->free.emplace(begin, size);
}

}  // namespace shunt::orc
