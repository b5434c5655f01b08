#!/usr/bin/env bash
# Builds `soem-exchange` from the SOEM that PyPI's pysoem carries: build.sh PIP DIRECTORY. SOEM is fetched, built and run as a
# process of its own; nothing of it is part of this repository or linked into what we ship (GPLv2 with its linking exception).
set -euo pipefail
pip=$1 into=$2 here=$(cd "$(dirname "$0")" && pwd) version=1.1.13
mkdir -p "$into"
if [ ! -d "$into/pysoem-$version" ]; then
  # --no-binary for this package alone: pip asks the sdist for its metadata, and what it needs for that may come as wheels.
  "$pip" download --quiet --disable-pip-version-check --no-deps --no-binary pysoem --dest "$into" "pysoem==$version"
  tar -xzf "$into/pysoem-$version.tar.gz" -C "$into"
fi
soem=$into/pysoem-$version/soem
cc -O2 -w -DEC_VER2 -I"$soem/soem" -I"$soem/osal" -I"$soem/osal/linux" -I"$soem/oshw/linux" \
  -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc -o "$into/soem-exchange" \
  "$here/exchange.c" "$soem"/soem/*.c "$soem/osal/linux/osal.c" "$soem"/oshw/linux/{nicdrv,oshw}.c -lpthread -lrt
