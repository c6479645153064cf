// arm64: shunt_call_keeping_vectors(function, argument). See shunt/vector_state.h.
//
// The frame                        CFA is x29 + 32
//   x29 + 0    frame record: x29 and x30 of the caller
//   x29 + 16   FPCR, FPSR
//   below x29  the vector state: Q0 to Q31, or with SVE, V bytes being a vector's length:
//     sp + 0       P0 to P15 and FFR, V / 8 bytes each
//     sp + 3 * V   Z0 to Z31
//
// The lower halves of V8 to V15 are kept by what is called; they are saved with the rest.

        .arch_extension sve

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
        .globl  shunt_call_keeping_vectors
        .hidden shunt_call_keeping_vectors
        .type   shunt_call_keeping_vectors, %function
        .p2align 4
shunt_call_keeping_vectors:
        .cfi_startproc
        stp     x29, x30, [sp, #-32]!
        .cfi_def_cfa_offset 32
        .cfi_offset x29, -32
        .cfi_offset x30, -24
        mov     x29, sp
        .cfi_def_cfa_register x29
        mrs     x2, fpcr
        mrs     x3, fpsr
        stp     x2, x3, [x29, #16]
        mov     x16, x0
        mov     x0, x1

        adrp    x1, shunt_saves_sve
        ldr     w1, [x1, #:lo12:shunt_saves_sve]
        cbnz    w1, 1f
        sub     sp, sp, #512
        advanced_simd stp
        blr     x16
        advanced_simd ldp
        b       2f

1:      addvl   sp, sp, #-32
        addvl   sp, sp, #-3
        sve_predicates str
        rdffr   p0.b
        str     p0, [sp, #16, mul vl]
        sve_vectors str
        blr     x16
        sve_vectors ldr
        ldr     p0, [sp, #16, mul vl]
        wrffr   p0.b
        sve_predicates ldr

2:      ldp     x2, x3, [x29, #16]
        msr     fpcr, x2
        msr     fpsr, x3
        mov     sp, x29
        .cfi_def_cfa_register sp
        ldp     x29, x30, [sp], #32
        .cfi_def_cfa_offset 0
        .cfi_restore x29
        .cfi_restore x30
        ret
        .cfi_endproc
        .size   shunt_call_keeping_vectors, . - shunt_call_keeping_vectors

        .section .note.GNU-stack,"",%progbits
