#include "shunt/runtime/module_file.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace shunt::test {
namespace {

using runtime::assemble;
using runtime::read_module_file;

class ModuleFile : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "shunt-module-file-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory); }

  std::string write(const std::string& name, std::string_view content) const {
    const std::filesystem::path path = directory / name;
    std::ofstream(path, std::ios::binary) << content;
    return path.string();
  }

  std::filesystem::path directory;
};

TEST_F(ModuleFile, AssemblesText) {
  const auto bytes = read_module_file(write("m.wat", "(module (func $f))"));
  ASSERT_TRUE(bytes) << bytes.error().message();
  EXPECT_EQ(bytes->at(1), 'a');
  EXPECT_EQ(*bytes, *assemble("(module (func $f))", "other"));
}

TEST_F(ModuleFile, ReadsAnythingElseAsItIs) {
  const std::string content(100'000, '\xab');
  const auto bytes = read_module_file(write("m.wasm", content));
  ASSERT_TRUE(bytes);
  EXPECT_EQ(std::string(bytes->begin(), bytes->end()), content);
}

TEST_F(ModuleFile, NamesTheFileAndTheReason) {
  const std::string missing = (directory / "missing.wasm").string();
  const auto none = read_module_file(missing);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code(), ErrorCode::SystemCall);
  EXPECT_EQ(none.error().message(), "cannot read " + missing + ": No such file or directory");
  EXPECT_FALSE(read_module_file(directory.string()));
}

TEST_F(ModuleFile, NamesTheLineOfAMistake) {
  const std::string path = write("bad.wat", "(module\n  (func (result i32)\n    i64.const 1))\n");
  const auto bytes = read_module_file(path);
  ASSERT_FALSE(bytes);
  EXPECT_EQ(bytes.error().code(), ErrorCode::BadModule);
  EXPECT_TRUE(bytes.error().message().starts_with(path + ":3:5: error: type mismatch")) << bytes.error().message();
  EXPECT_FALSE(assemble("(module (func (local.get $none)))", "m"));
  EXPECT_FALSE(assemble("(module", "m"));
}

}  // namespace
}  // namespace shunt::test
