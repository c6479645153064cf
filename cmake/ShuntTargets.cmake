# How every target of the project is built: warnings, sanitizers, and the one way to add a library, a program, a test.

find_program(SHUNT_CCACHE ccache)
if(SHUNT_CCACHE AND PROJECT_IS_TOP_LEVEL)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${SHUNT_CCACHE})
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
  if(PROJECT_IS_TOP_LEVEL)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  if(SHUNT_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=${SHUNT_SANITIZE} -fno-omit-frame-pointer)
    target_link_options(${target} PRIVATE -fsanitize=${SHUNT_SANITIZE})
    if(SHUNT_SANITIZE MATCHES thread)
      target_compile_options(${target} PRIVATE -Wno-tsan)
    endif()
  endif()
endfunction()

# Programs of another machine are run by an emulator of programs, which has no kernel of its own: it starts no such program from
# another (death tests do), doubles no anonymous mapping, filters no system calls, heeds no limits of resources, has a thread that
# takes no signal, may stand still for ever in a forked child that makes threads, and may run for ever what it translated of a
# loop that is one block. Tests that need these are left out with it: cases by this filter, whole programs by NEEDS_KERNEL; both are built all
# the same, for an emulator of machines.
set(SHUNT_EMULATED_ARGUMENTS)
if(CMAKE_CROSSCOMPILING)
  set(needs_kernel *DeathTest.* */Anonymous *.ACopyThatFails* *.UnderAFileSizeLimit* *.WithoutMemory* Names.*
      *ForkTest.* Retirement.AnEngineEnds* Retirement.AForkedChild* Retirement.AChildThatIsForked*
      ObservationCommand.PerfIsTold* CApi.OptionsReachTheEngine
      OrcDetours.ASafepointSettles*)
  list(JOIN needs_kernel : needs_kernel)
  set(SHUNT_EMULATED_ARGUMENTS --gtest_filter=-${needs_kernel})
endif()

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
  if(NOT ARG_INTERNAL)
    set_property(GLOBAL APPEND PROPERTY SHUNT_LIBRARIES ${name})  # to be installed
  endif()
endfunction()

# shunt_program(name SOURCES a.cpp... LINK libs...)
function(shunt_program name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_LINK})
  shunt_options(${name})
endfunction()

# shunt_test(name SOURCES a.cpp... LINK libs... [LABELS l...] [TIMEOUT seconds] [NEEDS_KERNEL])
# One GoogleTest program, one CTest entry per program: start-up dominates small tests.
function(shunt_test name)
  cmake_parse_arguments(ARG "NEEDS_KERNEL" "TIMEOUT" "SOURCES;LINK;LABELS" ${ARGN})
  shunt_program(${name} SOURCES ${ARG_SOURCES} LINK ${ARG_LINK} GTest::gtest_main)
  if(ARG_NEEDS_KERNEL AND CMAKE_CROSSCOMPILING)
    return()
  endif()
  add_test(NAME ${name} COMMAND ${name} ${SHUNT_EMULATED_ARGUMENTS})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "${ARG_LABELS}")
endfunction()
