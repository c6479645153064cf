# How every target of the project is built: warnings, sanitizers, and the one way to add a library, a program, a test.

find_program(SHUNT_CCACHE ccache)
if(SHUNT_CCACHE AND PROJECT_IS_TOP_LEVEL)
  # It keeps also what is compiled with a precompiled header, and preprocesses nothing for itself.
  set(CMAKE_CXX_COMPILER_LAUNCHER env CCACHE_SLOPPINESS=pch_defines,time_macros CCACHE_DEPEND=1 ${SHUNT_CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${SHUNT_CCACHE})
endif()

find_package(Threads REQUIRED)

# The instruction set that is built for: sources that there is one of for each bear its name.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$")
  set(SHUNT_INSTRUCTION_SET x86_64)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
  set(SHUNT_INSTRUCTION_SET arm64)
else()
  message(FATAL_ERROR "shunt knows x86-64 and arm64, and this is ${CMAKE_SYSTEM_PROCESSOR}")
endif()

# Tests that set tools of this machine (gdb, perf, valgrind, other compilers) on what was built, or that check the project around the
# code, belong to the plain build alone: not to instrumented programs, and not to those of another machine, which an emulator runs.
set(SHUNT_TEST_WITH_TOOLS ON)
if(SHUNT_SANITIZE OR CMAKE_CROSSCOMPILING)
  set(SHUNT_TEST_WITH_TOOLS OFF)
endif()

# Warnings are errors only for us, never for a project that includes us.
function(shunt_options target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wno-missing-field-initializers
    $<$<CXX_COMPILER_ID:Clang>:-Wno-nested-anon-types>)  # clang does not heed the __extension__ in front of them
  if(SHUNT_PRECOMPILE)  # GCC 12 takes what it believes of std::string, wrongly, for ours there
    target_compile_options(${target} PRIVATE
      $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-array-bounds;-Wno-stringop-overflow;-Wno-stringop-overread;-Wno-restrict>)
  endif()
  if(PROJECT_IS_TOP_LEVEL)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  if(SHUNT_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=${SHUNT_SANITIZE} -fno-omit-frame-pointer)
    target_link_options(${target} PRIVATE -fsanitize=${SHUNT_SANITIZE})
    if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
      target_compile_options(${target} PRIVATE -fsanitize-ignorelist=${PROJECT_SOURCE_DIR}/cmake/undefined_behaviour.ignore)
    endif()
    if(SHUNT_SANITIZE MATCHES thread)
      target_compile_options(${target} PRIVATE
        $<IF:$<CXX_COMPILER_ID:GNU>,-Wno-tsan,-D__SANITIZE_THREAD__>)  # clang tells by a macro of its own
    else()
      target_compile_options(${target} PRIVATE -fno-sanitize-recover=undefined
        $<$<CXX_COMPILER_ID:Clang>:-D__SANITIZE_ADDRESS__;-fno-sanitize=function>)  # which looks in front of generated code
    endif()
  endif()
  if(SHUNT_FUZZ)
    target_compile_options(${target} PRIVATE -fsanitize=fuzzer-no-link)
  endif()
endfunction()

# Programs of another machine are run by an emulator of programs, which has no kernel of its own: it starts no such program from
# another (death tests do), doubles no anonymous mapping (which perf's map of symbols takes: without it no engine is made and
# the command ends with that error), filters no system calls, heeds no limits of resources, has a thread that takes no signal, and
# may stand still for ever in a forked child that makes threads. Tests that need these are left out with it: cases by this filter,
# whole programs by NEEDS_KERNEL; both are built all the same, for an emulator of machines. So is what takes a minute there and
# has nothing to do with an instruction set: reading megabytes of one function.
set(SHUNT_EMULATED_ARGUMENTS)
if(CMAKE_CROSSCOMPILING)
  set(needs_kernel *DeathTest.* */Anonymous *.ACopyThatFails* *.UnderAFileSizeLimit* *.WithoutMemory* NamesOfAnonymousCode.*
      *ForkTest.* Retirement.AnEngineEnds* Retirement.AForkedChild* Retirement.AChildThatIsForked*
      ObservationCommand.PerfIsTold* CApi.OptionsReachTheEngine ReadModuleLimits.BodyBytes)
  list(JOIN needs_kernel : needs_kernel)
  set(SHUNT_EMULATED_ARGUMENTS --gtest_filter=-${needs_kernel})
endif()

# SHUNT_PRECOMPILE: one precompiled header of the standard library for all, and one with GoogleTest for tests, which are not optimised: a
# source takes four fifths, one of a test half of the time. Without it (preset package) all warnings count, and it is seen that each source includes what it uses.
# shunt_precompiled(target WITH): the target's sources use the one of that name: std or tests.
function(shunt_precompiled target with)
  get_target_property(sources ${target} SOURCES)
  if(NOT SHUNT_PRECOMPILE OR NOT sources MATCHES "\\.cpp")
    return()
  endif()
  if(NOT TARGET shunt_precompiled_${with})
    file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/precompiled/${with}.cpp CONTENT "// Holds what is precompiled.\n")
    add_library(shunt_precompiled_${with} OBJECT ${PROJECT_BINARY_DIR}/precompiled/${with}.cpp)
    set(headers algorithm array atomic chrono condition_variable deque filesystem fstream functional map memory mutex new optional random
      set span sstream string string_view system_error thread unordered_map utility variant vector)
    if(with STREQUAL tests)
      list(APPEND headers gtest/gtest.h)
      target_compile_options(shunt_precompiled_${with} PRIVATE -O0)
      target_link_libraries(shunt_precompiled_${with} PRIVATE GTest::gtest)
    endif()
    list(TRANSFORM headers PREPEND "<")
    list(TRANSFORM headers APPEND ">")
    target_precompile_headers(shunt_precompiled_${with} PRIVATE ${headers})
    shunt_options(shunt_precompiled_${with})
  endif()
  target_precompile_headers(${target} REUSE_FROM shunt_precompiled_${with})
endfunction()

# SHUNT_UNITY: a target's sources of one folder, and of one instruction set, are compiled as one; scripts/check-tidy.py looks at them so
# too. A source with options of its own stays alone, as does one with SKIP_UNITY_BUILD_INCLUSION.
function(shunt_unity target)
  if(NOT SHUNT_UNITY)
    return()
  endif()
  get_target_property(sources ${target} SOURCES)
  foreach(source IN LISTS sources)
    if(source MATCHES "\\.cpp$")
      cmake_path(GET source PARENT_PATH folder)
      cmake_path(ABSOLUTE_PATH folder)
      cmake_path(RELATIVE_PATH folder BASE_DIRECTORY ${PROJECT_SOURCE_DIR})
      string(REGEX MATCH "(arm64|x86_64)[^/]*$" instruction_set ${source})
      string(MAKE_C_IDENTIFIER "${folder}_${CMAKE_MATCH_1}" group)
      set_source_files_properties(${source} PROPERTIES UNITY_GROUP ${group})
    endif()
  endforeach()
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
  # What one source calls something, others may too; and GCC takes an included source for a header, of many programs.
  target_compile_options(${target} PRIVATE -Wno-shadow $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-subobject-linkage>)
endfunction()

# shunt_unchained(test): qemu-user 10 runs a loop that is one block of its translation on as it was, whatever was invalidated, unless
# blocks are not chained. Its own variables; they hold for the emulators that the test starts too.
function(shunt_unchained test)
  if(CMAKE_CROSSCOMPILING)
    set_property(TEST ${test} APPEND PROPERTY ENVIRONMENT QEMU_LOG=nochain QEMU_LOG_FILENAME=/dev/null)
  endif()
endfunction()

# shunt_library(name SOURCES a.cpp... LINK libs... [INCLUDE dirs...] [SHAREABLE] [INTERNAL])
# Static. SHAREABLE: shared with BUILD_SHARED_LIBS, and then only what is marked SHUNT_API can be seen from outside.
# INTERNAL: not installed.
# The project's root is on the include path of every library, for internal headers ("engine/sites/site_table.h").
function(shunt_library name)
  cmake_parse_arguments(ARG "SHAREABLE;INTERNAL" "" "SOURCES;LINK;INCLUDE" ${ARGN})
  if(ARG_SHAREABLE AND BUILD_SHARED_LIBS)
    add_library(${name} SHARED ${ARG_SOURCES})
    set_target_properties(${name} PROPERTIES
      VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}
      C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
  else()
    add_library(${name} STATIC ${ARG_SOURCES})
  endif()
  target_include_directories(${name} PUBLIC "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR};${ARG_INCLUDE}>"
    $<INSTALL_INTERFACE:include>)
  target_link_libraries(${name} PUBLIC ${ARG_LINK})
  shunt_options(${name})
  # When its folders have added their sources.
  cmake_language(EVAL CODE "cmake_language(DEFER CALL shunt_unity ${name})")
  if(NOT BUILD_SHARED_LIBS)
    cmake_language(EVAL CODE "cmake_language(DEFER CALL shunt_precompiled ${name} std)")
  endif()
  if(NOT ARG_INTERNAL)
    set_property(GLOBAL APPEND PROPERTY SHUNT_LIBRARIES ${name})  # to be installed
  endif()
endfunction()

# shunt_program(name SOURCES a.cpp... LINK libs... [OPTIMISED])
# OPTIMISED: though it is a test.
function(shunt_program name)
  cmake_parse_arguments(ARG "OPTIMISED" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_LINK})
  shunt_options(${name})
  shunt_unity(${name})
  if(NOT SHUNT_PRECOMPILE)
    return()
  endif()
  if("GTest::gtest_main" IN_LIST ARG_LINK AND NOT ARG_OPTIMISED)
    target_compile_options(${name} PRIVATE -O0)
    shunt_precompiled(${name} tests)
  else()
    shunt_precompiled(${name} std)
  endif()
endfunction()

# shunt_test(name SOURCES a.cpp... LINK libs... [LABELS l...] [TIMEOUT seconds] [NEEDS_KERNEL] [ONE_THREAD] [OPTIMISED])
# One GoogleTest program, one CTest entry per program: start-up dominates small tests.
# ONE_THREAD: nothing in it runs beside anything else, so the thread sanitizer has nothing to see there.
function(shunt_test name)
  cmake_parse_arguments(ARG "NEEDS_KERNEL;ONE_THREAD;OPTIMISED" "TIMEOUT" "SOURCES;LINK;LABELS" ${ARGN})
  set(optimised)
  if(ARG_OPTIMISED OR (ARG_LABELS AND NOT ARG_LABELS STREQUAL "fault"))  # what is labelled runs for long; faults come at once
    set(optimised OPTIMISED)
  endif()
  shunt_program(${name} SOURCES ${ARG_SOURCES} LINK ${ARG_LINK} GTest::gtest_main ${optimised})
  if(ARG_NEEDS_KERNEL AND CMAKE_CROSSCOMPILING)
    return()
  endif()
  if(ARG_ONE_THREAD AND SHUNT_SANITIZE MATCHES thread)
    set_target_properties(${name} PROPERTIES EXCLUDE_FROM_ALL ON)
    return()
  endif()
  add_test(NAME ${name} COMMAND ${name} ${SHUNT_EMULATED_ARGUMENTS})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 240)
  endif()
  if(CMAKE_CROSSCOMPILING)
    math(EXPR ARG_TIMEOUT "3 * ${ARG_TIMEOUT}")  # an emulator runs them
  endif()
  set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "${ARG_LABELS}")
endfunction()
