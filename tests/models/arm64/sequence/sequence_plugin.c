// A TCG plugin (QEMU's plugin interface, version 1): what an emulated arm64 program executes between two markers.
//
// - hint #100: a region begins
// - hint #101: it ends (on the thread that began it)
// - system call 0x5348554E (begin, end): stores to these addresses are of interest, here and in later regions; so is
//   memory that is mapped shared and writable within a region
//
// For each region, on standard error (-d plugin) or in the file that -D names, `region`, then one line for each event
// in the order of execution, then `end instructions=N`: how many the thread executed between the markers.
//
// - S <offset> <size>: a store; the offset counts from the begin of its range
// - F <offset> <size>: the same, to memory that was mapped in the region
// - D: DC CVAU
// - I: IC IVAU
// - i: ISB
// - B: DSB ISH
// - b: DSB ISHLD
// - dsb <CRm>: any other DSB
// - M: membarrier(PRIVATE_EXPEDITED_SYNC_CORE)
// - K: tgkill
// - R: mremap
// - y <number>: any other system call
//
// Events of other threads begin with `other`: barriers, maintenance, and stores of interest.
//
// With the argument whole=on, the program is one region, of its first thread, without events.
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

// The part of qemu-plugin.h that is used here; Debian does not ship the header.
typedef uint64_t plugin_id;
typedef uint32_t meminfo;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_info_t;
typedef void (*translation_callback)(plugin_id, struct qemu_plugin_tb*);
typedef void (*execution_callback)(unsigned, void*);
typedef void (*memory_callback)(unsigned, meminfo, uint64_t, void*);
typedef void (*syscall_callback)(plugin_id, unsigned, int64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                                 uint64_t, uint64_t, uint64_t);
typedef void (*syscall_return_callback)(plugin_id, unsigned, int64_t, int64_t);
enum { no_registers = 0, writes = 2 };
extern void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, translation_callback);
extern void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn*, execution_callback, int, void*);
extern void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn*, memory_callback, int, int, void*);
extern void qemu_plugin_register_vcpu_syscall_cb(plugin_id, syscall_callback);
extern void qemu_plugin_register_vcpu_syscall_ret_cb(plugin_id, syscall_return_callback);
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb*);
extern struct qemu_plugin_insn* qemu_plugin_tb_get_insn(const struct qemu_plugin_tb*, size_t);
extern const void* qemu_plugin_insn_data(const struct qemu_plugin_insn*);
extern unsigned qemu_plugin_mem_size_shift(meminfo);
extern bool qemu_plugin_mem_is_store(meminfo);
extern void qemu_plugin_register_atexit_cb(plugin_id, void (*)(plugin_id, void*), void*);
extern void qemu_plugin_outs(const char*);

#define EXPORTED __attribute__((visibility("default")))
EXPORTED int qemu_plugin_version = 1;

enum { begin_marker = 0xd5032c9f, end_marker = 0xd5032cbf };
enum { sys_tgkill = 131, sys_mremap = 216, sys_mmap = 222, sys_membarrier = 283, sys_watch = 0x5348554e };
enum { membarrier_sync_core = 1 << 5, map_shared = 1, protection_write = 2 };

static struct {
  uint64_t begin, end;
  char event;
} ranges[16];
static unsigned range_count;
static bool in_region, whole;
static unsigned region_thread;
static uint64_t instructions;

// What a thread is mapping, from the call to its return.
static __thread uint64_t mapping_size;

static void put(unsigned thread, const char* event) {
  if (!in_region || whole) return;
  char line[100];
  snprintf(line, sizeof line, "%s%s\n", thread == region_thread ? "" : "other ", event);
  qemu_plugin_outs(line);
}

static void watch(uint64_t begin, uint64_t end, char event) {
  if (range_count == sizeof ranges / sizeof *ranges) return;
  ranges[range_count].begin = begin;
  ranges[range_count].end = end;
  ranges[range_count++].event = event;
}

static void begin_region(unsigned thread, void* unused) {
  (void)unused;
  in_region = true;
  region_thread = thread;
  instructions = 0;
  qemu_plugin_outs("region\n");
}

static void end_region(unsigned thread, void* unused) {
  (void)unused;
  if (!in_region || thread != region_thread) return;
  in_region = false;
  char line[60];
  snprintf(line, sizeof line, "end instructions=%" PRIu64 "\n", instructions);
  qemu_plugin_outs(line);
}

static void end_program(plugin_id id, void* unused) {
  (void)id;
  end_region(region_thread, unused);
}

static void executed(unsigned thread, void* event) {
  if (in_region && thread == region_thread) ++instructions;
  if (event != NULL) put(thread, event);
}

static void stored(unsigned thread, meminfo info, uint64_t address, void* unused) {
  (void)unused;
  if (!in_region || !qemu_plugin_mem_is_store(info)) return;
  for (unsigned i = 0; i < range_count; ++i) {
    if (address < ranges[i].begin || address >= ranges[i].end) continue;
    char event[60];
    snprintf(event, sizeof event, "%c 0x%" PRIx64 " %u", ranges[i].event, address - ranges[i].begin,
             1U << qemu_plugin_mem_size_shift(info));
    put(thread, event);
    return;
  }
}

static void called(plugin_id id, unsigned thread, int64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                   uint64_t e, uint64_t f, uint64_t g, uint64_t h) {
  (void)id, (void)e, (void)f, (void)g, (void)h;
  char event[40];
  mapping_size = 0;
  switch (number) {
    case sys_watch:
      watch(a, b, 'S');
      return;
    case sys_membarrier:
      snprintf(event, sizeof event, a == membarrier_sync_core ? "M" : "y %" PRId64, number);
      break;
    case sys_tgkill:
      strcpy(event, "K");
      break;
    case sys_mremap:
      strcpy(event, "R");
      break;
    case sys_mmap:
      if (in_region && (c & protection_write) != 0 && (d & map_shared) != 0) mapping_size = b;
      // fall through
    default:
      snprintf(event, sizeof event, "y %" PRId64, number);
  }
  if (thread == region_thread) put(thread, event);
}

static void returned(plugin_id id, unsigned thread, int64_t number, int64_t result) {
  (void)id, (void)thread;
  if (number == sys_mmap && mapping_size != 0 && result > 0)
    watch((uint64_t)result, (uint64_t)result + mapping_size, 'F');
}

// The event that executing this instruction is, or null.
static char* event_of(uint32_t word) {
  static char names[16][8];
  if ((word & ~31u) == 0xd50b7b20) return "D";
  if ((word & ~31u) == 0xd50b7520) return "I";
  if ((word & 0xfffff0ff) == 0xd50330df) return "i";
  if ((word & 0xfffff0ff) != 0xd503309f) return NULL;
  const unsigned option = word >> 8 & 15;
  if (option == 11) return "B";
  if (option == 9) return "b";
  snprintf(names[option], sizeof names[option], "dsb %u", option);
  return names[option];
}

static void translated(plugin_id id, struct qemu_plugin_tb* block) {
  (void)id;
  for (size_t i = 0, count = qemu_plugin_tb_n_insns(block); i < count; ++i) {
    struct qemu_plugin_insn* instruction = qemu_plugin_tb_get_insn(block, i);
    uint32_t word;
    memcpy(&word, qemu_plugin_insn_data(instruction), sizeof word);
    if (!whole && (word == begin_marker || word == end_marker)) {
      qemu_plugin_register_vcpu_insn_exec_cb(instruction, word == begin_marker ? begin_region : end_region,
                                             no_registers, NULL);
      continue;
    }
    qemu_plugin_register_vcpu_insn_exec_cb(instruction, executed, no_registers, event_of(word));
    qemu_plugin_register_vcpu_mem_cb(instruction, stored, no_registers, writes, NULL);
  }
}

EXPORTED int qemu_plugin_install(plugin_id id, const struct qemu_info_t* info, int argc, char** argv) {
  (void)info;
  whole = argc > 0 && strcmp(argv[0], "whole=on") == 0;
  if (whole) {
    begin_region(0, NULL);
    qemu_plugin_register_atexit_cb(id, end_program, NULL);
  }
  qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
  qemu_plugin_register_vcpu_syscall_cb(id, called);
  qemu_plugin_register_vcpu_syscall_ret_cb(id, returned);
  return 0;
}
