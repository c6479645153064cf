;; A guest with one feature flag; needs no compiler:
;;   shunt run samples/guests/hello_flag.wat --flags samples/guests/flags.json
(module
  (import "flags" "greeting" (func $greeting (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 64) "Hello! The flag `greeting` is on.\n")
  (data (i32.const 128) "The flag `greeting` is off.\n")

  (func $print (param $text i32) (param $length i32)
    (i32.store (i32.const 0) (local.get $text))
    (i32.store (i32.const 4) (local.get $length))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))

  (func (export "_start")
    (if (call $greeting)
      (then (call $print (i32.const 64) (i32.const 34)))
      (else (call $print (i32.const 128) (i32.const 28))))))
