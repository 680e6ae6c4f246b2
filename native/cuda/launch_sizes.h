// What the kernels and those who launch them agree on.
#pragma once

namespace nacue {

constexpr int kThreadsPerBlock = 256;  // of every kernel here
constexpr int kWarpLanes = 32;         // of a warp
constexpr int kPackBytes = 16;         // the largest load of one thread
// Threads side by side along N, in PoolColumns: what they load at once fills whole lines of 128 bytes.
constexpr int kPackedColumns = 8;
constexpr int kSingleColumns = 32;

}  // namespace nacue
