// Names of code, as perf and gdb are given them: the files and the in-memory objects, parsed here again.
#include <elf.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/engine/recording.h"
#include "tests/engine/test_code.h"

// What gdb reads (gdb manual, "JIT Compilation Interface").
extern "C" {
struct jit_code_entry {
  jit_code_entry* next_entry;
  jit_code_entry* prev_entry;
  const char* symfile_addr;
  std::uint64_t symfile_size;
};
extern struct {
  std::uint32_t version;
  std::uint32_t action_flag;
  jit_code_entry* relevant_entry;
  jit_code_entry* first_entry;
} __jit_debug_descriptor;
}

namespace shunt::test {
namespace {

class Names : public testing::Test {
 protected:
  void SetUp() override {
    std::string folder = (std::filesystem::temp_directory_path() / "shunt-names-XXXXXX").string();
    ASSERT_NE(mkdtemp(folder.data()), nullptr);
    folder_ = folder;
    make_engine({.code_reservation = reservation});
  }
  void TearDown() override {
    engine_.reset();
    std::filesystem::remove_all(folder_);
  }

  void make_engine(const EngineOptions& options) {
    auto engine = Engine::create(options);
    ASSERT_TRUE(engine) << engine.error().message();
    engine_ = std::move(*engine);
  }
  void observe(ObserveOptions options) {
    options.perf_map_directory = folder_;
    options.jitdump_directory = folder_;
    const Status status = engine_->observe(options);
    ASSERT_TRUE(status) << status.error().message();
  }
  void name(const Code& code, const std::vector<CodeSymbol>& symbols) {
    const Status status = engine_->name(code, symbols);
    ASSERT_TRUE(status) << status.error().message();
  }
  std::string file(const char* prefix, const char* suffix) {
    std::ifstream in(folder_ + "/" + prefix + std::to_string(getpid()) + suffix, std::ios::binary);
    EXPECT_TRUE(in);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
  }

  std::string folder_;
  std::unique_ptr<Engine> engine_;
};

// What perf asks its map about.
class NamesOfAnonymousCode : public Names {
 protected:
  void SetUp() override {
    Names::SetUp();
    make_engine({.code_reservation = reservation, .anonymous_code = true});
  }
};

TEST_F(Names, NobodyIsToldByDefault) {
  const Code code = published(*engine_, 64, {});
  EXPECT_FALSE(engine_->names_wanted());
  EXPECT_TRUE(engine_->name(code, std::array{CodeSymbol{0, 64, "unheard"}}));
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
  EXPECT_EQ(__jit_debug_descriptor.first_entry, nullptr);
}

TEST_F(Names, SymbolsMustLieInTheCode) {
  observe({.gdb = true});
  EXPECT_TRUE(engine_->names_wanted());
  const Code code = published(*engine_, 64, {});
  for (const CodeSymbol& symbol : {CodeSymbol{0, 65, "long"}, CodeSymbol{64, 1, "behind"}, CodeSymbol{8, 0, "empty"},
                                   CodeSymbol{32, 0xFFFFFFFF, "wraps"}}) {
    const Status status = engine_->name(code, {&symbol, 1});
    ASSERT_FALSE(status) << symbol.name;
    EXPECT_EQ(status.error().code(), ErrorCode::InvalidArgument);
    EXPECT_NE(status.error().message().find(symbol.name), std::string::npos);
  }
}

TEST_F(NamesOfAnonymousCode, PerfMapHasALineForEachFunction) {
  observe({.perf_map = true});
  const Code code = published(*engine_, 96, {});
  name(code, {{32, 64, "void parse<int>(char)"}, {0, 32, "line\nend"}});
  char expected[128];
  std::snprintf(expected, sizeof expected, "%zx 20 line end\n%zx 40 void parse<int>(char)\n",
                reinterpret_cast<std::size_t>(code.data()), reinterpret_cast<std::size_t>(code.data() + 32));
  EXPECT_EQ(file("perf-", ".map"), expected);
}

TEST_F(Names, PerfMapWantsAnonymousCode) {
  const Status status = engine_->observe({.perf_map = true, .perf_map_directory = folder_});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), ErrorCode::InvalidArgument);
  EXPECT_FALSE(engine_->names_wanted());
}

TEST_F(Names, AFileThatCannotBeWrittenIsAnError) {
  const Status status = engine_->observe({.jitdump = true, .jitdump_directory = folder_ + "/missing"});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), ErrorCode::SystemCall);
}

TEST_F(NamesOfAnonymousCode, ALinkThatSomebodyElsePreparedIsNotFollowed) {
  const std::string map = folder_ + "/perf-" + std::to_string(getpid()) + ".map";
  std::filesystem::create_symlink(folder_ + "/elsewhere", map);
  EXPECT_FALSE(engine_->observe({.perf_map = true, .perf_map_directory = folder_}));
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/elsewhere"));
}

struct Load {
  std::uint64_t time, address, size, index;
  std::string name;
  std::vector<std::uint8_t> bytes;
};

template <class T>
T take(const std::string& data, std::size_t& at) {
  T value{};
  EXPECT_LE(at + sizeof value, data.size());
  std::memcpy(&value, data.data() + at, sizeof value);
  at += sizeof value;
  return value;
}

// By the specification (Linux: tools/perf/Documentation/jitdump-specification.txt).
std::vector<Load> parse_jitdump(const std::string& data) {
  std::size_t at = 0;
  EXPECT_EQ(take<std::uint32_t>(data, at), 0x4A695444U);
  EXPECT_EQ(take<std::uint32_t>(data, at), 1U);
  EXPECT_EQ(take<std::uint32_t>(data, at), 40U);
  const auto machine = take<std::uint32_t>(data, at);
  EXPECT_TRUE(machine == EM_X86_64 || machine == EM_AARCH64);
  EXPECT_EQ(take<std::uint32_t>(data, at), 0U);
  EXPECT_EQ(take<std::uint32_t>(data, at), static_cast<std::uint32_t>(getpid()));
  take<std::uint64_t>(data, at);
  EXPECT_EQ(take<std::uint64_t>(data, at), 0U);
  std::vector<Load> loads;
  while (at < data.size()) {
    const std::size_t begin = at;
    EXPECT_EQ(take<std::uint32_t>(data, at), 0U);  // JIT_CODE_LOAD
    const auto size = take<std::uint32_t>(data, at);
    Load load;
    load.time = take<std::uint64_t>(data, at);
    EXPECT_EQ(take<std::uint32_t>(data, at), static_cast<std::uint32_t>(getpid()));
    EXPECT_EQ(take<std::uint32_t>(data, at), static_cast<std::uint32_t>(gettid()));
    EXPECT_EQ(take<std::uint64_t>(data, at), load.address = take<std::uint64_t>(data, at));
    load.size = take<std::uint64_t>(data, at);
    load.index = take<std::uint64_t>(data, at);
    load.name = data.c_str() + at;
    at += load.name.size() + 1;
    load.bytes.assign(data.begin() + static_cast<std::ptrdiff_t>(at),
                      data.begin() + static_cast<std::ptrdiff_t>(at + load.size));
    at += load.size;
    EXPECT_EQ(at, begin + size);
    loads.push_back(std::move(load));
    if (testing::Test::HasFailure()) break;
  }
  return loads;
}

std::vector<std::uint8_t> bytes_of(const Code& code, std::size_t offset, std::size_t size) {
  return {code.data() + offset, code.data() + offset + size};
}

TEST_F(Names, JitdumpHasTheBytesAndFollowsFlips) {
  observe({.jitdump = true});
  StaticKey key{"key"};
  const Code code =
      published(*engine_, 96, {{&key, SiteForm::AlignedWord, 40, {64}}, {&key, SiteForm::AlignedWord, 48, {64}}});
  name(code, {{0, 32, "first"}, {32, 64, "second"}});
  const std::vector<std::uint8_t> off = bytes_of(code, 32, 64);
  PatchBatch batch(*engine_);
  batch.enable(key);
  committed(batch);
  const std::vector<std::uint8_t> on = bytes_of(code, 32, 64);
  ASSERT_NE(off, on);

  const std::vector<Load> loads = parse_jitdump(file("jit-", ".dump"));
  ASSERT_EQ(loads.size(), 3U);
  EXPECT_EQ(loads[0].name, "first");
  EXPECT_EQ(loads[0].address, reinterpret_cast<std::uint64_t>(code.data()));
  EXPECT_EQ(loads[0].bytes, bytes_of(code, 0, 32));
  EXPECT_EQ(loads[1].name, "second");
  EXPECT_EQ(loads[1].bytes, off);
  EXPECT_EQ(loads[2].name, "second");  // again, once for both sites
  EXPECT_EQ(loads[2].address, loads[1].address);
  EXPECT_EQ(loads[2].bytes, on);
  EXPECT_GE(loads[2].time, loads[1].time);
  EXPECT_NE(loads[2].index, loads[1].index);
}

TEST_F(Names, JitdumpCanBeToldNotToFollow) {
  observe({.jitdump = true, .jitdump_follows_flips = false});
  StaticKey key{"key"};
  const Code code = published(*engine_, 64, {{&key, SiteForm::AlignedWord, 0, {32}}});
  name(code, {{0, 64, "all"}});
  PatchBatch batch(*engine_);
  batch.enable(key);
  committed(batch);
  EXPECT_EQ(parse_jitdump(file("jit-", ".dump")).size(), 1U);
}

TEST_F(Names, EnginesOfAProcessShareAJitdump) {
  observe({.jitdump = true});
  auto other = Engine::create({.code_reservation = reservation});
  ASSERT_TRUE(other);
  ASSERT_TRUE((*other)->observe({.jitdump = true, .jitdump_directory = folder_}));
  const Code here = published(*engine_, 64, {});
  const Code there = published(**other, 64, {});
  name(here, {{0, 64, "here"}});
  ASSERT_TRUE((*other)->name(there, std::array{CodeSymbol{0, 64, "there"}}));
  const std::vector<Load> loads = parse_jitdump(file("jit-", ".dump"));
  ASSERT_EQ(loads.size(), 2U);
  EXPECT_EQ(loads[0].name, "here");
  EXPECT_EQ(loads[1].name, "there");
  EXPECT_NE(loads[0].index, loads[1].index);
}

// The functions of an object: "address size name", and that its .text is where the code is, without contents.
std::vector<std::string> functions_of(const std::uint8_t* image, std::size_t size, const Code& code) {
  Elf64_Ehdr header;
  EXPECT_GE(size, sizeof header);
  std::memcpy(&header, image, sizeof header);
  EXPECT_EQ(std::memcmp(header.e_ident, ELFMAG, SELFMAG), 0);
  std::vector<Elf64_Shdr> sections(header.e_shnum);
  EXPECT_LE(header.e_shoff + sections.size() * sizeof(Elf64_Shdr), size);
  std::memcpy(sections.data(), image + header.e_shoff, sections.size() * sizeof(Elf64_Shdr));
  const auto* const section_names = reinterpret_cast<const char*>(image + sections[header.e_shstrndx].sh_offset);
  std::vector<std::string> functions;
  for (const Elf64_Shdr& section : sections) {
    const std::string name = section_names + section.sh_name;
    if (name == ".text") {
      EXPECT_EQ(section.sh_type, static_cast<std::uint32_t>(SHT_NOBITS));
      EXPECT_EQ(section.sh_addr, reinterpret_cast<std::uint64_t>(code.data()));
      EXPECT_EQ(section.sh_size, code.size());
    }
    if (section.sh_type != SHT_SYMTAB) continue;
    EXPECT_EQ(name, ".symtab");
    const auto* const strings = reinterpret_cast<const char*>(image + sections[section.sh_link].sh_offset);
    for (std::size_t at = sizeof(Elf64_Sym); at < section.sh_size; at += sizeof(Elf64_Sym)) {
      Elf64_Sym symbol;
      std::memcpy(&symbol, image + section.sh_offset + at, sizeof symbol);
      EXPECT_EQ(ELF64_ST_TYPE(symbol.st_info), STT_FUNC);
      EXPECT_EQ(std::string(section_names + sections[symbol.st_shndx].sh_name), ".text");
      functions.push_back(std::to_string(symbol.st_value) + " " + std::to_string(symbol.st_size) + " " +
                          (strings + symbol.st_name));
    }
  }
  return functions;
}

TEST_F(Names, GdbIsGivenAnObjectWhileTheCodeLives) {
  observe({.gdb = true});
  ASSERT_EQ(__jit_debug_descriptor.first_entry, nullptr);
  Code first = published(*engine_, 96, {});
  Code second = published(*engine_, 64, {});
  name(first, {{32, 64, "late"}, {0, 32, "early"}});
  name(second, {{0, 64, "old name"}});
  name(second, {{0, 64, "alone"}});

  const jit_code_entry* const newest = __jit_debug_descriptor.first_entry;
  ASSERT_NE(newest, nullptr);
  const jit_code_entry* const oldest = newest->next_entry;
  ASSERT_NE(oldest, nullptr);
  EXPECT_EQ(oldest->prev_entry, newest);
  EXPECT_EQ(oldest->next_entry, nullptr);
  const auto functions = [](const jit_code_entry* entry, const Code& code) {
    return functions_of(reinterpret_cast<const std::uint8_t*>(entry->symfile_addr), entry->symfile_size, code);
  };
  EXPECT_EQ(functions(newest, second), (std::vector<std::string>{"0 64 alone"}));
  EXPECT_EQ(functions(oldest, first), (std::vector<std::string>{"0 32 early", "32 64 late"}));

  second = Code();
  EXPECT_EQ(__jit_debug_descriptor.first_entry, oldest);
  EXPECT_EQ(oldest->prev_entry, nullptr);
  first = Code();
  EXPECT_EQ(__jit_debug_descriptor.first_entry, nullptr);
  EXPECT_EQ(__jit_debug_descriptor.relevant_entry, nullptr);
}

}  // namespace
}  // namespace shunt::test
