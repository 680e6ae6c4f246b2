# A binary that runs wherever LibTorch does (glibc 2.28, libstdc++ of GCC 8), however new the Linux that it is built on.
#
# A symbol that newer systems have and older ones lack is dealt with in one of three ways: an older version of it is
# named (symbol_versions.h), it is defined here (own_definitions.cc), or the object that holds it is taken from
# libstdc++.a. Where the system is that old already, nothing of this has an effect. What else slips in,
# scripts/check-binaries.mjs tells.
if(NOT CMAKE_SYSTEM_NAME STREQUAL "Linux")
  function(make_portable)
  endfunction()
  return()
endif()

set(portability_dir "${CMAKE_CURRENT_LIST_DIR}")
# The oldest versions of the functions for threads and libraries are not in libc.so.6 before glibc 2.34.
find_package(Threads REQUIRED)
add_compile_options("SHELL:-include \"${portability_dir}/symbol_versions.h\"")

# Sets `result` to the compiler's own copy of a library, or to its bare name when there is none.
function(find_beside_compiler result library)
  execute_process(COMMAND ${CMAKE_CXX_COMPILER} -print-file-name=${library}
    OUTPUT_VARIABLE file OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  set(${result} "${file}" PARENT_SCOPE)
endfunction()

# Sets `result` to the objects of std::to_chars and std::from_chars for double (GCC 11), unpacked from libstdc++.a.
function(unpack_floating_charconv result)
  set(${result} "" PARENT_SCOPE)
  find_beside_compiler(archive libstdc++.a)
  # What a compiler newer than its system's libstdc++ (gcc-toolset) links by itself.
  find_beside_compiler(supplement libstdc++_nonshared.a)
  if(IS_ABSOLUTE "${supplement}" OR NOT IS_ABSOLUTE "${archive}")
    return()
  endif()
  set(members floating_from_chars.o floating_to_chars.o)
  set(unpacked "${CMAKE_BINARY_DIR}/libstdc++")
  file(MAKE_DIRECTORY "${unpacked}")
  execute_process(COMMAND ${CMAKE_AR} x "${archive}" ${members}
    WORKING_DIRECTORY "${unpacked}" COMMAND_ERROR_IS_FATAL ANY)
  list(TRANSFORM members PREPEND "${unpacked}/")
  set(${result} ${members} PARENT_SCOPE)
endfunction()

unpack_floating_charconv(floating_charconv)

function(make_portable name)
  target_sources(${name} PRIVATE "${portability_dir}/own_definitions.cc" ${floating_charconv})
  target_link_libraries(${name} PRIVATE Threads::Threads)
  # The sections without use are those of the unpacked objects that need still more of libstdc++.
  target_link_options(${name} PRIVATE -Wl,--gc-sections "-Wl,--version-script=${portability_dir}/exports.map")
  set_target_properties(${name} PROPERTIES LINK_DEPENDS "${portability_dir}/exports.map")
endfunction()
