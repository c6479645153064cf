// Runs one piece of the real protocol between the plugin's markers (sequence_plugin.c).
//
// usage: sequence_program CTR WHAT
//
// WHAT is one of:
//
// - commit SITES STRIDE: a flip of SITES sites that lie STRIDE bytes apart
// - publish SIZE: publish() of SIZE bytes of code
// - publish_nosync: publish_nosync() of code, and the commit that branches to it; two regions
// - fork: the first commit after a fork()
// - retire: a commit that drains, and the end of the old path
// - end PIECES: the end of PIECES pieces of code that were retired together
// - data_flip: a flip of a demoted key
// - signals: a commit by signals, with a second thread
// - loop SITES ROUNDS: code that executes SITES sites, which are off, in a loop of ROUNDS rounds
// - host_loop SITES ROUNDS: the same with sites in this program's own text; SITES is 1 or 16
//
// CTR: the value of CTR_EL0 that the engine goes by, or `host`: the (emulated) core's own.
// Prints the value that it went by.
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "engine/patch/engine_parts.h"
#include "engine/patch/protocol.h"
#include "engine/serialise/membarrier.h"
#include "engine/serialise/signal_broadcast.h"
#include "shunt/demotable_key.h"
#include "shunt/engine.h"
#include "shunt/host_site.h"

shunt::StaticKey host_key{"host key"};

namespace {

using namespace shunt;

constexpr std::uint32_t flip_limit = 4;  // more than other keys here are flipped
constexpr std::uint32_t nop = 0xD503201F;
constexpr std::uint32_t ret = 0xD65F03C0;
constexpr std::uint32_t subtract_one = 0xF1000400;  // subs x0, x0, #1

void begin_region() {
  asm volatile("hint #100" : : : "memory");
}
void end_region() {
  asm volatile("hint #101" : : : "memory");
}

void watch_stores(const void* begin, std::size_t size) {
  syscall(0x5348554E, begin, static_cast<const char*>(begin) + size);
}

// Every operation is DirectWriter's; which of them are needed is the test's to say.
class Writer : public detail::DirectWriter {
 public:
  explicit Writer(std::uint64_t ctr) : traits_(arch::arm64::parse_ctr(ctr)) {}
  [[nodiscard]] arch::CacheTraits cache_traits() const noexcept { return traits_; }

 private:
  arch::CacheTraits traits_;
};

// An emulator has threads of its own among the program's, which block all signals.
class GuestThreads final : public detail::ThreadLister {
 public:
  detail::ThreadListing list(std::vector<pid_t>& threads) override {
    const detail::ThreadListing listing = ThreadLister::list(threads);
    std::erase_if(threads, [](pid_t thread) { return (detail::status_of(thread).blocked >> (SIGURG - 1) & 1) != 0; });
    return listing;
  }
};

class Signals final : public detail::CoreSerialiser {
 public:
  [[nodiscard]] std::string_view name() const noexcept override { return "signals"; }
  Status start() { return broadcast_.start(SIGURG); }
  Status serialise() override { return broadcast_.serialise(std::chrono::seconds(5)); }

 private:
  detail::SignalBroadcast broadcast_{std::make_unique<GuestThreads>()};
};

[[noreturn]] void fail(const char* what, const std::string& why) {
  std::fprintf(stderr, "%s: %s\n", what, why.c_str());
  std::exit(3);
}

template <class Value>
Value need(Result<Value> result, const char* what) {
  if (!result) fail(what, result.error().message());
  return std::move(*result);
}

std::uint64_t own_ctr() {
  std::uint64_t ctr;
  asm volatile("mrs %0, ctr_el0" : "=r"(ctr));
  return ctr;
}

std::unique_ptr<Engine> make_engine(std::string_view ctr, bool signals) {
  const bool own = ctr == "host";
  const std::uint64_t value = own ? own_ctr() : std::strtoull(ctr.data(), nullptr, 16);
  std::printf("ctr 0x%llx\n", static_cast<unsigned long long>(value));
  std::fflush(stdout);
  detail::EngineParts parts;
  parts.patcher = own ? detail::make_host_patcher()
                      : std::make_unique<detail::Protocol<arch::arm64::InstructionSet, Writer>>(InstructionSet::Arm64,
                                                                                                Writer(value));
  if (signals) {
    auto serialiser = std::make_unique<Signals>();
    if (Status status = serialiser->start(); !status) fail("signals", status.error().message());
    parts.serialiser = std::move(serialiser);
  } else {
    parts.serialiser = need(detail::make_membarrier_serialiser(), "membarrier");
  }
  EngineOptions options;
  options.code_reservation = std::size_t{1} << 20;
  options.flip_limit = flip_limit;
  auto engine = need(Engine::create(options, std::move(parts)), "engine");
  watch_stores(detail::code_views(*engine).rw, options.code_reservation);
  return engine;
}

// Code that returns at once, with sites of the key.
struct Made {
  Engine::Allocation allocation;
  std::vector<NewSite> sites;
  std::unique_ptr<std::uint32_t> target;  // of all sites: the last instruction
};
Made make_code(Engine& engine, std::size_t size, StaticKey& key, unsigned sites, unsigned stride) {
  Made made{need(engine.allocate(size), "allocate"), {}, std::make_unique<std::uint32_t>(size - 4)};
  for (std::size_t at = 0; at < size; at += 4) std::memcpy(made.allocation.staging + at, &nop, 4);
  std::memcpy(made.allocation.staging + *made.target, &ret, 4);
  for (std::uint32_t i = 0; i < sites; ++i) {
    made.sites.push_back({&key, SiteForm::AlignedWord, i * stride, {made.target.get(), 1}});
  }
  return made;
}
Code publish(Engine& engine, std::size_t size, StaticKey& key, unsigned sites, unsigned stride) {
  const Made made = make_code(engine, size, key, sites, stride);
  return need(engine.publish(made.allocation, made.sites), "publish");
}

void flip(Engine& engine, StaticKey& key, bool on) {
  PatchBatch batch(engine);
  batch.set(key, on);
  need(batch.commit(), "commit");
}

// The third flip: what is done once in an engine's life was done by the first two.
void commit(Engine& engine, unsigned sites, unsigned stride) {
  StaticKey key("key");
  const Code code = publish(engine, std::size_t{sites} * stride + 64, key, sites, stride);
  flip(engine, key, true);
  flip(engine, key, false);
  PatchBatch batch(engine);
  batch.enable(key);
  begin_region();
  const auto report = batch.commit();
  end_region();
  if (!report) fail("commit", report.error().message());
  if (report->sites_written != sites) fail("commit", "wrote another number of sites");
}

void publish_alone(Engine& engine, std::size_t size) {
  StaticKey key("key");
  const Code first = publish(engine, 64, key, 1, 4);
  const Made made = make_code(engine, size, key, 2, 4);
  begin_region();
  auto code = engine.publish(made.allocation, made.sites);
  end_region();
  if (!code) fail("publish", code.error().message());
}

void publish_then_branch(Engine& engine) {
  StaticSwitch choice("choice", 2);
  StaticKey other("other");
  const Made made = make_code(engine, 64, other, 0, 4);
  const NewSite site{&choice, SiteForm::AlignedWord, 0, {made.target.get(), 1}};
  const Code first = need(engine.publish(made.allocation, {&site, 1}), "publish");
  PatchBatch batch(engine);
  batch.set(choice, 1);
  need(batch.commit(), "commit");
  const Made body = make_code(engine, 64, other, 0, 4);
  begin_region();
  auto code = engine.publish_nosync(body.allocation, {});
  end_region();
  if (!code) fail("publish_nosync", code.error().message());
  batch.retarget(choice, first.data(), 1, code->data());
  begin_region();
  const auto report = batch.commit();
  end_region();
  if (!report) fail("commit", report.error().message());
}

void commit_after_fork(Engine& engine) {
  StaticKey key("key");
  const Code code = publish(engine, 256, key, 1, 4);
  flip(engine, key, true);
  flip(engine, key, false);
  const pid_t child = fork();
  if (child == 0) _exit(0);
  int status = 0;
  waitpid(child, &status, 0);
  PatchBatch batch(engine);
  batch.enable(key);
  begin_region();
  const auto report = batch.commit();
  end_region();
  if (!report) fail("commit", report.error().message());
}

void retire(Engine& engine) {
  StaticKey key("key");
  const Code site = publish(engine, 64, key, 1, 4);
  Code old_path = publish(engine, 64, key, 0, 4);
  flip(engine, key, true);
  flip(engine, key, false);
  const CodeExtent extent{old_path.data(), old_path.size()};
  PatchBatch batch(engine);
  batch.enable(key);
  begin_region();
  const auto report = batch.commit();
  const auto drained = engine.drain({&extent, 1});
  old_path = Code();
  end_region();
  if (!report) fail("commit", report.error().message());
  if (!drained) fail("drain", drained.error().message());
}

// On the thread that calls back: the region begins behind what was retired before.
void end_together(Engine& engine, unsigned pieces) {
  StaticKey key("key");
  Code before = publish(engine, 64, key, 0, 4);
  std::vector<Code> codes;
  for (unsigned i = 0; i < pieces; ++i) codes.push_back(publish(engine, 64, key, 0, 4));
  if (!engine.retire(std::move(before), begin_region) || !engine.retire(codes, end_region)) fail("retire", "refused");
  if (Status status = engine.await_retired(); !status) fail("await_retired", status.error().message());
}

void flip_demoted(Engine& engine) {
  DemotableKey key("key");
  StaticKey other("other");
  const Made made = make_code(engine, 64, other, 0, 4);
  const std::uint32_t targets[] = {60, 60, 60};
  const NewSite site{&key, SiteForm::AlignedWord, 0, targets};
  const Code code = need(engine.publish(made.allocation, {&site, 1}), "publish");
  watch_stores(&key.word(), sizeof key.word());
  PatchBatch batch(engine);
  for (std::uint32_t flips = 0; flips <= flip_limit; ++flips) {  // within a second
    batch.set(key, flips % 2 == 0);
    need(batch.commit(), "commit");
  }
  if (!key.demoted()) fail("flip", "the key is not demoted");
  batch.set(key, !key.enabled());
  begin_region();
  const auto report = batch.commit();
  end_region();
  if (!report) fail("commit", report.error().message());
}

void commit_by_signals(Engine& engine) {
  int ends[2];
  if (pipe(ends) != 0) fail("pipe", std::strerror(errno));
  std::thread other([&ends] {
    char byte;
    while (read(ends[0], &byte, 1) != 1) {
    }
  });
  commit(engine, 1, 4);
  if (write(ends[1], "x", 1) != 1) fail("write", std::strerror(errno));
  other.join();
}

void loop(Engine& engine, unsigned sites, std::uint64_t rounds) {
  StaticKey key("key");
  const std::uint32_t size = 4 * (sites + 3);
  const Made made = make_code(engine, size, key, sites, 4);
  const std::uint32_t back = 0x54000001 | ((~sites & 0x7FFFF) << 5);  // b.ne to the code's begin
  std::memcpy(made.allocation.staging + std::size_t{4} * sites, &subtract_one, 4);
  std::memcpy(made.allocation.staging + std::size_t{4} * (sites + 1), &back, 4);
  const Code code = need(engine.publish(made.allocation, made.sites), "publish");
  auto* const run = code.entry<void(std::uint64_t)>();
  begin_region();
  run(rounds);
  end_region();
}

#define SITE                      \
  if (SHUNT_UNLIKELY(host_key)) { \
    ++taken;                      \
  }
#define FOUR_SITES SITE SITE SITE SITE

// As `loop`, in text of the compiler's. No engine is made, so the sites stay as they were compiled.
template <unsigned sites>
[[gnu::noinline]] int host_loop(std::uint64_t rounds) {
  int taken = 0;
  begin_region();
  for (std::uint64_t round = 0; round < rounds; ++round) {
    asm volatile("" : : "r"(round));
    if constexpr (sites == 1) {
      SITE
    } else if constexpr (sites == 16) {
      FOUR_SITES FOUR_SITES FOUR_SITES FOUR_SITES
    }
  }
  end_region();
  return taken;
}

int host_loop(unsigned sites, std::uint64_t rounds) {
  return sites == 1 ? host_loop<1>(rounds) : host_loop<16>(rounds);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const std::string_view what = argv[2];
  const auto number = [&](int i) { return i < argc ? std::strtoul(argv[i], nullptr, 10) : 0; };
  if (what == "host_loop") return host_loop(static_cast<unsigned>(number(3)), number(4));
  const auto engine = make_engine(argv[1], what == "signals");
  if (what == "commit") {
    commit(*engine, static_cast<unsigned>(number(3)), static_cast<unsigned>(number(4)));
  } else if (what == "publish") {
    publish_alone(*engine, number(3));
  } else if (what == "publish_nosync") {
    publish_then_branch(*engine);
  } else if (what == "fork") {
    commit_after_fork(*engine);
  } else if (what == "retire") {
    retire(*engine);
  } else if (what == "end") {
    end_together(*engine, static_cast<unsigned>(number(3)));
  } else if (what == "data_flip") {
    flip_demoted(*engine);
  } else if (what == "signals") {
    commit_by_signals(*engine);
  } else if (what == "loop") {
    loop(*engine, static_cast<unsigned>(number(3)), number(4));
  } else {
    return 2;
  }
  return 0;
}
