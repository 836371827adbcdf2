# Helpers for the one-library-per-folder layout.

add_library(spreadwatch_warnings INTERFACE)
target_compile_options(
  spreadwatch_warnings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wold-style-cast
                                 -Wno-missing-field-initializers # designated initialisers leave the rest at their defaults
                                 $<$<BOOL:${SPREADWATCH_WERROR}>:-Werror>)

# spreadwatch_add_library(<library> [UNITY] SOURCES <file>... [DEPENDS <target>...] [PRIVATE <target>...])
#
# One static library `spreadwatch_<library>` with the alias `spreadwatch::<library>`; a library is named after its folder,
# `<folder>_<sub-folder>` where it is one of several under a folder. DEPENDS are visible to
# users of the library's headers, PRIVATE targets are used by its sources only. UNITY: no name of one file's
# unnamed namespace stands in another's, so that SPREADWATCH_UNITY may compile several files as one.
function(spreadwatch_add_library folder)
  cmake_parse_arguments(ARG "UNITY" "" "SOURCES;DEPENDS;PRIVATE" ${ARGN})
  add_library(spreadwatch_${folder} STATIC ${ARG_SOURCES})
  add_library(spreadwatch::${folder} ALIAS spreadwatch_${folder})
  if(SPREADWATCH_UNITY AND ARG_UNITY)
    set_target_properties(spreadwatch_${folder} PROPERTIES UNITY_BUILD ON)
    # A class whose member is of an unnamed namespace looks like one in a header then.
    target_compile_options(spreadwatch_${folder}
                           PRIVATE $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
  endif()
  target_include_directories(spreadwatch_${folder} PUBLIC ${PROJECT_SOURCE_DIR})
  target_link_libraries(spreadwatch_${folder} PUBLIC ${ARG_DEPENDS} PRIVATE ${ARG_PRIVATE}
                                                                            spreadwatch_warnings)
endfunction()

# spreadwatch_add_test(<folder> SOURCES <file>... DEPENDS <target>... [LABELS <label>...] [TIMEOUT <s>] [COST <s>])
#
# One doctest program `<folder>_test`; every TEST_CASE becomes a ctest entry "<folder>: <name>". COST: about how long the
# longest of them takes, so that a parallel run does not begin it last.
function(spreadwatch_add_test folder)
  cmake_parse_arguments(ARG "" "TIMEOUT;COST" "SOURCES;DEPENDS;LABELS" ${ARGN})
  if(NOT ARG_COST)
    set(ARG_COST 1)
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 60)
  endif()
  add_executable(${folder}_test ${ARG_SOURCES} $<TARGET_OBJECTS:test_main>)
  target_link_libraries(${folder}_test PRIVATE ${ARG_DEPENDS} doctest::doctest spreadwatch_warnings)
  # What is tested is optimised; the tests themselves take nearly half the time to compile when they are not. simdjson
  # must look alike on both sides.
  target_compile_options(${folder}_test PRIVATE $<$<CONFIG:RelWithDebInfo>:-O0>)
  target_compile_definitions(${folder}_test PRIVATE $<$<CONFIG:RelWithDebInfo>:SIMDJSON_DEVELOPMENT_CHECKS=0>)
  target_compile_definitions(
    ${folder}_test PRIVATE SPREADWATCH_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
                           SPREADWATCH_BINARY_DIR="${CMAKE_BINARY_DIR}")
  doctest_discover_tests(
    ${folder}_test TEST_PREFIX "${folder}: " PROPERTIES TIMEOUT ${ARG_TIMEOUT} COST ${ARG_COST} LABELS
    "${folder};${ARG_LABELS}" ENVIRONMENT "TSAN_OPTIONS=detect_deadlocks=0")
endfunction()

# spreadwatch_heavy_sources(<file>...)
#
# Beast's templates with sanitizers take minutes to optimise; in builds that have them these files are not optimised.
macro(spreadwatch_heavy_sources)
  set_source_files_properties(
    ${ARGN} PROPERTIES COMPILE_OPTIONS "$<$<OR:$<CONFIG:Debug>,$<BOOL:${SPREADWATCH_FUZZ}>>:-O0>")
endmacro()

# spreadwatch_counterpart_sources(<file>...)
#
# As above, for the other end of a test's connections: the undefined-behaviour sanitizer, which nearly doubles the time to
# compile these, has nothing to find there that matters.
macro(spreadwatch_counterpart_sources)
  set_source_files_properties(
    ${ARGN}
    PROPERTIES COMPILE_OPTIONS
               "$<$<OR:$<CONFIG:Debug>,$<BOOL:${SPREADWATCH_FUZZ}>>:-O0;-fno-sanitize=undefined>")
endmacro()

# spreadwatch_unfuzzed_sources(<file>...)
#
# No fuzz target runs these files: a build for them compiles them, as parts of their library, the quickest way.
macro(spreadwatch_unfuzzed_sources)
  if(SPREADWATCH_FUZZ)
    set_source_files_properties(${ARGN} PROPERTIES COMPILE_OPTIONS "-O0;-g0;-fno-sanitize=all")
  endif()
endmacro()

# spreadwatch_embed(<folder> <function> <header> <dir> <file>...)
#
# Makes the files part of the program: generates <function>.cpp in the current binary folder, which defines
# spreadwatch::<folder>::<function>(), declared in <header>, as a span of EmbeddedFile.
function(spreadwatch_embed folder name header dir)
  set(source ${CMAKE_CURRENT_BINARY_DIR}/${name}.cpp)
  list(TRANSFORM ARGN PREPEND ${dir}/ OUTPUT_VARIABLE paths)
  add_custom_command(
    OUTPUT ${source}
    COMMAND ${CMAKE_COMMAND} -DFOLDER=${folder} -DNAME=${name} -DHEADER=${header} -DOUT=${source} -DDIR=${dir}
            "-DFILES=${ARGN}" -P ${PROJECT_SOURCE_DIR}/cmake/embed.cmake
    DEPENDS ${paths} ${PROJECT_SOURCE_DIR}/cmake/embed.cmake
    VERBATIM)
endfunction()
