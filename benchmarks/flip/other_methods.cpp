#include "benchmarks/flip/other_methods.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <string>

#include "arch/backend.h"
#include "benchmarks/flip/program.h"
#include "benchmarks/support/measure.h"
#include "engine/serialise/membarrier.h"

namespace shunt::bench {
namespace {

constexpr std::size_t page = 4096;

}  // namespace

OtherProgram::OtherProgram(std::uint32_t sites)
    : instruction_set_(must(Engine::process())->instruction_set()),
      count_(sites),
      size_((std::size_t{sites} * stride + page - 1) / page * page),
      file_(open("/proc/self/mem", O_RDWR | O_CLOEXEC)),
      serialiser_(must(detail::make_membarrier_serialiser())) {
  void* const memory = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (memory == MAP_FAILED) fail(std::string("mmap: ") + std::strerror(errno));
  madvise(memory, size_, MADV_NOHUGEPAGE);  // as code memory that grew piece by piece
  code_ = static_cast<std::uint8_t*>(memory);
  for (std::uint32_t i = 0; i < count_; ++i)
    write_function(instruction_set_, SiteForm::AlignedWord, i, code_ + std::size_t{i} * stride);
  protect(code_, size_, false);
}

OtherProgram::~OtherProgram() {
  munmap(code_, size_);
  if (file_ >= 0) close(file_);
}

void OtherProgram::protect(std::uint8_t* at, std::size_t size, bool writable) const {
  if (mprotect(at, size, PROT_READ | PROT_EXEC | (writable ? PROT_WRITE : 0)) != 0)
    fail(std::string("mprotect: ") + std::strerror(errno));
}

// `at`: where the function's bytes are, in the code or in a copy of it.
void OtherProgram::store(std::uint8_t* at, std::uint32_t site) const noexcept {
  const std::uint64_t function = std::uint64_t{site} * stride;
  const std::uint32_t begin = site_offset(instruction_set_, site);
  at += begin;
  const arch::SiteStore store = arch::HostInstructionSet::rewrite(at, arch::SiteForm::AlignedWord, function + begin,
                                                                  {on_, function + first_return});
  if (store.size == 4) {
    std::atomic_ref(*reinterpret_cast<std::uint32_t*>(at + store.offset))
        .store(static_cast<std::uint32_t>(store.new_value), std::memory_order_relaxed);  // the system calls order
  } else {
    std::atomic_ref(*reinterpret_cast<std::uint64_t*>(at + store.offset))
        .store(store.new_value, std::memory_order_relaxed);  // the system calls order
  }
}

void OtherProgram::flip_through_file() {
  alignas(64) static std::array<std::uint8_t, page> copy;
  constexpr std::uint32_t sites_a_page = page / stride;
  for (std::uint32_t first = 0; first < count_; first += sites_a_page) {
    std::uint8_t* const at = code_ + std::size_t{first} * stride;
    std::memcpy(copy.data(), at, page);
    for (std::uint32_t i = first; i < count_ && i < first + sites_a_page; ++i)
      store(copy.data() + std::size_t{i - first} * stride, i);
    if (pwrite(file_, copy.data(), page, static_cast<off_t>(reinterpret_cast<std::uintptr_t>(at))) !=
        static_cast<ssize_t>(page))
      fail(std::string("writing /proc/self/mem: ") + std::strerror(errno));
  }
}

void OtherProgram::flip(OtherMethod method) {
  on_ = !on_;
  switch (method) {
    case OtherMethod::MprotectBatch:
      protect(code_, size_, true);
      for (std::uint32_t i = 0; i < count_; ++i) store(code_ + std::size_t{i} * stride, i);
      protect(code_, size_, false);
      break;
    case OtherMethod::MprotectSite:
      for (std::uint32_t i = 0; i < count_; ++i) {
        std::uint8_t* const at = code_ + std::size_t{i} * stride;
        std::uint8_t* const page_of_site = code_ + std::size_t{i} * stride / page * page;
        protect(page_of_site, page, true);
        store(at, i);
        protect(page_of_site, page, false);
      }
      break;
    case OtherMethod::ProcSelfMem:
      flip_through_file();
      break;
  }
  if (!serialiser_->serialise()) fail("membarrier failed");
}

void OtherProgram::call(std::uint32_t function) const {
  reinterpret_cast<void (*)()>(reinterpret_cast<std::uintptr_t>(code_ + std::size_t{function} * stride +
                                                                site_offset(instruction_set_, function)))();
}

}  // namespace shunt::bench
