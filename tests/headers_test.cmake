# Checks that every header compiles alone: each is the only include of a translation unit, so that none lives from what
# another happens to include before it. A header that its own source file includes first is such a unit in every build;
# the others are compiled here.
# Usage: cmake -DROOT=<source dir> -DCXX=<compiler> -DWORK=<scratch dir> -P headers_test.cmake
cmake_minimum_required(VERSION 3.25)

file(GLOB_RECURSE headers RELATIVE ${ROOT} ${ROOT}/*/*.h)
list(FILTER headers EXCLUDE REGEX "^(tests|build|cmake|deploy|grafana)/")
list(LENGTH headers count)
if(count EQUAL 0)
  message(FATAL_ERROR "no header was found under ${ROOT}: the check itself is broken")
endif()

set(alone "")
foreach(header IN LISTS headers)
  string(REGEX REPLACE "[.]h$" ".cpp" source "${header}")
  if(EXISTS ${ROOT}/${source})
    file(STRINGS ${ROOT}/${source} first REGEX "^#include" LIMIT_COUNT 1)
    if(first STREQUAL "#include \"${header}\"")
      continue()
    endif()
  endif()
  list(APPEND alone ${header})
endforeach()

set(work ${WORK})
file(REMOVE_RECURSE ${work})
file(MAKE_DIRECTORY ${work})
string(JOIN "\n" lines ${alone})
file(WRITE ${work}/list "${lines}\n")
# A header that fails is named and its errors follow; xargs fails when one has.
file(WRITE ${work}/check.sh "printf '#include \"%s\"\\n' \"$1\" |
  ${CXX} -std=c++20 -I '${ROOT}' -fsyntax-only -x c++ - 2>\"$2\" && exit 0
echo \"$1 does not compile alone:\" >&2
head -n 20 \"$2\" >&2
exit 1
")
execute_process(
  COMMAND sh -c "xargs -P 2 -I HEADER sh -c 'sh \"$0\" HEADER \"$(mktemp -p \"$1\")\"' '${work}/check.sh' '${work}' <'${work}/list'"
  RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "of ${count} headers some do not compile alone")
endif()
list(LENGTH alone compiled)
message(STATUS "${count} headers compile alone, ${compiled} of them checked here")
