// SPDX-License-Identifier: Apache-2.0
#include "shim/run_program.h"

#include <elf.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <vector>

namespace mango::shim {
namespace {

constexpr char kDefaultPath[] = "/bin:/usr/bin";
constexpr size_t kMostHeaders = 64;       // of segments; programs have a dozen
constexpr size_t kMostNoteBytes = 65536;  // looked at
constexpr char kGoNote[] = "Go\0";        // with its end: the owner of Go's own note

bool read_at(std::ifstream& file, size_t offset, void* to, size_t bytes) {
  file.clear();
  return file.seekg(static_cast<std::streamoff>(offset)) &&
         file.read(static_cast<char*>(to), static_cast<std::streamsize>(bytes));
}

// The segments of an ELF file for 64 bits; none for anything else.
std::vector<Elf64_Phdr> segments_of(std::ifstream& file) {
  Elf64_Ehdr header{};
  if (!read_at(file, 0, &header, sizeof(header)) || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
      header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_phentsize != sizeof(Elf64_Phdr))
    return {};
  std::vector<Elf64_Phdr> segments(std::min<size_t>(header.e_phnum, kMostHeaders));
  const bool read = read_at(file, header.e_phoff, segments.data(), segments.size() * sizeof(Elf64_Phdr));
  return read ? segments : std::vector<Elf64_Phdr>{};
}

// Go's linker leaves a note, and its programs make system calls of their own.
bool is_go_note(std::ifstream& file, const Elf64_Phdr& segment) {
  if (segment.p_type != PT_NOTE) return false;
  std::string notes(std::min<size_t>(segment.p_filesz, kMostNoteBytes), '\0');
  return read_at(file, segment.p_offset, notes.data(), notes.size()) &&
         notes.find(std::string(kGoNote, sizeof(kGoNote))) != std::string::npos;
}

// Running it changes who the process is: the loader then takes no library that the caller names.
bool changes_user(const struct stat& status) noexcept {
  return ((status.st_mode & S_ISUID) != 0 && status.st_uid != ::geteuid()) ||
         ((status.st_mode & S_ISGID) != 0 && status.st_gid != ::getegid());
}

}  // namespace

std::string find_program(const char* name) {
  if (std::strchr(name, '/')) return ::access(name, X_OK) == 0 ? name : "";
  const char* path = std::getenv("PATH");
  std::istringstream folders(path ? path : kDefaultPath);
  for (std::string folder; std::getline(folders, folder, ':');) {
    const std::string file = (folder.empty() ? "." : folder) + '/' + name;
    if (::access(file.c_str(), X_OK) == 0) return file;
  }
  return {};
}

std::string passes_engine_by(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0 && changes_user(status)) return "runs as another user (set-user-ID)";
  std::ifstream file(path, std::ios::binary);
  const std::vector<Elf64_Phdr> segments = segments_of(file);
  if (segments.empty()) return {};
  const auto is_go = [&](const Elf64_Phdr& segment) { return is_go_note(file, segment); };
  if (std::any_of(segments.begin(), segments.end(), is_go))
    return "is a Go program, which makes its system calls itself";
  const auto names_loader = [](const Elf64_Phdr& segment) { return segment.p_type == PT_INTERP; };
  return std::any_of(segments.begin(), segments.end(), names_loader) ? "" : "is statically linked";
}

}  // namespace mango::shim
