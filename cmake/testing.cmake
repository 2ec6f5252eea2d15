# SPDX-License-Identifier: MPL-2.0
#
# sb_test (NAME name LABEL unit|sim|integration|interop|container SOURCES … LIBRARIES … [TIMEOUT seconds])
#   A Criterion program of its own, run by ctest.
# sb_script_test (NAME name LABEL … COMMAND … [TIMEOUT seconds])
#   Any command; exit code 77 counts as skipped.
# SB_BINARY_DIR in a test's environment is the build folder: programs are found there.

function (sb_test)
  cmake_parse_arguments (T "" "NAME;LABEL;TIMEOUT" "SOURCES;LIBRARIES" ${ARGN})
  find_library (CRITERION_LIBRARY criterion REQUIRED)
  add_executable (${T_NAME} ${T_SOURCES})
  target_link_libraries (${T_NAME} PRIVATE ${T_LIBRARIES} ${CRITERION_LIBRARY})
  sb_script_test (NAME ${T_NAME} LABEL ${T_LABEL} TIMEOUT ${T_TIMEOUT} COMMAND $<TARGET_FILE:${T_NAME}>)
endfunction ()

function (sb_script_test)
  cmake_parse_arguments (T "" "NAME;LABEL;TIMEOUT" "COMMAND" ${ARGN})
  if (NOT T_TIMEOUT)
    set (T_TIMEOUT 120)
  endif ()
  add_test (NAME ${T_LABEL}.${T_NAME} COMMAND ${T_COMMAND})
  set_tests_properties (${T_LABEL}.${T_NAME} PROPERTIES
    LABELS ${T_LABEL} TIMEOUT ${T_TIMEOUT} SKIP_RETURN_CODE 77
    ENVIRONMENT "SB_BINARY_DIR=${CMAKE_BINARY_DIR};SB_SOURCE_DIR=${CMAKE_SOURCE_DIR};LSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/cmake/lsan.supp:print_suppressions=0")
endfunction ()
