# What `cmake --install` puts where, the CMake package for users of the libraries, and the `uninstall` target.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/shunt)
get_property(libraries GLOBAL PROPERTY SHUNT_LIBRARIES)
install(TARGETS shunt_arch ${libraries} EXPORT shunt)
install(DIRECTORY engine/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
if(TARGET shunt_asmjit)
  install(DIRECTORY engine/codegen/asmjit/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
endif()
if(SHUNT_BUILD_RUNTIME)
  install(DIRECTORY runtime/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
  install(FILES samples/guests/shunt_flags.h DESTINATION ${CMAKE_INSTALL_DATADIR}/shunt)
endif()
if(TARGET shunt)
  install(TARGETS shunt)
endif()

install(EXPORT shunt NAMESPACE shunt:: DESTINATION ${package_dir} FILE shuntTargets.cmake)
set(has_asmjit OFF)
if(TARGET shunt_asmjit)
  set(has_asmjit ON)
endif()
configure_package_config_file(cmake/shuntConfig.cmake.in ${PROJECT_BINARY_DIR}/shuntConfig.cmake
  INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/shuntConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/shuntConfig.cmake ${PROJECT_BINARY_DIR}/shuntConfigVersion.cmake
  DESTINATION ${package_dir})

# Removes what the last installation from this build folder put there.
add_custom_target(uninstall
  COMMAND ${CMAKE_COMMAND} -D MANIFEST=${PROJECT_BINARY_DIR}/install_manifest.txt -P ${PROJECT_SOURCE_DIR}/cmake/uninstall.cmake
  VERBATIM)
