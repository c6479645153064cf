# x86-64: shunt_call_keeping_vectors(function, argument). See shunt/vector_state.h.

        .text
        .globl  shunt_call_keeping_vectors
        .hidden shunt_call_keeping_vectors
        .type   shunt_call_keeping_vectors, @function
        .p2align 4
shunt_call_keeping_vectors:
        .cfi_startproc
        pushq   %rbp
        .cfi_def_cfa_offset 16
        .cfi_offset %rbp, -16
        movq    %rsp, %rbp
        .cfi_def_cfa_register %rbp
        pushq   %rbx                    # kept by what is called; holds the area's address
        .cfi_offset %rbx, -24

        # The area, at a multiple of 64. The header of an XSAVE area must be zero.
        movl    shunt_xsave_size(%rip), %ecx
        subq    %rcx, %rsp
        andq    $-64, %rsp
        movq    %rsp, %rbx
        movq    %rdi, %r8
        movq    %rsi, %rdi
        movl    shunt_xsave_mask(%rip), %eax
        testl   %eax, %eax
        jz      1f
        xorl    %edx, %edx
        xorl    %ecx, %ecx
        movq    %rcx, 512(%rbx)
        movq    %rcx, 520(%rbx)
        movq    %rcx, 528(%rbx)
        movq    %rcx, 536(%rbx)
        movq    %rcx, 544(%rbx)
        movq    %rcx, 552(%rbx)
        movq    %rcx, 560(%rbx)
        movq    %rcx, 568(%rbx)
        xsave64 (%rbx)
        call    *%r8
        movq    %rax, %rcx
        movl    shunt_xsave_mask(%rip), %eax
        xorl    %edx, %edx
        xrstor64 (%rbx)
        movq    %rcx, %rax
        jmp     2f
1:      fxsave64 (%rbx)
        call    *%r8
        fxrstor64 (%rbx)

2:      movq    -8(%rbp), %rbx
        .cfi_restore %rbx
        leave
        .cfi_def_cfa %rsp, 8
        .cfi_restore %rbp
        ret
        .cfi_endproc
        .size   shunt_call_keeping_vectors, . - shunt_call_keeping_vectors

        .section .note.GNU-stack,"",@progbits
