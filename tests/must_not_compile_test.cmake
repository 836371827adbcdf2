# Checks that what the types forbid does not compile. Each source in must_not_compile/ has one open place, GIVEN: with what
# stands after `// right:` it must compile without a warning, and with what stands after `// wrong:` it must not, every
# error being the one named by the pattern after `// error:`. So it is the one difference that is refused, not a slip.
# Usage: cmake -DROOT=<source dir> -DCXX=<compiler> -P must_not_compile_test.cmake
cmake_minimum_required(VERSION 3.25)

set(ENV{LC_ALL} C) # the compiler's own words
file(GLOB sources ${ROOT}/tests/must_not_compile/*.cpp)
list(LENGTH sources count)
if(count EQUAL 0)
  message(FATAL_ERROR "no source was found under ${ROOT}: the check itself is broken")
endif()

# compile(<source> <given>): sets `result` and `output`.
macro(compile source given)
  execute_process(
    COMMAND ${CXX} -std=c++20 -Wall -Wextra -Werror -I ${ROOT} "-DGIVEN=${given}" -fsyntax-only ${source}
    RESULT_VARIABLE result
    OUTPUT_VARIABLE output
    ERROR_VARIABLE output)
endmacro()

set(failures 0)
macro(fail text)
  message(SEND_ERROR "${text}:\n${output}")
  math(EXPR failures "${failures} + 1")
endmacro()

foreach(source IN LISTS sources)
  cmake_path(GET source FILENAME name)
  foreach(key right wrong error)
    file(STRINGS ${source} ${key} REGEX "^// ${key}: .")
    list(LENGTH ${key} lines)
    if(NOT lines EQUAL 1)
      message(FATAL_ERROR "${name}: not one line `// ${key}: …`")
    endif()
    string(REGEX REPLACE "^// ${key}: " "" ${key} "${${key}}")
  endforeach()
  compile(${source} "${right}")
  if(NOT result EQUAL 0)
    fail("${name} does not compile with ${right}")
  endif()
  compile(${source} "${wrong}")
  if(result EQUAL 0)
    fail("${name} compiles with ${wrong}")
    continue()
  endif()
  string(REPLACE ";" " " output "${output}")
  string(REGEX MATCHALL "[^\n]*error: [^\n]*" errors "${output}")
  if(NOT errors)
    fail("${name} fails with ${wrong}, but not with an error of the compiler's")
  endif()
  foreach(line IN LISTS errors)
    if(NOT line MATCHES "error: .*(${error})")
      fail("${name} fails with ${wrong}, but not with \"${error}\"")
      break()
    endif()
  endforeach()
endforeach()
message(STATUS "${count} sources that must not compile, ${failures} wrong")
