#!/usr/bin/env python3
"""Draws docs/images/layers.svg, the picture of docs/architecture.md, from the #include lines of the product.

usage: layers-picture.py --check | --write | --self-test
  --check      fails if the picture is not what the includes say, or if layers include each other in a circle
  --write      writes the picture
  --self-test  plants an include and a circle in a scratch tree, and fails unless both are found

An arrow stands for what a layer includes that no other arrow's way leads to already (the transitive reduction), so the picture
shows the order and not every include. A public header belongs to the layer that implements it.
"""
import pathlib
import re
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
PICTURE = "docs/images/layers.svg"
INCLUDE_FOLDERS = ("", "arch/include", "engine/include", "engine/codegen/asmjit/include", "engine/codegen/orc/include", "runtime/include")

# A layer: folder, what lives there, colours. A file belongs to the longest folder that it lies in.
LAYERS = {
    "runtime/cli": ("the shunt command", "#eef2ff", "#a5b4fc"),
    "runtime/capi": ("wasm.h and shunt_wasm.h for C", "#eef2ff", "#a5b4fc"),
    "runtime/wasm": ("WebAssembly: read and validate, compile, instances, traps, WASI", "#ecfdf5", "#6ee7b7"),
    "runtime/flags": ("feature flags", "#ecfdf5", "#6ee7b7"),
    "engine/codegen/asmjit": ("sites in asmjit's code", "#fffbeb", "#fcd34d"),
    "engine/codegen/orc": ("sites in LLVM's code", "#fffbeb", "#fcd34d"),
    "engine": ("keys, sites, batches, code memory, core serialisation", "#fffbeb", "#fcd34d"),
    "arch": ("instruction sets: x86-64, arm64", "#fef2f2", "#fca5a5"),
}
# Public headers of runtime/include/shunt/runtime by how their names begin; others are runtime/wasm's.
PUBLIC = (("flag", "runtime/flags"), ("c/", "runtime/capi"))
LIBRARIES = {"asmjit": "asmjit", "llvm": "LLVM", "llvm-c": "LLVM", "wabt": "wabt", "nlohmann": "nlohmann-json", "fmt": "fmt", "CLI": "CLI11"}
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.M)


def layer_of(path):
    """The layer of a file of the product, by its path below the root; None if it is in none."""
    text = str(path)
    if text.startswith("runtime/include/shunt/runtime/"):
        name = text.removeprefix("runtime/include/shunt/runtime/")
        return next((layer for begin, layer in PUBLIC if name.startswith(begin)), "runtime/wasm")
    found = [layer for layer in LAYERS if text.startswith(layer + "/")]
    return max(found, key=len) if found else None


def read(root):
    """What each layer includes: (layer -> layers), (layer -> libraries)."""
    layers, libraries = {layer: set() for layer in LAYERS}, {layer: set() for layer in LAYERS}
    for top in ("arch", "engine", "runtime"):
        for path in sorted((root / top).rglob("*")):
            layer = layer_of(path.relative_to(root))
            if path.suffix not in (".h", ".cpp") or layer is None:
                continue
            for name in INCLUDE.findall(path.read_text(encoding="utf-8")):
                file = next((folder / name for folder in map(pathlib.Path, INCLUDE_FOLDERS) if (root / folder / name).is_file()), None)
                if file is not None and layer_of(file) not in (None, layer):
                    layers[layer].add(layer_of(file))
                elif file is None and name.split("/")[0] in LIBRARIES and "/" in name:
                    libraries[layer].add(LIBRARIES[name.split("/")[0]])
    return layers, libraries


def reachable(edges, layer):
    seen, left = set(), list(edges[layer])
    while left:
        one = left.pop()
        if one not in seen:
            seen.add(one)
            left += edges[one]
    return seen


def reduction(edges):
    circles = [layer for layer in edges if layer in reachable(edges, layer)]
    if circles:
        raise ValueError("these layers include each other: " + ", ".join(circles))
    return {layer: {to for to in below if not any(to in reachable(edges, other) for other in below)} for layer, below in edges.items()}


def draw(root):
    edges, libraries = read(root)
    arrows = reduction(edges)
    rank = {}

    def rank_of(layer):
        if layer not in rank:
            rank[layer] = 1 + max((rank_of(below) for below in arrows[layer]), default=-1)
        return rank[layer]

    rows = {}
    for layer in LAYERS:
        rows.setdefault(rank_of(layer), []).append(layer)
    width, left, gap, box, step, top = 860, 40, 24, 70, 110, 20
    highest = max(rows)
    place = {}
    for number, row in rows.items():
        each = (width - 2 * left - gap * (len(row) - 1)) / len(row)
        for i, layer in enumerate(row):
            place[layer] = (left + i * (each + gap), top + (highest - number) * step, each)
    height = top + highest * step + box + 54
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        "font-family=\"system-ui, 'DejaVu Sans', sans-serif\">",
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 L8 4 L0 8 z" fill="#6b7280"/></marker></defs>',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for layer, (x, y, each) in place.items():
        what, fill, stroke = LAYERS[layer]
        links = ", ".join(sorted(libraries[layer], key=str.lower))
        out.append(f'<rect x="{x:.0f}" y="{y}" width="{each:.0f}" height="{box}" rx="6" fill="{fill}" stroke="{stroke}"/>')
        out.append(f'<text x="{x + 14:.0f}" y="{y + 23}" font-weight="600" font-size="14" fill="#1f2937">{layer}</text>')
        out.append(f'<text x="{x + 14:.0f}" y="{y + 42}" font-size="12" fill="#4b5563">{what}</text>')
        if links:
            out.append(f'<text x="{x + 14:.0f}" y="{y + 58}" font-size="12" fill="#4b5563">includes {links}</text>')
    for layer in LAYERS:
        for below in sorted(arrows[layer]):
            (x, y, each), (to_x, to_y, to_each) = place[layer], place[below]
            # From the middle of the narrower one, so that arrows between neighbouring rows are upright.
            across = x + each / 2 if each <= to_each else to_x + to_each / 2
            to = min(max(across, to_x + 8), to_x + to_each - 8)
            start = min(max(across, x + 8), x + each - 8)
            out.append(f'<line x1="{start:.0f}" y1="{y + box}" x2="{to:.0f}" y2="{to_y - 2}" stroke="#6b7280" stroke-width="1.4" '
                       'marker-end="url(#head)"/>')
    out.append(f'<text x="{left}" y="{height - 34}" font-size="12" fill="#4b5563">An arrow points to what is included, and with it may be all that '
               "lies below. Outside of the engine only its public headers are.</text>")
    out.append(f'<text x="{left}" y="{height - 16}" font-size="12" fill="#4b5563">Drawn from the source’s includes by scripts/layers-picture.py.'
               "</text>")
    return "\n".join(out + ["</svg>"]) + "\n"


def check(root):
    """What is wrong with the picture, or None."""
    try:
        wanted = draw(root)
    except ValueError as error:
        return str(error)
    if (root / PICTURE).read_text(encoding="utf-8") != wanted:
        return f"{PICTURE} is not what the includes say: run scripts/layers-picture.py --write, and look whether docs/architecture.md still holds"
    return None


def self_test():
    with tempfile.TemporaryDirectory() as scratch:
        root = pathlib.Path(scratch)
        files = {"arch/backend.h": "", "engine/include/shunt/engine.h": "", "engine/engine.cpp": '#include "shunt/engine.h"\n#include "arch/backend.h"\n',
                 "runtime/wasm/module.cpp": '#include "shunt/engine.h"\n#include <wabt/x.h>\n', PICTURE: ""}

        def plant(name, text):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text, encoding="utf-8")

        for name, text in files.items():
            plant(name, text)
        plant(PICTURE, draw(root))
        wrong = [] if check(root) is None and "includes wabt" in draw(root) else ["the scratch tree's own picture is refused"]
        plant("runtime/cli/main.cpp", '#include "runtime/wasm/module.h"\n')
        plant("runtime/wasm/module.h", "")
        if "not what the includes say" not in (check(root) or ""):
            wrong.append("a new include between layers is not noticed")
        plant("arch/backend.h", '#include "shunt/engine.h"\n')
        if "include each other" not in (check(root) or ""):
            wrong.append("a circle is not noticed")
    print("\n".join(wrong) if wrong else "planted includes are noticed")
    return 1 if wrong else 0


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    if sys.argv[1:] == ["--write"]:
        (ROOT / PICTURE).write_text(draw(ROOT), encoding="utf-8")
        return 0
    if sys.argv[1:] != ["--check"]:
        sys.exit(__doc__.split("\n\n")[1])
    wrong = check(ROOT)
    print(wrong or f"{PICTURE} is what the includes say")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
