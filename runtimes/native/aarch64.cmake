# Builds for Linux on aarch64 with Debian's cross compiler, g++-aarch64-linux-gnu, and the zlib that aarch64_zlib.sh unpacks
# into build/aarch64. Where qemu-user-static is installed, ctest runs the programs on this machine.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64-static -L /usr/aarch64-linux-gnu)

get_filename_component(unpacked ${CMAKE_CURRENT_LIST_DIR}/../../build/aarch64/usr ABSOLUTE)
set(ZLIB_INCLUDE_DIR ${unpacked}/include)
set(ZLIB_LIBRARY ${unpacked}/lib/aarch64-linux-gnu/libz.a)
