// SPDX-License-Identifier: Apache-2.0
#include "device/session_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <bit>
#include <cerrno>

#include "device/raw_calls.h"

namespace mango::device {
namespace {

bool is_ring(uint32_t bytes) noexcept {
  return bytes >= kLeastRingBytes && bytes <= kMostRingBytes && std::has_single_bit(bytes);
}

bool is_session(const SharedSession& shared, const SessionMemory& memory) noexcept {
  return shared.magic == kSessionMagic && shared.version == kSharedVersion && memory.id < kMaxSessions &&
         is_ring(memory.rx_bytes) && is_ring(memory.tx_bytes) &&
         shared_session_bytes(memory.rx_bytes, memory.tx_bytes) <= memory.bytes;
}

}  // namespace

void* map_sealed(int fd, size_t least, size_t most, size_t& bytes) noexcept {
  struct stat facts {};
  const int seals = raw::fcntl(fd, F_GET_SEALS);
  if (seals < 0 || (seals & F_SEAL_SHRINK) == 0 || ::fstat(fd, &facts) != 0 || facts.st_size < 0 ||
      static_cast<size_t>(facts.st_size) < least || static_cast<size_t>(facts.st_size) > most) {
    errno = EPROTO;
    return nullptr;
  }
  bytes = static_cast<size_t>(facts.st_size);
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  return memory == MAP_FAILED ? nullptr : memory;
}

// The header stays the device's to change: its constants are read once, and checked as they were read.
bool SessionMemory::map(int fd) noexcept {
  constexpr size_t kMost = shared_session_bytes(kMostRingBytes, kMostRingBytes);
  SessionMemory fresh;
  fresh.shared = static_cast<SharedSession*>(map_sealed(fd, kSessionHeaderBytes, kMost, fresh.bytes));
  if (!fresh.shared) return false;
  fresh.id = fresh.shared->id;
  fresh.rx_bytes = fresh.shared->rx_bytes;
  fresh.tx_bytes = fresh.shared->tx_bytes;
  if (!is_session(*fresh.shared, fresh)) {
    fresh.unmap();
    errno = EPROTO;
    return false;
  }
  *this = fresh;
  return true;
}

void SessionMemory::unmap() noexcept {
  if (shared) ::munmap(shared, bytes);
  shared = nullptr;
}

}  // namespace mango::device
