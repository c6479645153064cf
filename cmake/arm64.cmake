# Toolchain file: arm64 programs, built on another machine and run there by an emulator (scripts/arm64/install.sh installs both).
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)  # libraries co-install with the build machine's, in /usr/lib/<this>

# What does not co-install was unpacked here.
get_filename_component(SHUNT_ARM64_TOOLS ${CMAKE_CURRENT_LIST_DIR}/../build/arm64-tools ABSOLUTE)
list(APPEND CMAKE_PREFIX_PATH ${SHUNT_ARM64_TOOLS}/usr)
set(ENV{PKG_CONFIG_LIBDIR} /usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}/pkgconfig:/usr/share/pkgconfig)

# -L: where the program's loader and libraries are looked for.
set(CMAKE_CROSSCOMPILING_EMULATOR ${SHUNT_ARM64_TOOLS}/usr/bin/qemu-aarch64 -L /)

# One that never executes what is written to code through another mapping.
set(SHUNT_BLIND_EMULATOR ${SHUNT_ARM64_TOOLS}/plugin-emulator/usr/bin/qemu-aarch64 -L /)
