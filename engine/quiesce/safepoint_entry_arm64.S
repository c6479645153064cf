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
//   x29 + 160  x18, NZCV, (unused)
//   x29 + 192  the GuestFrame: resume point, stack pointer, frame pointer
//
// Unwinding leads to the site: what it finds as x30 is the resume point. x19 to x28 are kept by what is called.

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
        stp     x18, x0, [x29, #160]
        .cfi_offset x18, -96

        ldr     x1, [x29]
        add     x2, x29, #256
        stp     x16, x2, [x29, #192]
        str     x1, [x29, #208]
        add     x1, x29, #192
        adrp    x0, shunt_safepoint_reached
        add     x0, x0, #:lo12:shunt_safepoint_reached
        bl      shunt_call_keeping_vectors

        ldp     x18, x0, [x29, #160]
        msr     nzcv, x0
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
