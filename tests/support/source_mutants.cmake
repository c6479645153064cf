# Mutants of sources outside the engine's core: one program, whose copies of the product's sources (linked in front of the library's) do
# otherwise what SHUNT_MUTANT names.
#
#   set(mutants_program <name of the program>)
#   shunt_source_mutant(<mutant> <source> <what stands there> <what stands there instead> <test that fails>)...
#   shunt_source_mutants(LINK libs... SOURCES tests.cpp...)   once, after them: the program, which passes without a mutant
#
# In the text that stands there instead, `mutated("<mutant>")` is whether this one was chosen. Nothing of this depends on the instruction
# set, so no emulator runs it; nor does a sanitizer.
function(shunt_source_mutant mutant source find by fails)
  if(CMAKE_CROSSCOMPILING OR SHUNT_SANITIZE)
    return()
  endif()
  string(MAKE_C_IDENTIFIER ${source} id)
  get_property(sources DIRECTORY PROPERTY ${mutants_program}_SOURCES)
  if(NOT source IN_LIST sources)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${source})
    set_property(DIRECTORY APPEND PROPERTY ${mutants_program}_SOURCES ${source})
    string(REGEX MATCH "^(runtime/[a-z]+|engine/codegen/[a-z]+)" library ${source})  # whose object of this source the copy takes the place of
    set_source_files_properties(${PROJECT_SOURCE_DIR}/${source} DIRECTORY ${PROJECT_SOURCE_DIR}/${library}
      PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
    file(READ ${PROJECT_SOURCE_DIR}/${source} text)
    string(PREPEND text "#include \"tests/support/source_mutant.h\"\n")
  else()
    get_property(text DIRECTORY PROPERTY ${mutants_program}_${id})
  endif()
  string(FIND "${text}" "${find}" found)
  if(found EQUAL -1)
    message(FATAL_ERROR "the mutant ${mutant}: ${source} does not say \"${find}\"")
  endif()
  string(REPLACE "mutated(" "shunt::test::mutated(" by "${by}")
  string(REPLACE "${find}" "${by}" text "${text}")
  set_property(DIRECTORY PROPERTY ${mutants_program}_${id} "${text}")
  string(REGEX REPLACE "s$" "" one ${mutants_program})
  shunt_expect_failure(${one}_${mutant} PROGRAM ${mutants_program} MUTANT ${mutant} FAILS ${fails} FILTER ${fails} TIMEOUT 200)
endfunction()

function(shunt_source_mutants)
  if(CMAKE_CROSSCOMPILING OR SHUNT_SANITIZE)
    return()
  endif()
  cmake_parse_arguments(ARG "" "" "LINK;SOURCES" ${ARGN})
  get_property(sources DIRECTORY PROPERTY ${mutants_program}_SOURCES)
  foreach(source IN LISTS sources)
    string(MAKE_C_IDENTIFIER ${source} id)
    get_property(text DIRECTORY PROPERTY ${mutants_program}_${id})
    set(copy ${CMAKE_CURRENT_BINARY_DIR}/mutated/${source})
    file(CONFIGURE OUTPUT ${copy} CONTENT "${text}" @ONLY)
    list(APPEND ARG_SOURCES ${copy})
  endforeach()
  shunt_program(${mutants_program} LINK ${ARG_LINK} GTest::gtest_main SOURCES ${ARG_SOURCES})
  target_include_directories(${mutants_program} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  string(REGEX REPLACE "s$" "_none" none ${mutants_program})
  add_test(NAME ${none} COMMAND ${mutants_program})
  set_tests_properties(${none} PROPERTIES TIMEOUT 300 LABELS mutant ENVIRONMENT SHUNT_MUTANT=none)
endfunction()
