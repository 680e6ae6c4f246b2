"""Writes TorchScript that names no file of this machine, for all models that are kept in the repository."""

import io
from pathlib import Path

import torch


def write_model(module: torch.jit.ScriptModule, path: Path) -> None:
    """Without the debug records, which hold the paths of the Python sources."""
    whole = io.BytesIO()
    torch.jit.save(module, whole)
    whole.seek(0)
    reader = torch._C.PyTorchFileReader(whole)
    names = reader.get_all_records()
    writer = torch._C.PyTorchFileWriter(str(path))
    # The writer adds a version, 3 unless told more, and a serialisation id of its own.
    if "version" in names:
        writer.set_min_version(int(reader.get_record("version")))
    for name in names:
        if not (name.endswith(".debug_pkl") or name == "version" or name.startswith(".data/")):
            record = reader.get_record(name)
            writer.write_record(name, record, len(record))
    writer.write_end_of_file()
