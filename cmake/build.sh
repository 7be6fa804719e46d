# build_release ROOT BUILD TARGET...: configures once, and when a CUDA toolkit has come or gone (see
# cmake/setup), then builds what changed. Quiet unless it fails or takes long; everything goes to
# BUILD/build.log.
build_release() {
  local root=$1 build=$2
  shift 2
  mkdir -p "$build"
  if [ ! -e "$build/build.ninja" ] || [ "$root/.deps/toolkit" -nt "$build/configured" ]; then
    cmake -S "$root" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release >"$build/build.log" 2>&1 ||
      { tail -n 30 "$build/build.log" >&2; return 1; }
    touch "$build/configured"
  fi
  if [ ! -e "$build/built-$1" ]; then echo "building (a few minutes the first time) ..." >&2; fi
  cmake --build "$build" --target "$@" >"$build/build.log" 2>&1 ||
    { grep -A8 -E 'error|Error' "$build/build.log" | head -n 60 >&2; echo "build failed: $build/build.log" >&2; return 1; }
  touch "$build/built-$1"
}
