# SPDX-License-Identifier: MPL-2.0
#
# sb_pkg_module (PREFIX specification)
#   pkg_check_modules with an imported target, PkgConfig::PREFIX, that is the same in each configure of a build folder.
#   FindPkgConfig takes `-isystem DIR` out of the flags into the include directories only where it asks pkg-config,
#   and not where it finds the answer in the cache: by itself the second configure has other flags than the first, and
#   everything that uses the module is compiled again.

function (sb_pkg_module PREFIX SPECIFICATION)
  pkg_check_modules (${PREFIX} REQUIRED IMPORTED_TARGET GLOBAL ${SPECIFICATION})
  get_target_property (options PkgConfig::${PREFIX} INTERFACE_COMPILE_OPTIONS)
  get_target_property (directories PkgConfig::${PREFIX} INTERFACE_INCLUDE_DIRECTORIES)
  set (kept "")
  set (found "")
  set (is_directory FALSE)
  foreach (option IN LISTS options)
    if (is_directory)
      list (APPEND found "${option}")
      set (is_directory FALSE)
    elseif (option STREQUAL "-isystem")
      set (is_directory TRUE)
    elseif (option MATCHES "^-isystem(.+)$")
      list (APPEND found "${CMAKE_MATCH_1}")
    elseif (option)
      list (APPEND kept "${option}")
    endif ()
  endforeach ()
  if (found)
    if (directories)
      list (PREPEND found ${directories})
    endif ()
    set_target_properties (PkgConfig::${PREFIX} PROPERTIES
      INTERFACE_COMPILE_OPTIONS "${kept}" INTERFACE_INCLUDE_DIRECTORIES "${found}")
  endif ()
endfunction ()
