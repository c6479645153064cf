/* For guests whose C library has no setjmp: WebAssembly without exceptions cannot leave several frames at once.
   setjmp succeeds once; longjmp ends the guest with a message. Programs that only jump after errors run until the first
   one. */
#ifndef SHUNT_TESTS_SETJMP_H
#define SHUNT_TESTS_SETJMP_H

typedef int jmp_buf[1];
#define setjmp(environment) ((void)(environment), 0)
_Noreturn void longjmp(jmp_buf environment, int value);

#endif
