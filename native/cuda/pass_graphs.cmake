# nacue_cuda.so beside the addon: CUDA graphs. It alone is linked to libtorch_cuda, and that only when it is opened: no GPU
# and no CUDA part of LibTorch is needed here, only CUDA's headers (NACUE_CUDA_TOOLKIT/include). Without them it is left
# out, and passes are not recorded.
find_path(NACUE_CUDA_HEADERS crt/host_config.h PATHS "${NACUE_CUDA_TOOLKIT}/include" NO_DEFAULT_PATH NO_CACHE)

if(NACUE_CUDA_HEADERS AND NOT APPLE)
  add_library(nacue_cuda MODULE native/cuda/pass_graphs.cc)
  target_link_libraries(nacue_cuda PRIVATE libtorch)
  target_include_directories(nacue_cuda SYSTEM PRIVATE "${NACUE_CUDA_HEADERS}")
  target_compile_definitions(nacue_cuda PRIVATE NACUE_LIBTORCH_VERSION="${NACUE_LIBTORCH_VERSION}")
  set_target_properties(nacue_cuda PROPERTIES
    PREFIX ""
    SUFFIX ".so"
    LIBRARY_OUTPUT_DIRECTORY "${output_root}/libtorch-${libtorch_minor}/build/Release")
  target_link_options(nacue_cuda PRIVATE
    -Wl,-z,nodelete -Wl,-z,lazy $<$<NOT:$<BOOL:${NACUE_SANITIZE}>>:-s>)
  if(NACUE_PORTABLE)
    make_portable(nacue_cuda)
  else()
    target_link_options(nacue_cuda PRIVATE
      "-Wl,--version-script=${CMAKE_SOURCE_DIR}/native/portability/exports.map")
  endif()
else()
  message(STATUS "nacue_cuda.so is left out: no CUDA headers here, so no CUDA graphs")
endif()
