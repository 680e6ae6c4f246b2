"""Opens nacue_cuda.so beside the real libtorch_cuda, all symbols resolved, and records a pass where there is a GPU.

python -m reference.pass_graphs LIBRARY prints one line of JSON: the LibTorch that it was made for, whether a pass was
recorded, what it gave when it was replayed on other values, and else the problem.
"""

import ctypes
import json
import os
import sys

import torch

Pass = ctypes.CFUNCTYPE(ctypes.c_bool, ctypes.c_void_p)
Pointer = ctypes.c_void_p


class Functions(ctypes.Structure):
    """NacuePassGraphFunctions of native/cuda/pass_graph_functions.h."""

    _fields_ = [
        ("interface_version", ctypes.c_int),
        ("libtorch_version", ctypes.c_char_p),
        ("open_pool", ctypes.CFUNCTYPE(Pointer, ctypes.c_int, ctypes.c_char_p)),
        ("close_pool", ctypes.CFUNCTYPE(None, Pointer)),
        ("record", ctypes.CFUNCTYPE(Pointer, Pointer, Pass, Pointer, ctypes.c_char_p)),
        ("replay", ctypes.CFUNCTYPE(ctypes.c_bool, Pointer, ctypes.c_char_p)),
        ("drop", ctypes.CFUNCTYPE(None, Pointer, Pointer)),
    ]


def functions_of(library):
    cuda = os.path.join(os.path.dirname(torch.__file__), "lib", "libtorch_cuda.so")
    ctypes.CDLL(cuda, mode=ctypes.RTLD_GLOBAL)
    look_up = ctypes.CDLL(library, mode=os.RTLD_NOW).nacue_pass_graph_functions
    look_up.restype = ctypes.POINTER(Functions)
    return look_up().contents


def main():
    functions = functions_of(sys.argv[1])
    device = "cuda" if torch.cuda.is_available() else "cpu"
    given = torch.ones(4, device=device)
    result = torch.zeros(4, device=device)
    problem = ctypes.create_string_buffer(512)

    def double(_context):
        result.copy_(given * 2)
        return True

    pool = functions.open_pool(0, problem)
    graph = functions.record(pool, Pass(double), None, problem)
    replayed = None
    if graph:
        given.fill_(3)
        result.zero_()
        torch.cuda.synchronize()
        functions.replay(graph, problem)
        torch.cuda.synchronize()
        replayed = result.tolist()
        functions.drop(pool, graph)
    functions.close_pool(pool)
    answer = {
        "libtorch": functions.libtorch_version.decode(),
        "has_gpu": device == "cuda",
        "is_recorded": bool(graph),
        "replayed": replayed,
        "problem": problem.value.decode(errors="replace"),
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
