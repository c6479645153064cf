/* The engine from C: a code generator of one function, whose answer is switched in place. Builds against the installed
 * library alone: cc 06_engine_in_c.c $(pkg-config --cflags --libs shunt) */
#include <shunt/shunt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(shunt_status status) {
  if (status == SHUNT_OK) return;
  fprintf(stderr, "%s: %s\n", shunt_status_name(status), shunt_error_message());
  exit(1);
}

/* Appends "return value", for either instruction set. */
static size_t emit_return(shunt_instruction_set set, uint8_t* at, uint8_t value) {
  if (set == SHUNT_X86_64) {
    const uint8_t code[] = {0xb8, value, 0, 0, 0, 0xc3}; /* mov eax, value; ret */
    memcpy(at, code, sizeof code);
    return sizeof code;
  }
  const uint32_t code[] = {0x52800000u | (uint32_t)value << 5, 0xd65f03c0u}; /* mov w0, #value; ret */
  memcpy(at, code, sizeof code);
  return sizeof code;
}

int main(void) {
  shunt_engine* engine;
  shunt_key* key;
  check(shunt_engine_process(&engine));
  check(shunt_key_create("answer", 2, &key));

  /* site: falls through while the key is in state 0; return 1; slow: return 42 */
  const shunt_instruction_set set = shunt_engine_instruction_set(engine);
  shunt_allocation memory;
  check(shunt_allocate(engine, 64, &memory));
  const shunt_site_bytes site = shunt_idle_site(engine, SHUNT_ALIGNED_WORD, 0);
  memcpy(memory.staging, site.bytes, site.length);
  size_t end = site.length + emit_return(set, memory.staging + site.length, 1);
  const uint32_t slow = (uint32_t)end;
  end += emit_return(set, memory.staging + slow, 42);

  const shunt_new_site sites[] = {{key, SHUNT_ALIGNED_WORD, 0, &slow, 1}};
  shunt_code* code;
  check(shunt_publish(engine, &memory, sites, 1, &code));
  int (*answer)(void);
  const void* entry = shunt_code_address(code, 0);
  memcpy(&answer, &entry, sizeof answer); /* C has no cast from data to functions */

  for (unsigned state = 0; state < 2; ++state) {
    shunt_commit_report report = {.size = sizeof report};
    check(shunt_set(engine, key, state, &report));
    printf("state %u: %d (%llu site written, by %s)\n", state, answer(), (unsigned long long)report.sites_written,
           report.mechanism);
    if (answer() != (state == 0 ? 1 : 42)) return 1;
  }
  shunt_code_destroy(code);
  shunt_key_destroy(key);
  return 0;
}
