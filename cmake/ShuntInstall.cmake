# What `cmake --install` puts where, the packages for users of the libraries (CMake's and pkg-config's), the `uninstall` target,
# and what CPack makes of it: the Debian packages libshunt (the shared engine), libshunt-dev and shunt (the program).
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/shunt)
get_property(libraries GLOBAL PROPERTY SHUNT_LIBRARIES)
install(TARGETS shunt_arch ${libraries} EXPORT shunt
  LIBRARY COMPONENT library NAMELINK_COMPONENT development
  ARCHIVE COMPONENT development)
install(DIRECTORY arch/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development FILES_MATCHING PATTERN "*.h")
install(DIRECTORY engine/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development FILES_MATCHING PATTERN "*.h")
if(TARGET shunt_asmjit)
  install(DIRECTORY engine/codegen/asmjit/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development
    FILES_MATCHING PATTERN "*.h")
endif()
if(TARGET shunt_orc)
  install(DIRECTORY engine/codegen/orc/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development
    FILES_MATCHING PATTERN "*.h")
endif()
if(SHUNT_BUILD_RUNTIME)
  install(DIRECTORY runtime/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development FILES_MATCHING PATTERN "*.h")
  # Not where every program looks: other packages install a wasm.h, too. Who uses the library looks there.
  install(FILES third_party/wasm-c-api/include/wasm.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/shunt/wasm-c-api COMPONENT development)
  install(FILES third_party/wasm-c-api/LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/libshunt-dev COMPONENT development
    RENAME LICENSE.wasm-c-api)
  install(FILES samples/guests/shunt_flags.h DESTINATION ${CMAKE_INSTALL_DATADIR}/shunt COMPONENT program)
endif()
if(TARGET shunt)
  install(TARGETS shunt COMPONENT program)
endif()

install(EXPORT shunt NAMESPACE shunt:: DESTINATION ${package_dir} FILE shuntTargets.cmake COMPONENT development)
set(has_asmjit OFF)
if(TARGET shunt_asmjit)
  set(has_asmjit ON)
endif()
configure_package_config_file(cmake/shuntConfig.cmake.in ${PROJECT_BINARY_DIR}/shuntConfig.cmake
  INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/shuntConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/shuntConfig.cmake ${PROJECT_BINARY_DIR}/shuntConfigVersion.cmake
  DESTINATION ${package_dir} COMPONENT development)

# A static engine needs the C++ library and threads from whoever links it. The prefix is that of the configuration.
set(pc_static_libs " -lstdc++ -pthread")
if(BUILD_SHARED_LIBS)
  set(pc_static_libs "")
endif()
configure_file(cmake/shunt.pc.in ${PROJECT_BINARY_DIR}/shunt.pc @ONLY)
if(SHUNT_BUILD_RUNTIME)
  # The runtime is static in any case, and so is wabt.
  set(pc_llvm "")
  if(SHUNT_LLVM)
    set(llvm_library "${SHUNT_LLVM_LIBRARY}")
    if(TARGET LLVM)
      get_target_property(llvm_library LLVM LOCATION)
    endif()
    # By name: what names a whole file may be put in front of the objects that need it.
    string(REGEX MATCH "^[0-9]+" llvm_major "${SHUNT_LLVM_VERSION}")
    cmake_path(GET llvm_library PARENT_PATH llvm_folder)
    set(pc_llvm " -lshunt_orc -L${llvm_folder} -lLLVM-${llvm_major}")
  endif()
  configure_file(cmake/shunt-wasm-c.pc.in ${PROJECT_BINARY_DIR}/shunt-wasm-c.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/shunt-wasm-c.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)
endif()
install(FILES ${PROJECT_BINARY_DIR}/shunt.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)

# Removes what the last installation from this build folder put there.
add_custom_target(uninstall
  COMMAND ${CMAKE_COMMAND} -D MANIFEST=${PROJECT_BINARY_DIR}/install_manifest.txt -P ${PROJECT_SOURCE_DIR}/cmake/uninstall.cmake
  VERBATIM)

# Debug information in a package's archives would be most of it.
set(CPACK_PRE_BUILD_SCRIPTS ${PROJECT_SOURCE_DIR}/cmake/strip_archives.cmake)

set(CPACK_PACKAGE_NAME shunt)
set(CPACK_PACKAGE_VENDOR shunt)
set(CPACK_PACKAGE_CONTACT "the shunt project <shunt@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY ${PROJECT_DESCRIPTION})
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_STRIP_FILES ON)
set(CPACK_GENERATOR DEB)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${PROJECT_BINARY_DIR}/engine)  # the engine that the program links
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_NAME libshunt${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libshunt-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS "${CPACK_DEBIAN_LIBRARY_PACKAGE_NAME} (= ${PROJECT_VERSION})")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_RECOMMENDS "libasmjit-dev, llvm-19-dev, wabt, nlohmann-json3-dev, libfmt-dev")
set(CPACK_DEBIAN_PROGRAM_PACKAGE_NAME shunt)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_SECTION devel)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_DEPENDS "${CPACK_DEBIAN_LIBRARY_PACKAGE_NAME} (= ${PROJECT_VERSION})")
include(CPack)
