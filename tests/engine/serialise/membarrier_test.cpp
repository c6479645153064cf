#include "engine/serialise/membarrier.h"

#include <gtest/gtest.h>

#include "tests/engine/child.h"

namespace shunt::detail {
namespace {

TEST(Membarrier, SerialisesAndSaysHow) {
  auto serialiser = make_membarrier_serialiser();
  ASSERT_TRUE(serialiser) << serialiser.error().message();
  EXPECT_EQ((*serialiser)->name(), "membarrier");
  EXPECT_TRUE((*serialiser)->serialise());
}

// The registration is the process's: a child inherits it, or registers again.
TEST(Membarrier, ServesAChild) {
  auto serialiser = make_membarrier_serialiser();
  ASSERT_TRUE(serialiser) << serialiser.error().message();
  EXPECT_EQ(test::in_child([&] { return (*serialiser)->serialise() ? 0 : 1; }), 0);
}

}  // namespace
}  // namespace shunt::detail
