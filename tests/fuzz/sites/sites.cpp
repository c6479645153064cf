// The engine's site table, driven by a program of bytes and compared with a simple model: after each step every site of
// every piece of code is decoded from memory, and all other bytes are as they were.
//
// Either instruction set on any host: the engine writes real memory, which nobody executes (tests/engine/recording.h).
#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/engine/recording.h"
#include "tests/fuzz/bytes.h"
#include "tests/fuzz/target.h"

namespace shunt::fuzz {
namespace {

using test::RecordingEngine;

constexpr std::uint8_t filler = 0x90;
constexpr unsigned set_keys = 2;      // are set by batches; the keys behind them are counted
constexpr unsigned counted_keys = 2;  // by acquire() and release()
constexpr unsigned switches = 2;      // of three states
constexpr unsigned all_keys = set_keys + counted_keys + switches;
constexpr std::size_t most_pieces = 6;
constexpr std::size_t most_steps = 400;

struct Site {
  unsigned key = 0;
  SiteForm form = SiteForm::Toggle;
  std::uint32_t offset = 0;
  std::vector<std::uint32_t> targets;  // as offsets
};
struct Piece {
  Code code;
  std::vector<Site> sites;  // by offset
};

bool is_redirect(SiteForm form) {
  return form == SiteForm::Redirect || form == SiteForm::UnalignedRedirect;
}

template <class Isa>
arch::Decoded decoded(const std::uint8_t* at, std::size_t size) {
  const std::span code(at, size);
  const auto address = reinterpret_cast<std::uintptr_t>(at);
  if constexpr (std::is_same_v<Isa, arch::x86_64::InstructionSet>) {
    return arch::x86_64::decode(code, address);
  } else {
    return arch::arm64::decode(code, address);
  }
}

template <class Isa>
class Machine {
 public:
  Machine(RecordingEngine made, ByteReader program) : made_(std::move(made)), program_(program) {
    if (!made_.engine) give_up("no engine");
  }

  void run() {
    for (std::size_t steps = 0; !program_.empty() && steps < most_steps; ++steps) {
      step();
      made_.recording->clear();
      check();
    }
  }

 private:
  Engine& engine() { return *made_.engine; }
  unsigned states(unsigned key) const { return key < set_keys + counted_keys ? 2 : 3; }
  StaticKey& plain(unsigned key) { return keys_[key]; }
  StaticSwitch& of_three(unsigned key) { return switches_[key - set_keys - counted_keys]; }
  KeyBase& base(unsigned key) {
    if (key < set_keys + counted_keys) return plain(key);
    return of_three(key);
  }

  void step() {
    switch (program_.below(8)) {
      case 0:
      case 1:
        publish();
        return;
      case 2:
        end_piece();
        return;
      case 3:
        retarget();
        return;
      case 4:
        count();
        return;
      case 5:
        fail_to_serialise();
        return;
      case 6:
        damage();
        return;
      default:
        flip();
    }
  }

  // Some of these are no sites at all: then nothing may be registered.
  void publish() {
    if (pieces_.size() == most_pieces) return;
    const std::uint32_t size = 32 + 8 * program_.below(64);
    std::vector<Site> sites(program_.below(9));
    auto allocation = engine().allocate(size);
    if (!allocation) give_up(allocation.error().message());
    std::memset(allocation->staging, filler, allocation->size);
    std::vector<NewSite> wanted;
    std::vector<KeyBase*> all;
    for (Site& site : sites) {
      site.key = program_.below(all_keys);
      site.form = static_cast<SiteForm>(program_.below(7));
      site.offset = program_.next() + 2 * program_.below(16);
      site.targets.resize(states(site.key) - (is_redirect(site.form) ? 0 : 1) + (program_.below(16) == 15 ? 1 : 0));
      for (std::uint32_t& target : site.targets) target = 4 * program_.next() + program_.below(4);
      const SiteBytes idle = idle_site(engine().instruction_set(), site.form, site.offset);
      if (site.offset + std::uint32_t{idle.length} <= size) {
        std::memcpy(allocation->staging + site.offset, idle.bytes.data(), idle.length);
      }
    }
    for (const Site& site : sites) wanted.push_back({&base(site.key), site.form, site.offset, site.targets});
    auto code = engine().publish(*allocation, wanted);
    if (!code) {
      if (code.error().message().empty()) give_up("refused without a message");
      return;
    }
    std::sort(sites.begin(), sites.end(), [](const Site& a, const Site& b) { return a.offset < b.offset; });
    pieces_.push_back({std::move(*code), std::move(sites)});
  }

  void end_piece() {
    if (pieces_.empty()) return;
    const std::size_t which = program_.below(static_cast<unsigned>(pieces_.size()));
    const std::span<const std::uint8_t> bytes(pieces_[which].code.data(), pieces_[which].code.size());
    pieces_.erase(pieces_.begin() + static_cast<std::ptrdiff_t>(which));
    std::array<std::uint8_t, 4> traps{};
    Isa::fill_with_traps(traps);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      if (bytes[i] != traps[i % 4]) give_up("ended code does not trap");
    }
  }

  // A batch over one to four keys. The last wish for a key counts.
  void flip() {
    PatchBatch batch(engine());
    std::array<unsigned, all_keys> wanted = states_;
    bool sets_held = false;
    for (unsigned i = 1 + program_.below(4); i != 0; --i) {
      const unsigned key = program_.below(all_keys);
      const unsigned state = program_.below(states(key));
      if (key >= set_keys && key < set_keys + counted_keys) {
        if (references_[key - set_keys] == 0) continue;
        sets_held = true;  // held: whatever the state
        batch.set(plain(key), state != 0);
      } else if (key < set_keys) {
        batch.set(plain(key), state != 0);
        wanted[key] = state;
      } else {
        batch.set(of_three(key), state);
        wanted[key] = state;
      }
    }
    const auto before = instructions();
    const auto report = batch.commit();
    if (sets_held) {
      if (report || report.error().code() != ErrorCode::KeyHeld) give_up("a key that is held was set");
      return;
    }
    if (!report) give_up(report.error().message());
    states_ = wanted;
    // More, if both states of a site branch to one place.
    if (report->sites_written < differences(before)) give_up("more was written than sites_written says");
  }

  void count() {
    const unsigned which = program_.below(counted_keys);
    StaticKey& key = plain(set_keys + which);
    unsigned& references = references_[which];
    if (program_.below(2) == 0) {
      if (Status acquired = key.acquire(engine()); !acquired) give_up(acquired.error().message());
      ++references;
    } else {
      const Status released = key.release(engine());
      if (released.has_value() != (references != 0)) give_up("a release without a reference, or none with one");
      if (references != 0) --references;
    }
    states_[set_keys + which] = references != 0 ? 1 : 0;
  }

  void retarget() {
    if (pieces_.empty()) return;
    Piece& piece = pieces_[program_.below(static_cast<unsigned>(pieces_.size()))];
    if (piece.sites.empty()) return;
    Site& site = piece.sites[program_.below(static_cast<unsigned>(piece.sites.size()))];
    const unsigned state = program_.below(states(site.key));
    const std::uint32_t target = 4 * program_.below(8);
    const std::uint8_t* const at = piece.code.data() + site.offset;
    PatchBatch batch(engine());
    if (states(site.key) == 2) {
      batch.retarget(plain(site.key), at, state, piece.code.data() + target);
    } else {
      batch.retarget(of_three(site.key), at, state, piece.code.data() + target);
    }
    if (!batch.commit()) return;
    const unsigned first = is_redirect(site.form) ? 0 : 1;
    if (site.form == SiteForm::Toggle || state < first) give_up("retargeted what has no target");
    site.targets[state - first] = target;
  }

  // Everything is written, and the engine knows that it has to be serialised again.
  void fail_to_serialise() {
    const unsigned key = program_.below(set_keys);
    const unsigned state = program_.below(2);
    made_.recording->failing_serialisations = 1;
    PatchBatch batch(engine());
    batch.set(plain(key), state != 0);
    const auto report = batch.commit();
    if (!report && report.error().code() != ErrorCode::SerialisationFailed) give_up(report.error().message());
    if (report && report->serialisations != 0) give_up("a serialisation that failed is not told");
    made_.recording->failing_serialisations = 0;
    if (Status again = engine().resynchronise(); !again) give_up(again.error().message());
    states_[key] = state;
  }

  // Bytes that are not as the engine left them: the batch is refused, and nothing is written.
  void damage() {
    if (pieces_.empty()) return;
    const Piece& piece = pieces_[program_.below(static_cast<unsigned>(pieces_.size()))];
    if (piece.sites.empty()) return;
    const Site& site = piece.sites[program_.below(static_cast<unsigned>(piece.sites.size()))];
    if (site.key >= set_keys) return;
    const unsigned length = idle_site(engine().instruction_set(), site.form, site.offset).length;
    const std::uint32_t place = site.offset + program_.below(length);
    const detail::CodeViews views = detail::code_views(engine());
    std::uint8_t* const byte = views.rw + (piece.code.data() - views.rx) + place;
    const auto change = static_cast<std::uint8_t>(1U << program_.below(8));
    const auto before = instructions();
    *byte ^= change;
    PatchBatch batch(engine());
    batch.set(plain(site.key), states_[site.key] == 0);
    const auto report = batch.commit();
    *byte ^= change;
    if (report || report.error().code() != ErrorCode::ExpectedBytesMismatch) give_up("a damaged site was rewritten");
    if (differences(before) != 0) give_up("a refused batch has written");
  }

  // --- what is there ---

  using Bytes = std::vector<std::uint8_t>;
  std::vector<Bytes> instructions() {
    std::vector<Bytes> all;
    for (const Piece& piece : pieces_) {
      for (const Site& site : piece.sites) {
        const unsigned length = idle_site(engine().instruction_set(), site.form, site.offset).length;
        all.emplace_back(piece.code.data() + site.offset, piece.code.data() + site.offset + length);
      }
    }
    return all;
  }
  std::size_t differences(const std::vector<Bytes>& before) {
    const std::vector<Bytes> now = instructions();
    std::size_t count = 0;
    for (std::size_t i = 0; i < now.size(); ++i) count += now[i] != before[i] ? 1 : 0;
    return count;
  }

  void check() {
    for (unsigned key = 0; key < all_keys; ++key) {
      if (base(key).state() != states_[key]) give_up("a key's state is not what was committed");
    }
    for (const Piece& piece : pieces_) check(piece);
  }

  void check(const Piece& piece) {
    const std::vector<SiteInfo> shown = engine().sites(piece.code);
    if (shown.size() != piece.sites.size()) give_up("sites are missing, or too many");
    std::uint32_t end = 0;
    for (std::size_t i = 0; i < shown.size(); ++i) {
      const Site& site = piece.sites[i];
      if (shown[i].address != piece.code.data() + site.offset || shown[i].key != &base(site.key) ||
          shown[i].form != site.form || shown[i].state != states_[site.key]) {
        give_up("a site is not shown as it is");
      }
      if (site.offset < end) give_up("sites that overlap were published");
      check_filler(piece, end, site.offset);
      end = site.offset + shown[i].length;
      if (end > piece.code.size()) give_up("a site outside its code was published");
      check_instruction(piece, site, shown[i].length);
    }
    check_filler(piece, end, static_cast<std::uint32_t>(piece.code.size()));
  }

  static void check_filler(const Piece& piece, std::uint32_t begin, std::uint32_t end) {
    for (std::uint32_t i = begin; i < end; ++i) {
      if (piece.code.data()[i] != filler) give_up("a byte beside a site has changed");
    }
  }

  void check_instruction(const Piece& piece, const Site& site, unsigned length) {
    const unsigned state = states_[site.key];
    const std::uint8_t* const at = piece.code.data() + site.offset;
    const arch::Decoded now = decoded<Isa>(at, length);
    const bool branches = is_redirect(site.form) || state != 0;
    if (!branches) {
      const bool idle = now.operation == arch::Operation::Nop || now.operation == arch::Operation::Test;
      if (!idle) give_up("a site that is off does not fall through");
      return;
    }
    const std::uint32_t target = site.targets[is_redirect(site.form) ? state : state - 1];
    const bool calls = site.form == SiteForm::Call || site.form == SiteForm::UnalignedCall;
    if (now.operation != (calls ? arch::Operation::Call : arch::Operation::Jump) ||
        now.target != reinterpret_cast<std::uintptr_t>(piece.code.data() + target)) {
      std::fprintf(stderr, "key %u, state %u, form %u at %u: to %u, and it is operation %u to %ld\n", site.key, state,
                   static_cast<unsigned>(site.form), site.offset, target, static_cast<unsigned>(now.operation),
                   static_cast<long>(now.target - reinterpret_cast<std::uintptr_t>(piece.code.data())));
      give_up("a site that is on does not branch to its target");
    }
  }

  RecordingEngine made_;
  ByteReader program_;
  std::array<StaticKey, set_keys + counted_keys> keys_{StaticKey("a"), StaticKey("b"), StaticKey("c"), StaticKey("d")};
  std::array<StaticSwitch, switches> switches_{StaticSwitch("e", 3), StaticSwitch("f", 3)};
  std::array<unsigned, all_keys> states_{};
  std::array<unsigned, counted_keys> references_{};
  std::vector<Piece> pieces_;  // end before the keys and the engine
};

}  // namespace
}  // namespace shunt::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace shunt;
  fuzz::ByteReader program(std::span(data, size));
  constexpr std::uint64_t no_idc_dic = 0x8444'c004;  // a core that needs every step of cache maintenance
  if (program.below(2) == 0) {
    fuzz::Machine<arch::x86_64::InstructionSet>(test::RecordingEngine::x86_64(), program).run();
  } else {
    fuzz::Machine<arch::arm64::InstructionSet>(test::RecordingEngine::arm64(no_idc_dic), program).run();
  }
  return 0;
}
