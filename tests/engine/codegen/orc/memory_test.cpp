// The memory manager: where segments lie, what is refused, what unwinding and data need.
#include <llvm/IR/GlobalVariable.h>
#include <llvm/IR/InlineAsm.h>

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <thread>

#include "engine/codegen/orc/data_arena.h"
#include "tests/engine/codegen/orc/orc_jit.h"

namespace shunt::test {
namespace {

// "r-xs" for example: of the mapping that holds the address.
std::string permissions(const void* address) {
  const auto wanted = reinterpret_cast<std::uintptr_t>(address);
  std::ifstream maps("/proc/self/maps");
  std::string line;
  while (std::getline(maps, line)) {
    std::uintptr_t begin = 0, end = 0;
    std::array<char, 5> found{};
    if (std::sscanf(line.c_str(), "%lx-%lx %4s", &begin, &end, found.data()) != 3) continue;
    if (wanted >= begin && wanted < end) return found.data();
  }
  return "not mapped";
}

// int name(int): adds 1 to a global that begins at 41, and returns it.
void counting(Ir& ir, const std::string& name) {
  auto* const global =
      new llvm::GlobalVariable(*ir.module, ir.builder.getInt32Ty(), false, llvm::GlobalValue::ExternalLinkage,
                               ir.builder.getInt32(41), name + "_global");
  ir.function(name);
  llvm::Value* const sum =
      ir.builder.CreateAdd(ir.builder.CreateLoad(ir.builder.getInt32Ty(), global), ir.builder.getInt32(1));
  ir.builder.CreateStore(sum, global);
  ir.builder.CreateRet(sum);
}

// Assembly in the middle of a function that nobody calls.
void contains(Ir& ir, const std::string& assembly) {
  llvm::FunctionType* const type = llvm::FunctionType::get(ir.builder.getVoidTy(), false);
  ir.builder.CreateCall(type, llvm::InlineAsm::get(type, assembly, "", true));
}

TEST_F(OrcTest, NothingIsWritableAndExecutable) {
  Ir ir;
  counting(ir, "f");
  add(ir);
  auto* const f = find("f");
  ASSERT_NE(f, nullptr);
  EXPECT_EQ(f(0), 42);
  EXPECT_EQ(f(0), 43);
  EXPECT_EQ(permissions(reinterpret_cast<const void*>(f)), "r-xs");
  EXPECT_EQ(permissions(find<int>("f_global")), "rw-p");
}

TEST_F(OrcTest, ThousandsOfGraphsShareTheAddressSpaceBesideTheCode) {
  constexpr int graphs = 300;  // each with data of its own
  for (int i = 0; i < graphs; ++i) {
    Ir ir;
    counting(ir, "f" + std::to_string(i));
    add(ir);
  }
  for (int i = 0; i < graphs; ++i) {
    auto* const f = find("f" + std::to_string(i));
    ASSERT_NE(f, nullptr);
    ASSERT_EQ(f(0), 42);
  }
}

TEST_F(OrcTest, AGraphWithoutCodeTakesNoCodeMemory) {
  const std::uint64_t in_use = engine().stats().code_bytes_used;
  Ir ir;
  new llvm::GlobalVariable(*ir.module, ir.builder.getInt32Ty(), true, llvm::GlobalValue::ExternalLinkage,
                           ir.builder.getInt32(5), "five");
  add(ir);
  const int* const five = find<int>("five");
  ASSERT_NE(five, nullptr);
  EXPECT_EQ(*five, 5);
  EXPECT_EQ(engine().stats().code_bytes_used, in_use);
}

TEST_F(OrcTest, AFullReservationIsNamedAndTheRestGoesOn) {
  auto small = Engine::create({.code_reservation = 64 << 10});
  ASSERT_TRUE(small);
  jit_.reset();
  engine_ = std::move(*small);
  make_jit({});
  std::string reported;
  jit().getExecutionSession().setErrorReporter(
      [&](llvm::Error error) { reported += llvm::toString(std::move(error)); });
  Ir large;
  large.function("large");
  contains(large, ".zero 100000");
  large.returns(0);
  add(large);
  EXPECT_NE(refusal("large"), "found");
  EXPECT_NE(reported.find("code_reservation"), std::string::npos) << reported;
  Ir fits;
  fits.answering("fits", key_, SiteForm::Toggle);
  add(fits);
  EXPECT_EQ(find("fits")(0), 0);
}

TEST_F(OrcTest, ASectionThatIsWritableAndExecutableIsRefused) {
  std::string reported;
  jit().getExecutionSession().setErrorReporter(
      [&](llvm::Error error) { reported += llvm::toString(std::move(error)); });
  Ir ir;
  ir.function("f");
  contains(ir, ".pushsection mixed,\"awx\",@progbits\n1: .quad 0\n.popsection\n.long 1b - .");
  ir.returns(0);
  add(ir);
  EXPECT_NE(refusal("f"), "found");
  EXPECT_NE(reported.find("a section is writable and executable"), std::string::npos) << reported;
}

TEST_F(OrcTest, ARecordThatIsCutShortIsRefused) {
  std::string reported;
  jit().getExecutionSession().setErrorReporter(
      [&](llvm::Error error) { reported += llvm::toString(std::move(error)); });
  Ir ir;
  ir.module->setModuleInlineAsm(".section shunt_sites,\"a\",@progbits\n.quad 0\n.quad 0\n");
  ir.function("f");
  ir.returns(0);
  add(ir);
  EXPECT_NE(refusal("f"), "found");
  EXPECT_NE(reported.find("a record in its section shunt_sites is cut short"), std::string::npos) << reported;
}

[[gnu::noinline]] int throws(int x) {
  throw std::runtime_error(std::to_string(x));
}

TEST_F(OrcTest, ExceptionsPassItsFrames) {
  Ir ir;
  llvm::Function* const f = ir.function("f");
  f->setUWTableKind(llvm::UWTableKind::Async);
  auto& b = ir.builder;
  llvm::Value* const callee = b.CreateIntToPtr(b.getInt64(reinterpret_cast<std::uintptr_t>(&throws)), b.getPtrTy());
  b.CreateRet(b.CreateAdd(b.CreateCall(f->getFunctionType(), callee, {f->getArg(0)}), b.getInt32(1)));
  add(ir);
  auto* const function = find("f");
  ASSERT_NE(function, nullptr);
  try {
    function(17);
    FAIL() << "returned";
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "17");
  }
}

TEST_F(OrcTest, WithLlvmsPluginsForGdbAndPerf) {
  jit_.reset();
  const std::string folder = testing::TempDir() + "orc_perf_" + std::to_string(getpid());
  setenv("JITDUMPDIR", folder.c_str(), 1);
  make_jit({.unwinding = true, .gdb = true, .perf = true});
  Ir ir;
  ir.answering("f", key_, SiteForm::Toggle);
  add(ir);
  auto* const f = find("f");
  ASSERT_NE(f, nullptr);
  set(key_, 1);
  EXPECT_EQ(f(0), 1);
  jit_.reset();
  const auto dumps = std::filesystem::recursive_directory_iterator(folder);
  EXPECT_TRUE(std::any_of(begin(dumps), end(dumps), [](const std::filesystem::directory_entry& entry) {
    return entry.is_regular_file() && entry.file_size() > 100;
  }));
  std::filesystem::remove_all(folder);
}

TEST(DataArena, LiesInReachAndIsUsedAgain) {
  auto arena = std::make_shared<orc::DataArena>();
  static const std::array<std::uint8_t, 64> code{};
  std::uintptr_t first = 0;
  {
    auto a = arena->allocate(code.data(), code.size(), 1000, 4096);
    auto b = arena->allocate(code.data(), code.size(), 40 << 20, 16);
    ASSERT_TRUE(a && b);
    first = reinterpret_cast<std::uintptr_t>(a->data());
    EXPECT_EQ(first % 4096, 0U);
    for (const char* const data : {a->data(), b->data()}) {
      const auto distance = data - reinterpret_cast<const char*>(code.data());
      EXPECT_LT(std::abs(distance), std::ptrdiff_t{1} << 31);
    }
    a->data()[999] = 1;
  }
  auto again = arena->allocate(code.data(), code.size(), 1000, 4096);
  ASSERT_TRUE(again);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(again->data()), first);
  EXPECT_EQ(again->data()[999], 0);
}

}  // namespace
}  // namespace shunt::test
