"""Unpacks the archives of a folder, each once: `python unpack.py ARCHIVES INTO`. Python reads xz where the machine has no program for it."""

import sys
import tarfile
from pathlib import Path

safely = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
archives, into = map(Path, sys.argv[1:])
for archive in sorted(archives.glob("*.tar.xz")):
    stamp = into / f".unpacked-{archive.name}"
    if stamp.exists() and stamp.read_text() == str(archive.stat().st_size):
        continue
    print(f"unpacking {archive.name}", flush=True)
    with tarfile.open(archive) as contents:
        contents.extractall(into, **safely)
    stamp.write_text(str(archive.stat().st_size))
