// Memory for what generated code writes, within reach of the code that refers to it: the small code model reaches
// 2 GiB. Private memory, so that after fork() parent and child each have their own.
//
// Regions are mapped beside code memory and cut into pieces; a region that was mapped stays until the arena ends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "shunt/error.h"

namespace shunt::orc {

// Thread-safe. Lives as long as one of its pieces.
class DataArena : public std::enable_shared_from_this<DataArena> {
 public:
  // Zeroed bytes; movable handle.
  class Piece {
   public:
    Piece() = default;
    Piece(std::shared_ptr<DataArena> arena, char* data, std::size_t size)
        : arena_(std::move(arena)), data_(data), size_(size) {}
    ~Piece();
    Piece(Piece&& other) noexcept { swap(other); }
    Piece& operator=(Piece&& other) noexcept {
      swap(other);
      return *this;
    }
    [[nodiscard]] char* data() const { return data_; }

   private:
    void swap(Piece& other) noexcept {
      std::swap(arena_, other.arena_);
      std::swap(data_, other.data_);
      std::swap(size_, other.size_);
    }
    std::shared_ptr<DataArena> arena_;
    char* data_ = nullptr;
    std::size_t size_ = 0;
  };

  DataArena() = default;
  ~DataArena();
  DataArena(const DataArena&) = delete;
  DataArena& operator=(const DataArena&) = delete;

  // `alignment` is a power of two. `code` may be null: anywhere. Errors: OutOfMemory.
  Result<Piece> allocate(const std::uint8_t* code, std::size_t code_size, std::size_t size, std::size_t alignment);

 private:
  struct Region {
    std::uintptr_t begin;
    std::size_t size;
    std::map<std::uintptr_t, std::size_t> free;  // begin and size of each free range; no two touch
  };
  Result<Region*> map_region(std::uintptr_t code, std::size_t code_size, std::size_t size);
  static std::uintptr_t take(Region& region, std::size_t size, std::size_t alignment);
  void give_back(std::uintptr_t begin, std::size_t size) noexcept;

  std::mutex mutex_;  // protects the regions
  std::vector<Region> regions_;
};

}  // namespace shunt::orc
