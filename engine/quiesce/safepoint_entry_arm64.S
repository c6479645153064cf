// arm64: the entry that a safepoint's stub calls. See safepoint_entry.h.
//
// On entry                         CFA, the stack pointer at the site, is sp + 32
//   sp + 0     x16 and x17, as they were at the site
//   sp + 16    x30, as it was at the site
//   x16        the resume point
//   x30        return into the stub
//
// The frame                        CFA is x29 + 256
//   x29 + 0    frame record: x29 as it was at the site, the resume point
//   x29 + 16   return into the stub
//   x29 + 32   x0 to x15
//   x29 + 160  x18, NZCV, FPCR, FPSR
//   x29 + 192  the GuestFrame: resume point, stack pointer, frame pointer
//   below x29  the vector state: Q0 to Q31, or with SVE, V bytes being a vector's length:
//     sp + 0       P0 to P15 and FFR, V / 8 bytes each
//     sp + 3 * V   Z0 to Z31
//
// Unwinding leads to the site: what it finds as x30 is the resume point. x19 to x28 and the lower halves of V8 to V15
// are kept by what is called.

        .arch_extension sve

        .macro general op
        \op     x0, x1, [x29, #32]
        \op     x2, x3, [x29, #48]
        \op     x4, x5, [x29, #64]
        \op     x6, x7, [x29, #80]
        \op     x8, x9, [x29, #96]
        \op     x10, x11, [x29, #112]
        \op     x12, x13, [x29, #128]
        \op     x14, x15, [x29, #144]
        .endm

        .macro advanced_simd op
        \op     q0, q1, [sp, #0]
        \op     q2, q3, [sp, #32]
        \op     q4, q5, [sp, #64]
        \op     q6, q7, [sp, #96]
        \op     q8, q9, [sp, #128]
        \op     q10, q11, [sp, #160]
        \op     q12, q13, [sp, #192]
        \op     q14, q15, [sp, #224]
        \op     q16, q17, [sp, #256]
        \op     q18, q19, [sp, #288]
        \op     q20, q21, [sp, #320]
        \op     q22, q23, [sp, #352]
        \op     q24, q25, [sp, #384]
        \op     q26, q27, [sp, #416]
        \op     q28, q29, [sp, #448]
        \op     q30, q31, [sp, #480]
        .endm

        .macro sve_vectors op
        .irp    n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
        \op     z\n, [sp, #3 + \n, mul vl]
        .endr
        .endm

        .macro sve_predicates op
        .irp    n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
        \op     p\n, [sp, #\n, mul vl]
        .endr
        .endm

        .text
        .globl  shunt_safepoint_entry
        .hidden shunt_safepoint_entry
        .type   shunt_safepoint_entry, %function
        .p2align 4
shunt_safepoint_entry:
        .cfi_startproc
        .cfi_def_cfa sp, 32
        .cfi_register x30, x16
        .cfi_offset x16, -32
        .cfi_offset x17, -24
        stp     x29, x16, [sp, #-224]!
        .cfi_adjust_cfa_offset 224
        .cfi_offset x29, -256
        .cfi_offset x30, -248
        mov     x29, sp
        .cfi_def_cfa_register x29
        str     x30, [x29, #16]
        general stp
        .irp    n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
        .cfi_offset \n, \n * 8 - 224
        .endr
        mrs     x0, nzcv
        mrs     x1, fpcr
        mrs     x2, fpsr
        stp     x18, x0, [x29, #160]
        stp     x1, x2, [x29, #176]
        .cfi_offset x18, -96

        ldr     x1, [x29]
        add     x2, x29, #256
        stp     x16, x2, [x29, #192]
        str     x1, [x29, #208]
        add     x0, x29, #192

        adrp    x1, shunt_saves_sve
        ldr     w1, [x1, #:lo12:shunt_saves_sve]
        cbnz    w1, 1f
        sub     sp, sp, #512
        advanced_simd stp
        bl      shunt_safepoint_reached
        advanced_simd ldp
        b       2f

1:      addvl   sp, sp, #-32
        addvl   sp, sp, #-3
        sve_predicates str
        rdffr   p0.b
        str     p0, [sp, #16, mul vl]
        sve_vectors str
        bl      shunt_safepoint_reached
        sve_vectors ldr
        ldr     p0, [sp, #16, mul vl]
        wrffr   p0.b
        sve_predicates ldr

2:      ldp     x18, x0, [x29, #160]
        ldp     x1, x2, [x29, #176]
        msr     nzcv, x0
        msr     fpcr, x1
        msr     fpsr, x2
        general ldp
        .irp    n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,18
        .cfi_restore \n
        .endr
        mov     sp, x29
        ldr     x30, [sp, #16]
        .cfi_def_cfa_register sp
        ldp     x29, x16, [sp], #224
        .cfi_adjust_cfa_offset -224
        .cfi_restore x29
        .cfi_register x30, x16
        ret
        .cfi_endproc
        .size   shunt_safepoint_entry, . - shunt_safepoint_entry

        .section .note.GNU-stack,"",%progbits
