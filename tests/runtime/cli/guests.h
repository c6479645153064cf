// Guests and flag files for tests of the command, as text.
#pragma once

#include <string>
#include <string_view>

namespace shunt::cli::guests {

// Functions to call with --invoke.
inline constexpr std::string_view arithmetic = R"((module $arithmetic
  (memory (export "memory") 1)
  (global $ready (mut i32) (i32.const 0))
  (func (export "_initialize") (global.set $ready (i32.const 7)))
  (func (export "ready") (result i32) (global.get $ready))
  (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
  (func (export "half") (param f64) (result f64) (f64.mul (local.get 0) (f64.const 0.5)))
  (func (export "same32") (param f32) (result f32) (local.get 0))
  (func (export "four") (result i32 i64 f32 f64)
    (i32.const -1) (i64.const 0x8000000000000000) (f32.const 0.1) (f64.const -inf))
  (func (export "nothing"))
  (func $deep (export "divide") (param i32 i32) (result i32) (i32.div_s (local.get 0) (local.get 1)))
  (func (export "unreachable") (unreachable))
  (func (export "forever") (loop (br 0)))
  (func $overflow (export "overflow") (call $overflow))
  (func (export "null") (param externref) (result externref) (local.get 0))))";

// Ends with the number that its first argument spells in one digit; without one, copies standard input to standard
// output.
inline constexpr std::string_view program = R"((module
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $args_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_get" (func $environ_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 2)
  ;; 0: an iovec; 8: a count; 16, 20: sizes; 64: pointers; 4096: texts; 65536: a buffer
  (func $write (param $text i32) (param $length i32)
    (i32.store (i32.const 0) (local.get $text))
    (i32.store (i32.const 4) (local.get $length))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))
  (func $copy
    (loop $again
      (i32.store (i32.const 0) (i32.const 65536))
      (i32.store (i32.const 4) (i32.const 4096))
      (if (i32.eqz (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
        (then (if (i32.load (i32.const 8))
          (then (call $write (i32.const 65536) (i32.load (i32.const 8))) (br $again)))))))
  (func (export "_start")
    (drop (call $args_sizes_get (i32.const 16) (i32.const 20)))
    (drop (call $args_get (i32.const 64) (i32.const 4096)))
    (if (i32.gt_u (i32.load (i32.const 16)) (i32.const 1))
      (then (call $proc_exit (i32.sub (i32.load8_u (i32.load (i32.const 68))) (i32.const 48)))))
    (call $copy))
  ;; All arguments, each with its zero; then the environment.
  (func (export "show")
    (drop (call $args_sizes_get (i32.const 16) (i32.const 20)))
    (drop (call $args_get (i32.const 64) (i32.const 4096)))
    (call $write (i32.const 4096) (i32.load (i32.const 20)))
    (drop (call $environ_sizes_get (i32.const 16) (i32.const 20)))
    (drop (call $environ_get (i32.const 64) (i32.const 4096)))
    (call $write (i32.const 4096) (i32.load (i32.const 20))))
  (func (export "leave") (param i32) (call $proc_exit (local.get 0)))
  ;; The instance that gets the one byte of standard input ends with it; the others run for ever.
  (func (export "race")
    (i32.store (i32.const 0) (i32.const 65536))
    (i32.store (i32.const 4) (i32.const 1))
    (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
    (if (i32.load (i32.const 8)) (then (call $proc_exit (i32.load8_u (i32.const 65536)))))
    (loop (br 0)))))";

// Prints the first file below the first opened directory that is called "file".
inline constexpr std::string_view file_reader = R"((module
  (import "wasi_snapshot_preview1" "path_open"
    (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_prestat_dir_name" (func $prestat_dir_name (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_prestat_get" (func $prestat_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 32) "file")
  (func $check (param i32) (if (local.get 0) (then (call $proc_exit (local.get 0)))))
  (func $write (param $text i32) (param $length i32)
    (i32.store (i32.const 0) (local.get $text))
    (i32.store (i32.const 4) (local.get $length))
    (call $check (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))
  (func (export "_start")
    (call $check (call $prestat_get (i32.const 3) (i32.const 16)))
    (call $check (call $prestat_dir_name (i32.const 3) (i32.const 4096) (i32.load (i32.const 20))))
    (call $write (i32.const 4096) (i32.load (i32.const 20)))
    (call $check (call $path_open (i32.const 3) (i32.const 0) (i32.const 32) (i32.const 4) (i32.const 0) (i64.const 2)
      (i64.const 0) (i32.const 0) (i32.const 12)))
    (i32.store (i32.const 0) (i32.const 4096))
    (i32.store (i32.const 4) (i32.const 4096))
    (call $check (call $fd_read (i32.load (i32.const 12)) (i32.const 0) (i32.const 1) (i32.const 8)))
    (call $write (i32.const 4096) (i32.load (i32.const 8))))))";

// Flags of every type, in every shape that compilers give a read.
inline constexpr std::string_view flag_reader = R"((module
  (import "flags" "on" (func $on (result i32)))
  (import "flags" "count" (func $count (result i32)))
  (import "flags" "big" (func $big (result i64)))
  (import "flags" "rate" (func $rate (result f64)))
  (import "flags" "theme=dark" (func $dark (result i32)))
  (import "flags" "theme" (func $theme (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func $branch (export "branch") (result i32) (if (result i32) (call $on) (then (i32.const 10)) (else (i32.const 20))))
  (func $unless (export "unless") (result i32)
    (block (br_if 0 (i32.eqz (call $on))) (return (i32.const 1))) (i32.const 0))
  (func $choose (export "choose") (param i32 i32) (result i32) (select (local.get 0) (local.get 1) (call $on)))
  (func (export "count") (result i32) (call $count))
  (func (export "big") (result i64) (call $big))
  (func (export "rate") (result f64) (call $rate))
  (func (export "dark") (result i32) (call $dark))
  ;; The length, and the first 4 bytes that fit into 2.
  (func (export "theme") (result i32 i32) (call $theme (i32.const 16) (i32.const 2)) (i32.load (i32.const 16)))))";

// Writes "waiting", and ends once the flag `go` is not zero: with its value; or with 6, without asking again. (Two
// reads of one flag may disagree while a flip is being committed.)
inline constexpr std::string_view waiter = R"((module
  (import "flags" "go" (func $go (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 64) "waiting\n")
  (func $say
    (i32.store (i32.const 0) (i32.const 64))
    (i32.store (i32.const 4) (i32.const 8))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))
  (func (export "_start") (local $value i32)
    (call $say)
    (loop $again (br_if $again (i32.eqz (local.tee $value (call $go)))))
    (call $proc_exit (local.get $value)))
  ;; Writes each new value of the flag as one digit, until it is 9.
  (func (export "follow") (local $value i32) (local $last i32)
    (i32.store (i32.const 0) (i32.const 32))
    (i32.store (i32.const 4) (i32.const 1))
    (loop $again
      (local.set $value (call $go))
      (br_if $again (i32.eq (local.get $value) (local.get $last)))
      (local.set $last (local.get $value))
      (i32.store8 (i32.const 32) (i32.add (local.get $value) (i32.const 48)))
      (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
      (br_if $again (i32.ne (local.get $value) (i32.const 9)))))
  (func (export "branch")
    (call $say)
    (loop $again (br_if $again (i32.eqz (call $go))))
    (call $proc_exit (i32.const 6)))))";

// `members` are of a flag called `key`.
inline std::string flag(std::string_view key, std::string_view members) {
  return "{\"flags\": {\n\"" + std::string(key) + "\": {\"state\": \"ENABLED\", " + std::string(members) + "}}}\n";
}
// A flag with one integer.
inline std::string number_flag(std::string_view key, int value) {
  return flag(key, "\"variants\": {\"v\": " + std::to_string(value) + "}, \"defaultVariant\": \"v\"");
}

}  // namespace shunt::cli::guests
