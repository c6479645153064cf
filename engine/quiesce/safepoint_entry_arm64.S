// arm64: the entry that a safepoint's stub calls. See safepoint_entry.h.
//
// On entry                         CFA, the stack pointer at the site, is sp + 32
//   sp + 0     x16 and x17, as they were at the site
//   sp + 16    x30, as it was at the site
//   x16        the resume point
//   x30        return into the stub

        .text
        .globl  shunt_safepoint_entry
        .hidden shunt_safepoint_entry
        .type   shunt_safepoint_entry, %function
        .p2align 4
shunt_safepoint_entry:
        .cfi_startproc
        .cfi_def_cfa sp, 32
        .cfi_offset x16, -32
        .cfi_offset x17, -24
        stp     x29, x30, [sp, #-16]!
        .cfi_adjust_cfa_offset 16
        .cfi_offset x29, -48
        // Unwinding goes to the site: the return address column is the resume point, kept below.
        stp     x16, x19, [sp, #-16]!
        .cfi_adjust_cfa_offset 16
        .cfi_offset x30, -64
        .cfi_offset x19, -56
        add     x29, sp, #16
        .cfi_def_cfa x29, 48
        // x0 to x15, x18; NZCV, FPCR, FPSR.
        stp     x0, x1, [sp, #-16]!
        stp     x2, x3, [sp, #-16]!
        stp     x4, x5, [sp, #-16]!
        stp     x6, x7, [sp, #-16]!
        stp     x8, x9, [sp, #-16]!
        stp     x10, x11, [sp, #-16]!
        stp     x12, x13, [sp, #-16]!
        stp     x14, x15, [sp, #-16]!
        mrs     x0, nzcv
        mrs     x1, fpcr
        stp     x0, x1, [sp, #-16]!
        mrs     x0, fpsr
        stp     x18, x0, [sp, #-16]!
        mov     x19, sp
        // The vector registers: 32 of 16 bytes. With SVE the callee may clobber what lies above, so it is built
        // without SVE (safepoint_entry_arm64.cpp).
        sub     sp, sp, #512
        stp     q0, q1, [sp, #0]
        stp     q2, q3, [sp, #32]
        stp     q4, q5, [sp, #64]
        stp     q6, q7, [sp, #96]
        stp     q8, q9, [sp, #128]
        stp     q10, q11, [sp, #160]
        stp     q12, q13, [sp, #192]
        stp     q14, q15, [sp, #224]
        stp     q16, q17, [sp, #256]
        stp     q18, q19, [sp, #288]
        stp     q20, q21, [sp, #320]
        stp     q22, q23, [sp, #352]
        stp     q24, q25, [sp, #384]
        stp     q26, q27, [sp, #416]
        stp     q28, q29, [sp, #448]
        stp     q30, q31, [sp, #480]
        // The GuestFrame: resume point, stack pointer, frame pointer.
        sub     sp, sp, #32
        add     x0, x29, #48
        stp     x16, x0, [sp]
        ldr     x0, [x29]
        str     x0, [sp, #16]
        mov     x0, sp
        bl      shunt_safepoint_reached
        add     sp, sp, #32
        ldp     q0, q1, [sp, #0]
        ldp     q2, q3, [sp, #32]
        ldp     q4, q5, [sp, #64]
        ldp     q6, q7, [sp, #96]
        ldp     q8, q9, [sp, #128]
        ldp     q10, q11, [sp, #160]
        ldp     q12, q13, [sp, #192]
        ldp     q14, q15, [sp, #224]
        ldp     q16, q17, [sp, #256]
        ldp     q18, q19, [sp, #288]
        ldp     q20, q21, [sp, #320]
        ldp     q22, q23, [sp, #352]
        ldp     q24, q25, [sp, #384]
        ldp     q26, q27, [sp, #416]
        ldp     q28, q29, [sp, #448]
        ldp     q30, q31, [sp, #480]
        mov     sp, x19
        ldp     x18, x0, [sp], #16
        msr     fpsr, x0
        ldp     x0, x1, [sp], #16
        msr     nzcv, x0
        msr     fpcr, x1
        ldp     x14, x15, [sp], #16
        ldp     x12, x13, [sp], #16
        ldp     x10, x11, [sp], #16
        ldp     x8, x9, [sp], #16
        ldp     x6, x7, [sp], #16
        ldp     x4, x5, [sp], #16
        ldp     x2, x3, [sp], #16
        ldp     x0, x1, [sp], #16
        ldp     x16, x19, [sp], #16
        .cfi_def_cfa sp, 48
        ldp     x29, x30, [sp], #16
        .cfi_adjust_cfa_offset -16
        ret
        .cfi_endproc
        .size   shunt_safepoint_entry, . - shunt_safepoint_entry

        .section .note.GNU-stack,"",%progbits
