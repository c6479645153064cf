# Runs a test program with a deliberate fault and demands that it fails by an assertion: not by a crash, a time-out, a missing program.
#
#   cmake [-DEMULATOR=<command and its arguments>] -DPROGRAM=<path> -DMUTANT=<name> -DFAILS=<regex> [-DSAYS=<regex>] [-DFILTER=<gtest filter>] -P expect_failure.cmake
#
# FAILS matches the name of a test that must be among the failed ones; SAYS what the output must say.
set(ENV{SHUNT_MUTANT} ${MUTANT})
if(NOT FILTER)
  set(FILTER "*")
endif()
execute_process(COMMAND ${EMULATOR} ${PROGRAM} --gtest_filter=${FILTER} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE errors)
if(NOT result EQUAL 1)
  message(FATAL_ERROR "mutant ${MUTANT} was not caught by an assertion (result: ${result})\n${output}\n${errors}")
endif()
if(NOT output MATCHES "\\[  FAILED  \\] (${FAILS})")
  message(FATAL_ERROR "mutant ${MUTANT} was caught, but not by ${FAILS}\n${output}\n${errors}")
endif()
if(SAYS AND NOT output MATCHES "${SAYS}")
  message(FATAL_ERROR "mutant ${MUTANT} was caught, but not because it \"${SAYS}\"\n${output}\n${errors}")
endif()
string(REGEX MATCHALL "\\[  FAILED  \\] [A-Za-z0-9_/]+\\.[A-Za-z0-9_/]+" failed "${output}")
list(REMOVE_DUPLICATES failed)
list(JOIN failed "\n" failed)
message(STATUS "mutant ${MUTANT} is caught by\n${failed}")
