// Runs a fuzz target without libFuzzer: every seed, then mutants of them for a bounded time.
//
// usage: PROGRAM [--dictionary FILE] FILE-OR-FOLDER...
//
// Environment: SHUNT_FUZZ_SECONDS   of mutants (default 3; 0: the seeds alone)
//              SHUNT_FUZZ_SEED      of the mutants (default: of this run's own)
//
// Fails if an input takes more than its share of processor time, or all together more memory than the limit. While it
// runs, the input is in the file that the first line names; it stays there after a failure.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <stdexcept>
#include <string>

#include "tests/fuzz/replay/mutator.h"
#include "tests/fuzz/target.h"

namespace shunt::fuzz {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr double most_seconds = 20;
constexpr long most_megabytes = 6000;
#else
constexpr double most_seconds = 5;
constexpr long most_megabytes = 2000;
#endif
constexpr std::size_t most_bytes = 1 << 16;  // of a mutant; seeds may be longer
constexpr std::size_t kept_bytes = 1 << 22;

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* const text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 0);
}

double processor_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// The input that is being run, in a file that outlives a crash.
class Running {
 public:
  explicit Running(std::string path) : path_(std::move(path)) {
    file_ = open(path_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file_ < 0 || ftruncate(file_, kept_bytes) != 0) throw std::runtime_error("cannot write " + path_);
    view_ = static_cast<std::uint8_t*>(mmap(nullptr, kept_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file_, 0));
    if (view_ == MAP_FAILED) throw std::runtime_error("cannot map " + path_);
  }
  ~Running() {
    munmap(view_, kept_bytes);
    close(file_);
    if (!failed_) unlink(path_.c_str());
  }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

  // Of the file, the first `size` bytes are the input: 8 bytes of its length stand at the end.
  void keep(const Input& input) {
    const std::uint64_t size = std::min(input.size(), kept_bytes - sizeof(std::uint64_t));
    if (size != 0) std::memcpy(view_, input.data(), size);
    std::memcpy(view_ + kept_bytes - sizeof size, &size, sizeof size);
  }
  void fail() { failed_ = true; }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
  int file_ = -1;
  std::uint8_t* view_ = nullptr;
  bool failed_ = false;
};

Input read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path.string());
  Input bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  // What Running left behind.
  if (bytes.size() == kept_bytes) {
    std::uint64_t size = 0;
    std::memcpy(&size, bytes.data() + kept_bytes - sizeof size, sizeof size);
    if (size < kept_bytes) bytes.resize(size);
  }
  return bytes;
}

class Replay {
 public:
  explicit Replay(const std::string& name)
      : running_((std::filesystem::temp_directory_path() / (name + "." + std::to_string(getpid()))).string()) {
    std::cout << "the input at work: " << running_.path() << std::endl;
  }

  void one(const Input& input, const std::string& what) {
    running_.keep(input);
    const double before = processor_seconds();
    LLVMFuzzerTestOneInput(input.data(), input.size());
    const double took = processor_seconds() - before;
    if (took > slowest_) {
      slowest_ = took;
      slowest_name_ = what;
    }
    if (took > most_seconds) fail(what + " took " + std::to_string(took) + " s");
    ++count_;
  }

  // Whether all was well.
  bool end() {
    rusage used{};
    getrusage(RUSAGE_SELF, &used);
    const long megabytes = used.ru_maxrss / 1024;
    std::cout << count_ << " inputs; the slowest, " << slowest_name_ << ", took " << slowest_ << " s; " << megabytes
              << " MB at most\n";
    if (megabytes > most_megabytes) fail("more memory than " + std::to_string(most_megabytes) + " MB");
    return !failed_;
  }

 private:
  void fail(const std::string& what) {
    std::cout << "FAILED: " << what << "; the input is in " << running_.path() << std::endl;
    running_.fail();
    failed_ = true;
  }

  Running running_;
  std::size_t count_ = 0;
  double slowest_ = 0;
  std::string slowest_name_;
  bool failed_ = false;
};

std::vector<std::filesystem::path> files_of(const std::filesystem::path& path) {
  std::vector<std::filesystem::path> files;
  if (!std::filesystem::is_directory(path)) return {path};
  for (const auto& entry : std::filesystem::directory_iterator(path)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

int run(int argc, char** argv) {
  std::vector<Input> inputs, words;
  const std::string name = std::filesystem::path(*argv).filename().string();
  Replay replay(name);
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--dictionary" && i + 1 < argc) {
      words = read_dictionary(argv[++i]);
      if (words.empty()) throw std::runtime_error(std::string("no words in ") + argv[i]);
      continue;
    }
    for (const std::filesystem::path& file : files_of(argv[i])) {
      inputs.push_back(read_file(file));
      replay.one(inputs.back(), file.filename().string());
    }
  }
  if (inputs.empty()) throw std::runtime_error("no seeds");
  std::cout << inputs.size() << " seeds" << std::endl;
  const std::uint64_t seconds = number_from("SHUNT_FUZZ_SECONDS", 3);
  const std::uint64_t seed = number_from("SHUNT_FUZZ_SEED", std::random_device{}());
  std::cout << "SHUNT_FUZZ_SEED=" << seed << std::endl;
  Mutator mutator(inputs, words, seed);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  for (std::size_t count = 0; std::chrono::steady_clock::now() < end; ++count) {
    replay.one(mutator.next(most_bytes), "mutant " + std::to_string(count));
  }
  return replay.end() ? 0 : 1;
}

}  // namespace
}  // namespace shunt::fuzz

int main(int argc, char** argv) {
  try {
    return shunt::fuzz::run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 2;
  }
}
