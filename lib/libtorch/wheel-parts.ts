/** What of torch's and NVIDIA's wheels is unpacked, and where the files of an official archive go. */

// Never opened by scoring or building on the CPU; some need libraries of CUDA that are not there.
const notForCpu =
  /^torch\/lib\/lib(torch_cuda.*|c10_cuda|torch_python|torch_nvshmem|caffe2_nvrtc|torch|torch_global_deps)\.so$/;
const kept = /^(torch\/(lib|include|share)|nvidia|[^/]+\.dist-info)\//;
const python = /\.pyi?$/;
const versionFile = 'torch/version.py';
const archiveFolder = 'libtorch/';
const leftOutOfArchive = /^(bin|test)\/|\.a$/;

/** What of a wheel LibTorch's CPU part needs, and the licences. */
export function placeForCpu(name: string): string | null {
  return notForCpu.test(name) ? null : placeForCuda(name);
}

/** All libraries, but no Python. */
export function placeForCuda(name: string): string | null {
  return name === versionFile || (kept.test(name) && !python.test(name)) ? name : null;
}

/** An official archive has all in a folder `libtorch`. */
export function placeFromArchive(name: string): string | null {
  const inside = name.startsWith(archiveFolder) ? name.slice(archiveFolder.length) : name;
  return leftOutOfArchive.test(inside) ? null : inside;
}
