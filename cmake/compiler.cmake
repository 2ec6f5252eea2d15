# SPDX-License-Identifier: MPL-2.0
#
# How everything is compiled: C11, warnings as errors, hardening in release,
# sanitizers by SB_SANITIZE ("address,undefined" or "thread").

set (CMAKE_C_STANDARD 11)
set (CMAKE_C_STANDARD_REQUIRED ON)
set (CMAKE_C_EXTENSIONS ON)
set (CMAKE_POSITION_INDEPENDENT_CODE ON)
set (CMAKE_C_VISIBILITY_PRESET hidden)
set (CMAKE_EXPORT_COMPILE_COMMANDS ON)

if (NOT CMAKE_BUILD_TYPE)
  set (CMAKE_BUILD_TYPE Release CACHE STRING "Debug or Release" FORCE)
endif ()
set (SB_SANITIZE "" CACHE STRING "Comma-separated sanitizers, or empty")
option (SB_BUILD_TESTS "Build the tests (needs Criterion)" ON)
option (SB_BUILD_BENCH "Build the benchmark, tests/bench" OFF)

add_compile_options (
  -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition
  -Wpointer-arith -Wwrite-strings -Wvla -Wundef -Wformat=2 -fno-common -fno-strict-aliasing)

# Assertions guard against our own mistakes and stay on in every build.
string (REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_RELEASE "${CMAKE_C_FLAGS_RELEASE}")
set (CMAKE_C_FLAGS_RELEASE "${CMAKE_C_FLAGS_RELEASE} -g")

if (SB_SANITIZE)
  add_compile_options (-fsanitize=${SB_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options (-fsanitize=${SB_SANITIZE})
elseif (CMAKE_BUILD_TYPE STREQUAL "Release")
  add_compile_options (-D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection)
  if (CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    add_compile_options (-fcf-protection)
  endif ()
  add_link_options (-Wl,-z,relro,-z,now,-z,noexecstack)
endif ()
