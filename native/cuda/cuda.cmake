# The CUDA parts, where there is a compiler for them; a GPU is not needed to build them.
set(NACUE_CUDA_TOOLKIT "" CACHE PATH "A folder with bin/nvcc and include/, or nothing: no kernels of our own then")

# kernel_image.cc carries the image in the addon. Assembled from a file: nothing of it passes through a compiler.
set_source_files_properties(native/core/kernel_image.cc PROPERTIES
  SKIP_UNITY_BUILD_INCLUSION ON
  SKIP_PRECOMPILE_HEADERS ON)
if(NACUE_CUDA_TOOLKIT)
  set(kernel_image "${CMAKE_BINARY_DIR}/kernels.fatbin")
  file(GLOB kernel_sources CONFIGURE_DEPENDS native/cuda/*.cu native/cuda/*.cuh native/cuda/*.h)
  # Code for Ampere and Hopper; newer GPUs compile the PTX. No fused multiply-add that is not asked for: the arithmetic
  # is that of LibTorch's operators, which round after each step.
  add_custom_command(
    OUTPUT "${kernel_image}"
    COMMAND "${NACUE_CUDA_TOOLKIT}/bin/nvcc" -fatbin -std=c++17 -ccbin "${CMAKE_CXX_COMPILER}" --fmad=false
      --compress-mode=size
      "-gencode=arch=compute_80,code=sm_80" "-gencode=arch=compute_90,code=[sm_90,compute_90]"
      native/cuda/kernels.cu -o "${kernel_image}"
    WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}"
    DEPENDS ${kernel_sources} "${NACUE_CUDA_TOOLKIT}/bin/nvcc"
    COMMENT "Compiling the CUDA kernels"
    VERBATIM)
  set_source_files_properties(native/core/kernel_image.cc PROPERTIES
    COMPILE_DEFINITIONS "NACUE_KERNEL_IMAGE=\"${kernel_image}\""
    OBJECT_DEPENDS "${kernel_image}")
endif()
