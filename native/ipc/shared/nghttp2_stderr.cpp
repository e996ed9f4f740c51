// SPDX-License-Identifier: Apache-2.0
// Debian's libnghttp2.a is made for executables: one debugging function of it, which nobody calls, names
// stderr in a way that a shared object cannot link. The linker is told to take this instead (--wrap) in our
// shared objects. Rejected: a build of nghttp2 of our own for the sake of that line.
#include <cstdio>

extern "C" {
[[gnu::visibility("hidden")]] extern std::FILE* __wrap_stderr;  // NOLINT: the linker's name
std::FILE* __wrap_stderr = nullptr;
}
