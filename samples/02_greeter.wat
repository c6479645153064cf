;; A guest that greets through its host. Feature flag `loud`: with an exclamation mark.
(module
  (import "host" "print" (func $print (param i32 i32)))      ;; address, length
  (import "flags" "loud" (func $loud (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "Hello, ")
  (global $greetings (mut i32) (i32.const 0))

  ;; Greets the name of `length` bytes that the host wrote at address 7. Returns the number of greetings so far.
  (func (export "greet") (param $length i32) (result i32)
    (local $end i32)
    (local.set $end (i32.add (i32.const 7) (local.get $length)))
    (if (call $loud)
      (then
        (i32.store8 (local.get $end) (i32.const 33))
        (local.set $end (i32.add (local.get $end) (i32.const 1)))))
    (call $print (i32.const 0) (local.get $end))
    (global.set $greetings (i32.add (global.get $greetings) (i32.const 1)))
    (global.get $greetings))

  ;; Traps.
  (func (export "divide") (param i32 i32) (result i32)
    (i32.div_s (local.get 0) (local.get 1))))
