# x86-64: the entry that a safepoint's stub calls. See safepoint_entry.h.
#
# On entry                         CFA, the stack pointer at the site, is rsp + 152
#   rsp + 0    return into the stub
#   rsp + 8    the resume point
#   rsp + 16   r11, as it was at the site
#   rsp + 24   the red zone, 128 bytes

        .text
        .globl  shunt_safepoint_entry
        .hidden shunt_safepoint_entry
        .type   shunt_safepoint_entry, @function
        .p2align 4
shunt_safepoint_entry:
        .cfi_startproc
        .cfi_def_cfa %rsp, 152
        .cfi_offset %rip, -144
        .cfi_offset %r11, -136
        pushfq
        .cfi_adjust_cfa_offset 8
        pushq   %rbp
        .cfi_adjust_cfa_offset 8
        .cfi_offset %rbp, -168
        movq    %rsp, %rbp
        .cfi_def_cfa_register %rbp
        pushq   %rax
        .cfi_offset %rax, -176
        pushq   %rcx
        .cfi_offset %rcx, -184
        pushq   %rdx
        .cfi_offset %rdx, -192
        pushq   %rsi
        .cfi_offset %rsi, -200
        pushq   %rdi
        .cfi_offset %rdi, -208
        pushq   %r8
        .cfi_offset %r8, -216
        pushq   %r9
        .cfi_offset %r9, -224
        pushq   %r10
        .cfi_offset %r10, -232
        cld

        # The GuestFrame: resume point, stack pointer, frame pointer.
        subq    $24, %rsp
        movq    24(%rbp), %rax
        movq    %rax, 0(%rsp)
        leaq    168(%rbp), %rax
        movq    %rax, 8(%rsp)
        movq    0(%rbp), %rax
        movq    %rax, 16(%rsp)
        movq    %rsp, %rsi
        leaq    shunt_safepoint_reached(%rip), %rdi
        andq    $-16, %rsp
        call    shunt_call_keeping_vectors

        leaq    -64(%rbp), %rsp
        popq    %r10
        .cfi_restore %r10
        popq    %r9
        .cfi_restore %r9
        popq    %r8
        .cfi_restore %r8
        popq    %rdi
        .cfi_restore %rdi
        popq    %rsi
        .cfi_restore %rsi
        popq    %rdx
        .cfi_restore %rdx
        popq    %rcx
        .cfi_restore %rcx
        popq    %rax
        .cfi_restore %rax
        popq    %rbp
        .cfi_def_cfa %rsp, 160
        .cfi_restore %rbp
        popfq
        .cfi_adjust_cfa_offset -8
        ret
        .cfi_endproc
        .size   shunt_safepoint_entry, . - shunt_safepoint_entry

        .section .note.GNU-stack,"",@progbits
