// SPDX-License-Identifier: Apache-2.0
#include "shim/run_library.h"

#include <filesystem>

#include "shim/settings.h"

#ifndef MANGO_LIBDIR
#define MANGO_LIBDIR "lib"  // the build says where libraries are installed
#endif

namespace mango::shim {

std::string find_library() {
  std::error_code error;
  const std::filesystem::path folder = std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
  if (error) return {};
  for (const auto& place : {folder, folder.parent_path() / MANGO_LIBDIR, folder.parent_path() / "lib"}) {
    const std::filesystem::path library = place / kLibraryName;
    if (std::filesystem::exists(library, error)) return library;
  }
  return {};
}

}  // namespace mango::shim
