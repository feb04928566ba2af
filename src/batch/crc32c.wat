;; CRC-32C over memory, at the speed of loads and exclusive ors.
;;
;; x^209 + x^144 + x^54 + x^39 + x^14 + 1 is a multiple of the Castagnoli polynomial. Squaring a polynomial over GF(2)
;; doubles its exponents, so the same sum with every exponent times 8u is a multiple too, for every u that is a power
;; of two. With input words of u bytes the sequence
;;
;;   w[i] = in[i] ^ w[i-65] ^ w[i-155] ^ w[i-170] ^ w[i-195] ^ w[i-209]        (words before the start are 0)
;;
;; therefore moves every word's share of the remainder at most 209 words on. The last 209 words are not carried on
;; but collected (for them, what lies at or behind the collection's start counts as 0): those 209 * u bytes have the
;; remainder of the whole input. Any u lets 16 bytes be computed at once, since the nearest tap is 65 words back.
;;
;; A large u keeps the taps aligned and far from the stores they depend on, a small one leaves few bytes over. So
;; long inputs are reduced with u = 16 first (to 3,344 bytes), then, or at once, with u = 2 (to 432), and tables
;; finish. The register's initial value joins as the word 209 words before the first: no other tap reads that far.
;;
;; The comment "variant" below is where the build writes `shared` for the second module: a module that imports
;; unshared memory refuses shared memory, and the reverse.
(module
  (import "crc32c" "memory" (memory 2 65536 (; variant ;)))

  ;; Address of this instance's scratch space, 16-byte aligned:
  ;;      0  history: the last 209 words of the block before (at most 3,344 bytes), a block of at most 16,384 bytes,
  ;;         3,344 bytes of zeros
  ;; 23,552  what is left: at most 3,344 + 15 bytes of u = 16, then, over it, at most 432 + 15 bytes of u = 2
  ;; The sixteen tables of src/batch/crc32c_tables.ts lie at address 0 of the memory.
  (import "crc32c" "scratch" (global $scratch i32))

  ;; Clears `length` bytes, a multiple of 16 and not 0. (memory.fill costs a call out of the module.)
  (func $clear (param $at i32) (param $length i32)
    (local $end i32)
    (local.set $end (i32.add (local.get $at) (local.get $length)))
    (loop $next
      (v128.store (local.get $at) (v128.const i64x2 0 0))
      (local.set $at (i32.add (local.get $at) (i32.const 16)))
      (br_if $next (i32.lt_u (local.get $at) (local.get $end)))))

  ;; Copies `length` bytes, a multiple of 16 and not 0, to a lower address.
  (func $copy (param $to i32) (param $from i32) (param $length i32)
    (local $end i32)
    (local.set $end (i32.add (local.get $to) (local.get $length)))
    (loop $next
      (v128.store (local.get $to) (v128.load (local.get $from)))
      (local.set $to (i32.add (local.get $to) (i32.const 16)))
      (local.set $from (i32.add (local.get $from) (i32.const 16)))
      (br_if $next (i32.lt_u (local.get $to) (local.get $end)))))

  ;; Computes `length` bytes (a multiple of 16) of w at `out` from those at `in`. `w` is their place in the history:
  ;; `out` itself when they are carried on, another place (with zeros from `w` on) when they are collected.
  (func $words (param $in i32) (param $w i32) (param $out i32) (param $length i32) (param $u i32)
    (local $a i32) (local $b i32) (local $c i32) (local $d i32) (local $e i32) (local $end i32)
    (local.set $a (i32.sub (local.get $w) (i32.mul (local.get $u) (i32.const 65))))
    (local.set $b (i32.sub (local.get $w) (i32.mul (local.get $u) (i32.const 155))))
    (local.set $c (i32.sub (local.get $w) (i32.mul (local.get $u) (i32.const 170))))
    (local.set $d (i32.sub (local.get $w) (i32.mul (local.get $u) (i32.const 195))))
    (local.set $e (i32.sub (local.get $w) (i32.mul (local.get $u) (i32.const 209))))
    (local.set $end (i32.add (local.get $in) (i32.and (local.get $length) (i32.const -64))))
    (block $done
      (loop $next
        (br_if $done (i32.eq (local.get $in) (local.get $end)))
        (v128.store (local.get $out)
          (v128.xor
            (v128.xor
              (v128.xor (v128.load (local.get $in)) (v128.load (local.get $a)))
              (v128.xor (v128.load (local.get $b)) (v128.load (local.get $c))))
            (v128.xor (v128.load (local.get $d)) (v128.load (local.get $e)))))
        (v128.store offset=16 (local.get $out)
          (v128.xor
            (v128.xor
              (v128.xor (v128.load offset=16 (local.get $in)) (v128.load offset=16 (local.get $a)))
              (v128.xor (v128.load offset=16 (local.get $b)) (v128.load offset=16 (local.get $c))))
            (v128.xor (v128.load offset=16 (local.get $d)) (v128.load offset=16 (local.get $e)))))
        (v128.store offset=32 (local.get $out)
          (v128.xor
            (v128.xor
              (v128.xor (v128.load offset=32 (local.get $in)) (v128.load offset=32 (local.get $a)))
              (v128.xor (v128.load offset=32 (local.get $b)) (v128.load offset=32 (local.get $c))))
            (v128.xor (v128.load offset=32 (local.get $d)) (v128.load offset=32 (local.get $e)))))
        (v128.store offset=48 (local.get $out)
          (v128.xor
            (v128.xor
              (v128.xor (v128.load offset=48 (local.get $in)) (v128.load offset=48 (local.get $a)))
              (v128.xor (v128.load offset=48 (local.get $b)) (v128.load offset=48 (local.get $c))))
            (v128.xor (v128.load offset=48 (local.get $d)) (v128.load offset=48 (local.get $e)))))
        (local.set $in (i32.add (local.get $in) (i32.const 64)))
        (local.set $out (i32.add (local.get $out) (i32.const 64)))
        (local.set $a (i32.add (local.get $a) (i32.const 64)))
        (local.set $b (i32.add (local.get $b) (i32.const 64)))
        (local.set $c (i32.add (local.get $c) (i32.const 64)))
        (local.set $d (i32.add (local.get $d) (i32.const 64)))
        (local.set $e (i32.add (local.get $e) (i32.const 64)))
        (br $next)))
    (local.set $end (i32.add (local.get $in) (i32.and (local.get $length) (i32.const 48))))
    (block $done
      (loop $next
        (br_if $done (i32.eq (local.get $in) (local.get $end)))
        (v128.store (local.get $out)
          (v128.xor
            (v128.xor
              (v128.xor (v128.load (local.get $in)) (v128.load (local.get $a)))
              (v128.xor (v128.load (local.get $b)) (v128.load (local.get $c))))
            (v128.xor (v128.load (local.get $d)) (v128.load (local.get $e)))))
        (local.set $in (i32.add (local.get $in) (i32.const 16)))
        (local.set $out (i32.add (local.get $out) (i32.const 16)))
        (local.set $a (i32.add (local.get $a) (i32.const 16)))
        (local.set $b (i32.add (local.get $b) (i32.const 16)))
        (local.set $c (i32.add (local.get $c) (i32.const 16)))
        (local.set $d (i32.add (local.get $d) (i32.const 16)))
        (local.set $e (i32.add (local.get $e) (i32.const 16)))
        (br $next))))

  ;; Writes to `out` a short input with the same remainder, to be continued from register 0, and answers its length:
  ;; 209 * u rounded up to 16, plus 0 to 15. `length` is more than that by 16 or more. `out` may be `in`: what is
  ;; collected is read from behind where it is written.
  (func $reduce (param $register i32) (param $in i32) (param $length i32) (param $out i32) (param $u i32) (result i32)
    (local $kept i32) (local $carried i32) (local $left i32) (local $w i32) (local $block i32)
    (local.set $kept
      (i32.and (i32.add (i32.mul (local.get $u) (i32.const 209)) (i32.const 15)) (i32.const -16)))
    (local.set $carried (i32.and (i32.sub (local.get $length) (local.get $kept)) (i32.const -16)))
    (local.set $left (i32.sub (i32.sub (local.get $length) (local.get $kept)) (local.get $carried)))
    (local.set $w (i32.add (global.get $scratch) (local.get $kept)))
    (call $clear (global.get $scratch) (local.get $kept))
    (i32.store (i32.sub (local.get $w) (i32.mul (local.get $u) (i32.const 209))) (local.get $register))
    ;; In blocks, so that the history stays in the first-level cache.
    (block $done
      (loop $next
        (local.set $block
          (select (i32.const 16384) (local.get $carried) (i32.gt_u (local.get $carried) (i32.const 16384))))
        (call $words (local.get $in) (local.get $w) (local.get $w) (local.get $block) (local.get $u))
        (local.set $in (i32.add (local.get $in) (local.get $block)))
        (local.set $carried (i32.sub (local.get $carried) (local.get $block)))
        (br_if $done (i32.eqz (local.get $carried)))
        (call $copy (global.get $scratch) (i32.add (global.get $scratch) (local.get $block)) (local.get $kept))
        (br $next)))
    (local.set $w (i32.add (local.get $w) (local.get $block)))
    (call $clear (local.get $w) (local.get $kept))
    (call $words (local.get $in) (local.get $w) (local.get $out) (local.get $kept) (local.get $u))
    ;; Fewer than 16 bytes are left: one by one, since a vector could reach past the memory's end.
    (local.set $in (i32.add (local.get $in) (local.get $kept)))
    (local.set $w (i32.add (local.get $out) (local.get $kept)))
    (local.set $block (i32.add (local.get $in) (local.get $left)))
    (block $done
      (loop $next
        (br_if $done (i32.eq (local.get $in) (local.get $block)))
        (i32.store8 (local.get $w) (i32.load8_u (local.get $in)))
        (local.set $in (i32.add (local.get $in) (i32.const 1)))
        (local.set $w (i32.add (local.get $w) (i32.const 1)))
        (br $next)))
    (i32.add (local.get $kept) (local.get $left)))

  ;; Sixteen bytes a step: table k (at 1,024 * k) is for the byte that has k bytes of the step behind it.
  (func $tables (param $register i32) (param $in i32) (param $length i32) (result i32)
    (local $word i32) (local $sum i32) (local $end i32)
    (local.set $end (i32.add (local.get $in) (i32.and (local.get $length) (i32.const -16))))
    (block $done
      (loop $next
        (br_if $done (i32.eq (local.get $in) (local.get $end)))
        (local.set $word (i32.load offset=12 (local.get $in)))
        (local.set $sum
          (i32.xor
            (i32.xor
              (i32.load offset=3072 (i32.and (i32.shl (local.get $word) (i32.const 2)) (i32.const 1020)))
              (i32.load offset=2048 (i32.and (i32.shr_u (local.get $word) (i32.const 6)) (i32.const 1020))))
            (i32.xor
              (i32.load offset=1024 (i32.and (i32.shr_u (local.get $word) (i32.const 14)) (i32.const 1020)))
              (i32.load (i32.and (i32.shr_u (local.get $word) (i32.const 22)) (i32.const 1020))))))
        (local.set $word (i32.load offset=8 (local.get $in)))
        (local.set $sum
          (i32.xor (local.get $sum)
            (i32.xor
              (i32.xor
                (i32.load offset=7168 (i32.and (i32.shl (local.get $word) (i32.const 2)) (i32.const 1020)))
                (i32.load offset=6144 (i32.and (i32.shr_u (local.get $word) (i32.const 6)) (i32.const 1020))))
              (i32.xor
                (i32.load offset=5120 (i32.and (i32.shr_u (local.get $word) (i32.const 14)) (i32.const 1020)))
                (i32.load offset=4096 (i32.and (i32.shr_u (local.get $word) (i32.const 22)) (i32.const 1020)))))))
        (local.set $word (i32.load offset=4 (local.get $in)))
        (local.set $sum
          (i32.xor (local.get $sum)
            (i32.xor
              (i32.xor
                (i32.load offset=11264 (i32.and (i32.shl (local.get $word) (i32.const 2)) (i32.const 1020)))
                (i32.load offset=10240 (i32.and (i32.shr_u (local.get $word) (i32.const 6)) (i32.const 1020))))
              (i32.xor
                (i32.load offset=9216 (i32.and (i32.shr_u (local.get $word) (i32.const 14)) (i32.const 1020)))
                (i32.load offset=8192 (i32.and (i32.shr_u (local.get $word) (i32.const 22)) (i32.const 1020)))))))
        ;; The register comes in last: only these lookups wait for the step before.
        (local.set $word (i32.xor (local.get $register) (i32.load (local.get $in))))
        (local.set $register
          (i32.xor (local.get $sum)
            (i32.xor
              (i32.xor
                (i32.load offset=15360 (i32.and (i32.shl (local.get $word) (i32.const 2)) (i32.const 1020)))
                (i32.load offset=14336 (i32.and (i32.shr_u (local.get $word) (i32.const 6)) (i32.const 1020))))
              (i32.xor
                (i32.load offset=13312 (i32.and (i32.shr_u (local.get $word) (i32.const 14)) (i32.const 1020)))
                (i32.load offset=12288 (i32.and (i32.shr_u (local.get $word) (i32.const 22)) (i32.const 1020)))))))
        (local.set $in (i32.add (local.get $in) (i32.const 16)))
        (br $next)))
    (local.set $end (i32.add (local.get $in) (i32.and (local.get $length) (i32.const 15))))
    (block $done
      (loop $next
        (br_if $done (i32.eq (local.get $in) (local.get $end)))
        (local.set $register
          (i32.xor
            (i32.shr_u (local.get $register) (i32.const 8))
            (i32.load
              (i32.shl
                (i32.and (i32.xor (local.get $register) (i32.load8_u (local.get $in))) (i32.const 255))
                (i32.const 2)))))
        (local.set $in (i32.add (local.get $in) (i32.const 1)))
        (br $next)))
    (local.get $register))

  ;; Advances the raw register over `length` bytes at `in`, any alignment, any length. The limits are where the
  ;; longer way begins to win.
  (func (export "advance") (param $register i32) (param $in i32) (param $length i32) (result i32)
    (local $out i32)
    (local.set $out (i32.add (global.get $scratch) (i32.const 23552)))
    (if (i32.ge_u (local.get $length) (i32.const 32768))
      (then
        (local.set $length
          (call $reduce (local.get $register) (local.get $in) (local.get $length) (local.get $out) (i32.const 16)))
        (local.set $register (i32.const 0))
        (local.set $in (local.get $out))))
    (if (i32.ge_u (local.get $length) (i32.const 768))
      (then
        (local.set $length
          (call $reduce (local.get $register) (local.get $in) (local.get $length) (local.get $out) (i32.const 2)))
        (local.set $register (i32.const 0))
        (local.set $in (local.get $out))))
    (call $tables (local.get $register) (local.get $in) (local.get $length))))
