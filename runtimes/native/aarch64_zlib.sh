#!/bin/sh
# Unpack Debian's zlib for aarch64, headers and static library, into a folder for aarch64.cmake.
#
# usage: runtimes/native/aarch64_zlib.sh FOLDER
#
# apt gets a state of its own, so this needs neither root nor a foreign architecture, and installs nothing.
set -eu
[ ! -e "$1/usr/include/zlib.h" ] || exit 0
mkdir -p "$1"
part=$(mktemp -d "$1/part.XXXXXX")
trap 'rm -rf "$part"' EXIT
part=$(cd "$part" && pwd)
mkdir -p "$part/lists/partial" "$part/cache/archives/partial" "$part/tree"
touch "$part/status"
options="-qq -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o APT::Sandbox::User= -o Debug::NoLocking=1
	-o Dir::State=$part -o Dir::State::status=$part/status -o Dir::Cache=$part/cache"
# shellcheck disable=SC2086 # the options are separate words
apt-get $options update
# shellcheck disable=SC2086
(cd "$part" && apt-get $options download zlib1g-dev)
dpkg-deb -x "$part"/zlib1g-dev_*.deb "$part/tree"
# Without the link to the shared library, programs are linked with the static one, and boards need no zlib.
rm -f "$part"/tree/usr/lib/aarch64-linux-gnu/libz.so
rm -rf "$1/usr"
mv "$part/tree/usr" "$1/usr"
