;; One call of two nested loops: what a guest costs that spends its life in one call.
(module
  (func (export "run") (param $outer i32) (param $inner i32) (result i32) (local $i i32) (local $j i32) (local $sum i32)
    (loop $next
      (local.set $j (i32.const 0))
      (loop $again
        (local.set $sum (i32.add (local.get $sum) (i32.mul (i32.xor (local.get $i) (local.get $j)) (local.get $j))))
        (br_if $again (i32.lt_u (local.tee $j (i32.add (local.get $j) (i32.const 1))) (local.get $inner))))
      (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $outer))))
    (local.get $sum)))
