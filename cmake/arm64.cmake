# Toolchain file: arm64 programs, built on another machine and run there by an emulator (scripts/arm64/install.sh installs both).
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
if(NOT CMAKE_C_COMPILER)
  set(CMAKE_C_COMPILER clang-19)
endif()
if(NOT CMAKE_CXX_COMPILER)
  set(CMAKE_CXX_COMPILER clang++-19)
endif()
set(CMAKE_C_COMPILER_TARGET aarch64-linux-gnu)  # clang's; the other compilers are for one machine
set(CMAKE_CXX_COMPILER_TARGET aarch64-linux-gnu)
set(CMAKE_ASM_COMPILER_TARGET aarch64-linux-gnu)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)  # libraries co-install with the build machine's, in /usr/lib/<this>

# What does not co-install was unpacked here.
get_filename_component(SHUNT_ARM64_TOOLS ${CMAKE_CURRENT_LIST_DIR}/../build/arm64-tools ABSOLUTE)
list(APPEND CMAKE_PREFIX_PATH ${SHUNT_ARM64_TOOLS}/usr)
set(ENV{PKG_CONFIG_LIBDIR} /usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}/pkgconfig:/usr/share/pkgconfig)

# -L: where the program's loader and libraries are looked for.
set(CMAKE_CROSSCOMPILING_EMULATOR ${SHUNT_ARM64_TOOLS}/usr/bin/qemu-aarch64 -L /)

# One that never executes what is written to code through another mapping.
set(SHUNT_BLIND_EMULATOR ${SHUNT_ARM64_TOOLS}/plugin-emulator/usr/bin/qemu-aarch64 -L /)
