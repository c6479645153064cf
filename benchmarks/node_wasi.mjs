// Runs a WASI guest under node: `node [V8 flags] node_wasi.mjs guest.wasm [args...]`.
import { readFileSync } from 'node:fs';
import { WASI } from 'node:wasi';

const [guest, ...args] = process.argv.slice(2);
const wasi = new WASI({ version: 'preview1', args: [guest, ...args], env: {}, preopens: {} });
const module = new WebAssembly.Module(readFileSync(guest));
process.exitCode = wasi.start(new WebAssembly.Instance(module, { wasi_snapshot_preview1: wasi.wasiImport }));
