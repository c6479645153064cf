// Times the loops of guests/kernels.c in another WebAssembly engine: node (V8) or js102 (SpiderMonkey). The check is an import
// that returns 0, as a feature flag would be; or a load of a variable.
//   node [V8 options] kernels.js FOLDER PLACES      js102 [options] kernels.js FOLDER PLACES
// Prints for each loop and build the nanoseconds a byte: the median over the code placements of the median of 5 runs.
const isNode = typeof process !== 'undefined';
const [folder, places] = isNode ? process.argv.slice(2) : scriptArgs;
const bytesOf = isNode ? require('fs').readFileSync : (path) => read(path, 'binary');
const now = () => performance.now() * 1e6;
const rounds = 16;
const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];

const result = {};
const guests = [];
for (const build of ['plain', 'check', 'load'])
  for (let place = 0; place < Number(places); ++place) {
    const module = new WebAssembly.Module(bytesOf(`${folder}/kernels_${build}_${place}.wasm`));
    const { exports } = new WebAssembly.Instance(module, { flags: { rare: () => 0 } });
    exports._initialize();
    guests.push({ build, exports });
  }
for (const kernel of ['crc', 'fnv', 'sum', 'scan']) {
  for (const guest of guests) {
    guest.exports[kernel](2);
    guest.times = [];
  }
  for (let run = 0; run < 5; ++run)
    for (const guest of guests) {
      const begin = now();
      guest.exports[kernel](rounds);
      guest.times.push((now() - begin) / (rounds * 65536));
    }
  result[kernel] = {};
  for (const build of ['plain', 'check', 'load'])
    result[kernel][build] = median(guests.filter((guest) => guest.build === build).map((guest) => median(guest.times)));
}
(isNode ? console.log : print)(JSON.stringify(result));
