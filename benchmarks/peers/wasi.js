// Runs a command-line guest in SpiderMonkey's shell, which has no WASI: `js102 [options] wasi.js guest.wasm [arguments]`.
// Arguments, clocks, output and exit alone; any other function of WASI ends the guest with a message.
const [guest, ...rest] = scriptArgs;
const strings = [guest, ...rest].map((text) => text + '\0');
const output = { 1: [], 2: [] };
let memory;
const view = () => new DataView(memory.buffer);

class Exit extends Error {
  constructor(status) {
    super();
    this.status = status;
  }
}

const functions = {
  args_sizes_get(count, bytes) {
    view().setUint32(count, strings.length, true);
    view().setUint32(bytes, strings.reduce((sum, text) => sum + text.length, 0), true);
    return 0;
  },
  args_get(pointers, buffer) {
    for (const text of strings) {
      view().setUint32(pointers, buffer, true);
      pointers += 4;
      for (const letter of text) view().setUint8(buffer++, letter.charCodeAt(0));
    }
    return 0;
  },
  environ_sizes_get(count, bytes) {
    view().setUint32(count, 0, true);
    view().setUint32(bytes, 0, true);
    return 0;
  },
  environ_get: () => 0,
  clock_time_get(clock, precision, result) {
    view().setBigUint64(result, BigInt(Math.round(performance.now() * 1e6)), true);
    return 0;
  },
  fd_fdstat_get(fd, result) {
    if (fd > 2) return 8; // no such descriptor
    view().setUint8(result, 2); // a character device
    view().setUint16(result + 2, 0, true);
    view().setBigUint64(result + 8, 0xffffffffn, true);
    view().setBigUint64(result + 16, 0n, true);
    return 0;
  },
  fd_write(fd, vectors, count, written) {
    let total = 0;
    for (let i = 0; i < count; ++i) {
      const at = view().getUint32(vectors + 8 * i, true);
      const length = view().getUint32(vectors + 8 * i + 4, true);
      output[fd].push(String.fromCharCode(...new Uint8Array(memory.buffer, at, length)));
      total += length;
    }
    view().setUint32(written, total, true);
    return 0;
  },
  fd_prestat_get: () => 8, // nothing is open
  fd_close: () => 0,
  fd_seek: () => 70, // not on this
  proc_exit(status) {
    throw new Exit(status);
  },
};

const module = new WebAssembly.Module(read(guest, 'binary'));
const imports = {};
for (const { module: space, name } of WebAssembly.Module.imports(module)) {
  imports[space] ??= {};
  imports[space][name] = functions[name] ?? (() => {
    throw new Error(`${name} is not in this WASI`);
  });
}
const instance = new WebAssembly.Instance(module, imports);
memory = instance.exports.memory;
let status = 0;
try {
  instance.exports._start();
} catch (reason) {
  if (!(reason instanceof Exit)) throw reason;
  status = reason.status;
}
const lines = (fd) => output[fd].join('').replace(/\n$/, '');
if (output[1].length) print(lines(1));
if (output[2].length) printErr(lines(2));
quit(status);
