#include "engine/memory/code_space.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <random>
#include <utility>
#include <vector>

namespace shunt::detail {
namespace {

constexpr std::uint32_t stretch = 1 << 20;
constexpr std::uint32_t kept = CodeSpace::kept_length;
constexpr std::uint32_t size = 4 * stretch + stretch / 2;  // the last stretch is not whole, and keeps nothing

class CodeSpaceTest : public testing::Test {
 protected:
  CodeSpaceTest() { space_.keep_room(stretch); }
  std::optional<std::uint32_t> in_room(std::uint32_t of) {
    return space_.allocate(16, {of * stretch, (of + 1) * stretch});
  }
  CodeSpace space_{size};
};

TEST_F(CodeSpaceTest, KeepsRoomAtTheEndOfEachStretch) {
  EXPECT_EQ(space_.free_bytes(), size);
  for (std::uint32_t i = 0; i < 4; ++i) EXPECT_EQ(space_.allocate(stretch - kept), i * stretch);
  EXPECT_EQ(space_.allocate(stretch / 2), 4 * stretch);
  EXPECT_EQ(space_.free_bytes(), 4 * kept);
  EXPECT_EQ(in_room(2), 3 * stretch - kept);
  EXPECT_EQ(in_room(2), 3 * stretch - kept + 16);
  EXPECT_EQ(in_room(4), std::nullopt);
  space_.free(3 * stretch - kept, 16);
  EXPECT_EQ(in_room(2), 3 * stretch - kept);
}

TEST_F(CodeSpaceTest, TheRestOfAWindowServesWhereTheRoomIsFull) {
  for (std::uint32_t i = 0; i < kept / 16; ++i) ASSERT_TRUE(in_room(1));
  EXPECT_EQ(in_room(1), stretch) << "the lowest place";
}

TEST_F(CodeSpaceTest, LendsItsRoomToWhatFitsNowhereElse) {
  const auto large = space_.allocate(2 * stretch);
  EXPECT_EQ(large, 0U);
  EXPECT_EQ(in_room(0), std::nullopt) << "all of it is the large piece's";
  EXPECT_EQ(in_room(2), 3 * stretch - kept) << "what did not help is kept";
  EXPECT_EQ(space_.allocate(4 * stretch), std::nullopt);
  EXPECT_EQ(in_room(3), 4 * stretch - kept);
  space_.free(*large, 2 * stretch);
  EXPECT_EQ(space_.allocate(stretch - kept), 0U);
  EXPECT_EQ(in_room(0), stretch - kept) << "given back";
  EXPECT_EQ(space_.free_bytes(), size - (stretch - kept) - 3 * 16);
}

TEST_F(CodeSpaceTest, ARoomThatIsUsedIsNotLent) {
  ASSERT_TRUE(in_room(1));
  EXPECT_EQ(space_.allocate(2 * stretch), 2 * stretch) << "not across the room of the second stretch";
}

TEST_F(CodeSpaceTest, LosesNothing) {
  std::mt19937 random(20261129);
  struct Piece {
    std::uint32_t offset, size;
  };
  std::vector<Piece> pieces;
  std::uint64_t used = 0;
  for (int step = 0; step < 20000; ++step) {
    if (random() % 2 == 0) {
      const bool windowed = random() % 2 == 0;
      const std::uint32_t wanted = windowed ? 16 : random() % (random() % 8 == 0 ? 3 * stretch : 20000) + 1;
      const std::uint32_t begin = random() % 4 * stretch;
      const auto place = windowed ? space_.allocate(16, {begin, begin + stretch}) : space_.allocate(wanted);
      if (!place) continue;
      ASSERT_LE(std::uint64_t{*place} + wanted, size);
      ASSERT_TRUE(!windowed || (*place >= begin && *place + 16 <= begin + stretch));
      for (const Piece& other : pieces)
        ASSERT_TRUE(*place + wanted <= other.offset || other.offset + other.size <= *place);
      pieces.push_back({*place, wanted});
      used += CodeArena::footprint(wanted);
    } else if (!pieces.empty()) {
      std::swap(pieces[random() % pieces.size()], pieces.back());
      space_.free(pieces.back().offset, pieces.back().size);
      used -= CodeArena::footprint(pieces.back().size);
      pieces.pop_back();
    }
    ASSERT_EQ(space_.free_bytes(), size - used);
  }
  for (const Piece& piece : pieces) space_.free(piece.offset, piece.size);
  for (std::uint32_t i = 0; i < 4; ++i) EXPECT_EQ(in_room(i), (i + 1) * stretch - kept) << "all rooms are back";
}

}  // namespace
}  // namespace shunt::detail
