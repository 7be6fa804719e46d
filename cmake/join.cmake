# Joins files: cmake "-DSCRIPTS=a;b" -DOUT=FILE -P join.cmake
set(joined "")
foreach(script IN LISTS SCRIPTS)
  file(READ "${script}" text)
  string(APPEND joined "${text}")
endforeach()
file(WRITE "${OUT}" "${joined}")
