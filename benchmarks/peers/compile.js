// How fast another engine compiles a module on one thread: `node [V8 options] compile.js FILE RUNS`, `js102 [options] compile.js FILE RUNS`.
// Prints the nanoseconds of the fastest run. Every function is compiled: V8 needs --no-wasm-lazy-compilation for that.
const isNode = typeof process !== 'undefined';
const [path, runs] = isNode ? process.argv.slice(2) : scriptArgs;
const bytes = isNode ? require('fs').readFileSync(path) : read(path, 'binary');
let fastest = Infinity;
for (let run = 0; run < Number(runs); ++run) {
  // One byte differs at the end, a custom section's, so that no engine takes the module from its cache.
  const copy = new Uint8Array(bytes.length + 4);
  copy.set(bytes);
  copy.set([0, 2, 1, run & 0x7f], bytes.length);
  const begin = performance.now();
  new WebAssembly.Module(copy);
  fastest = Math.min(fastest, (performance.now() - begin) * 1e6);
}
(isNode ? console.log : print)(String(fastest));
