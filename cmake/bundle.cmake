# Runs while installing: copies the libraries of `program` to lib/engine, and the licences of what was
# copied to share/engine/licences. `deps` is the folder of libraries that cmake/setup unpacked.
file(GET_RUNTIME_DEPENDENCIES
  EXECUTABLES "${program}"
  RESOLVED_DEPENDENCIES_VAR libraries
  UNRESOLVED_DEPENDENCIES_VAR missing
  PRE_EXCLUDE_REGEXES "^ld-linux.*" "^lib(c|m|dl|rt|pthread|resolv|util)\\.so.*"
  POST_EXCLUDE_REGEXES "/ld-linux[^/]*$" "/lib(c|m|dl|rt|pthread|resolv|util)\\.so[^/]*$")
if(missing)
  message(FATAL_ERROR "libraries that the program needs are not here: ${missing}")
endif()

set(root "$ENV{DESTDIR}${CMAKE_INSTALL_PREFIX}")
foreach(library IN LISTS libraries)
  file(INSTALL DESTINATION "${CMAKE_INSTALL_PREFIX}/lib/engine" TYPE SHARED_LIBRARY FOLLOW_SYMLINK_CHAIN
       FILES "${library}")
endforeach()

# A distribution keeps the licence of a package in /usr/share/doc/<package>/copyright.
file(MAKE_DIRECTORY "${root}/share/engine/licences")
find_program(dpkg_query dpkg-query)
foreach(library IN LISTS libraries)
  get_filename_component(name "${library}" NAME)
  string(FIND "${library}" "${deps}/" in_deps)
  if(in_deps EQUAL 0)
    string(REGEX REPLACE "^${deps}/([^/]+)/.*" "\\1" package "${library}")
    file(COPY_FILE "${deps}/${package}/LICENSE" "${root}/share/engine/licences/${package}.txt")
  elseif(dpkg_query)
    execute_process(COMMAND "${dpkg_query}" -S "*/${name}" OUTPUT_VARIABLE owners ERROR_QUIET)
    string(REGEX MATCH "^[^:]+" package "${owners}")
    if(package AND EXISTS "/usr/share/doc/${package}/copyright")
      file(COPY_FILE "/usr/share/doc/${package}/copyright" "${root}/share/engine/licences/${package}.txt")
    else()
      message(WARNING "no licence text found for ${library}")
    endif()
  endif()
endforeach()

# Header-only libraries and the font are part of the program itself.
foreach(package libcli11-dev libxxhash-dev libjs-chart.js fonts-dejavu-core)
  if(EXISTS "/usr/share/doc/${package}/copyright")
    file(COPY_FILE "/usr/share/doc/${package}/copyright" "${root}/share/engine/licences/${package}.txt")
  endif()
endforeach()
if(EXISTS "${deps}/cudnn_frontend/LICENSE.txt")
  file(COPY_FILE "${deps}/cudnn_frontend/LICENSE.txt" "${root}/share/engine/licences/cudnn-frontend.txt")
endif()
if(EXISTS "${deps}/json/LICENSE")
  file(COPY_FILE "${deps}/json/LICENSE" "${root}/share/engine/licences/nlohmann-json.txt")
endif()
