"""Writes corpus/state_reader: what state_reader_fuzzer.cc starts from. The same files every time.

python3 native/fuzz/make_corpus.py
"""

import json
import math
import struct
from pathlib import Path

FOLDER = Path(__file__).parent / "corpus" / "state_reader"
INT64_MAX = 2**63 - 1

METADATA = {
    "aggregation": "sum",
    "alpha": "[100, 0.5]",
    "binning": "geometric",
    "execution_order": "[1, 0]",
    "format": "nacue",
    "format_version": "1",
    "layer_weights": "[1, 1]",
    "layers": '["block#2", "attention[0]"]',
    "libtorch_version": "2.11.0",
    "m_bins": "[4, 3]",
    "nacue_version": "0.2.0",
    "o_star": "[50, 7]",
    "preset": "pytorch-ood",
    "reduce": '["auto", "mean"]',
    "samples": "5",
}
OPTIONAL = {
    "input_shape": "[3, 224, 224]",
    "model_sha256": "0123456789abcdef" * 4,
    "output": '"logits"',
    "threshold": "-1.25",
    "threshold_tpr": "0.95",
}
COUNTS = {"block#2": [[2, 0, 0, 3], [0, 5, 0, 0]], "attention[0]": [[1, 1, 3]]}
EDGES = {"block#2": [0.0, 0.25, 0.5, 0.75, 1.0], "attention[0]": [0.0, 0.5, 1.0]}


def tensors_of(counts, edges):
    tensors = {
        f"counts.{name}": (
            "I64",
            [len(rows), len(rows[0])],
            b"".join(struct.pack(f"<{len(row)}q", *row) for row in rows),
        )
        for name, rows in counts.items()
    }
    return tensors | {
        f"edges.{name}": ("F32", [len(values)], struct.pack(f"<{len(values)}f", *values))
        for name, values in edges.items()
    }


def header_of(metadata, tensors):
    header = {"__metadata__": metadata}
    offset = 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    return header


def raw(header, data):
    """`header` is bytes, or an object that becomes JSON."""
    if not isinstance(header, bytes):
        header = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
        header += b" " * (-len(header) % 8)
    return struct.pack("<Q", len(header)) + header + data


def state(changed=None, counts=COUNTS, edges=EDGES, edit=None):
    """A state file; `edit` gets the header and changes it."""
    tensors = tensors_of(counts, edges)
    header = header_of(METADATA | (changed or {}), tensors)
    if edit:
        edit(header)
    return raw(header, b"".join(data for _, _, data in tensors.values()))


def one_layer(name, **changed):
    per_layer = {"alpha": "[100]", "execution_order": "[0]", "layer_weights": "[1]", "m_bins": "[4]"}
    per_layer |= {"layers": json.dumps([name], ensure_ascii=False), "o_star": "[50]", "reduce": '["auto"]'}
    edges = [0.0, 0.49, 1.01, 1.2] if changed.get("binning") == "openood" else EDGES["block#2"]
    return state(per_layer | changed, {name: [[1, 1, 1, 2]]}, {name: edges})


def python_order():
    """The order in which Python's safetensors lays out tensors: by dtype, then by name."""
    tensors = tensors_of(COUNTS, EDGES)
    tensors = {name: tensors[name] for name in sorted(tensors, key=lambda name: (tensors[name][0] != "I64", name))}
    header = header_of(dict(reversed(METADATA.items())), tensors)
    return raw(header, b"".join(data for _, _, data in tensors.values()))


def change_tensor(name, **fields):
    return lambda header: header[name].update(fields)


def valid():
    other_row = COUNTS | {"attention[0]": [[0, 0, 2**53 - 1]], "block#2": [[2**53 - 1, 0, 0, 0]] * 2}
    return {
        "valid-two-layers": state(),
        "valid-all-keys": state(OPTIONAL),
        "valid-output-index": state({"output": "1"}),
        "valid-python-order": python_order(),
        "valid-fast": state({"mode": "fast", "precision": "bfloat16"}),
        "valid-openood": one_layer("encoder.ln", preset="openood", binning="openood", aggregation="mean"),
        "valid-merged": one_layer("layer4", libtorch_version="2.11.0, 2.15.0+cu130", reduce=f'["module:{"0a" * 32}"]'),
        "valid-names": one_layer('блок"\\\n\U0001f600'),
        "valid-escapes": one_layer("A\U0001f600", layers=r'["\u0041\ud83d\ude00"]'),
        "valid-most-samples": state({"samples": str(2**53 - 1)}, other_row),
    }


def invalid():
    wrapped = COUNTS | {"block#2": [[2, 0, 0, 3], [INT64_MAX, INT64_MAX, 7, 0]]}
    return {
        "invalid-version": state({"format_version": "2"}),
        "invalid-key": state({"colour": "1"}),
        "invalid-mode": state({"mode": "parity", "precision": "float32"}),
        "invalid-row": state(counts=COUNTS | {"attention[0]": [[1, 1, 2]]}),
        "invalid-row-wraps": state(counts=wrapped),
        "invalid-negative-count": state(counts=COUNTS | {"attention[0]": [[-1, 3, 3]]}),
        "invalid-edges": state(edges=EDGES | {"attention[0]": [0.0, math.nan, 1.0]}),
        "invalid-tensor": state(
            edit=lambda header: header.update(x={"dtype": "U8", "shape": [0], "data_offsets": [0, 0]})
        ),
    }


def no_safetensors():
    entry = b'{"t":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}'
    return {
        "format-truncated": state()[:-3],
        "format-length-wraps": struct.pack("<Q", 2**64 - 8) + state()[8:],
        "format-deep": raw(b'{"t":' + b"[" * 9 + b"]" * 9 + b"}", b""),
        "format-key-twice": raw(entry + b"," + entry[1:] + b"}", b"ab"),
        "format-not-utf8": raw(b'{"\xed\xa0\x80":1}', b""),
        "format-shape-overflows": state(edit=change_tensor("counts.block#2", shape=[2**32, 2**32])),
        "format-overlap": state(edit=change_tensor("edges.attention[0]", data_offsets=[88, 100])),
        "format-hole": state() + bytes(8),
    }


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.iterdir():
        old.unlink()
    for name, content in (valid() | invalid() | no_safetensors()).items():
        (FOLDER / f"{name}.safetensors").write_bytes(content)
