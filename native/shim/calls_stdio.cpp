// SPDX-License-Identifier: Apache-2.0
// Streams of stdio over an offloaded descriptor. stdio calls the system from inside the C library, past every
// interposed name, so such a stream is made of functions of ours (fopencookie). fileno() does not know the
// descriptor of streams made so; hence it is here.
#include <cerrno>
#include <cstdarg>
#include <cstdlib>
#include <mutex>
#include <new>

#include "shim/descriptors.h"
#include "shim/engine.h"
#include "shim/interpose.h"
#include "shim/real.h"
#include "shim/table.h"

using namespace mango::shim;

namespace {

struct Stream {
  int fd;
  FILE* file;
  Stream* next;
};
constinit Lock streams_lock;
constinit std::atomic<Stream*> streams{nullptr};

ssize_t read_stream(void* cookie, char* buf, size_t size) {
  return read(static_cast<Stream*>(cookie)->fd, buf, size);
}

// stdio wants all of it or an error's zero.
ssize_t write_stream(void* cookie, const char* buf, size_t size) {
  size_t done = 0;
  while (done < size) {
    const ssize_t n = write(static_cast<Stream*>(cookie)->fd, buf + done, size - done);
    if (n < 0) break;
    done += static_cast<size_t>(n);
  }
  return static_cast<ssize_t>(done);
}

void unlink_stream(const Stream* gone) noexcept {
  const std::lock_guard lock(streams_lock);
  Stream* previous = nullptr;
  for (Stream* stream = streams.load(); stream; previous = stream, stream = stream->next) {
    if (stream != gone) continue;
    if (previous) {
      previous->next = stream->next;
    } else {
      streams.store(stream->next);
    }
    return;
  }
}

int close_stream(void* cookie) {
  auto* stream = static_cast<Stream*>(cookie);
  unlink_stream(stream);
  const int result = close_descriptor(stream->fd);
  delete stream;
  return result;
}

FILE* open_stream(int fd, const char* mode) noexcept {
  auto* stream = new (std::nothrow) Stream{fd, nullptr, nullptr};
  if (!stream) return nullptr;
  stream->file = fopencookie(stream, mode, {read_stream, write_stream, nullptr, close_stream});
  if (!stream->file) {
    delete stream;
    return nullptr;
  }
  const std::lock_guard lock(streams_lock);
  stream->next = streams.load();
  streams.store(stream);
  return stream->file;
}

int descriptor_of(FILE* file) noexcept {
  if (!streams.load(std::memory_order_acquire)) return -1;
  const std::lock_guard lock(streams_lock);
  for (const Stream* stream = streams.load(); stream; stream = stream->next) {
    if (stream->file == file) return stream->fd;
  }
  return -1;
}

int print(int fd, const char* format, va_list arguments) noexcept {
  char* text = nullptr;
  const int length = vasprintf(&text, format, arguments);
  if (length < 0) return -1;
  const ssize_t n = write(fd, text, static_cast<size_t>(length));
  free(text);
  return static_cast<int>(n);
}

}  // namespace

extern "C" {

MANGO_INTERPOSE FILE* fdopen(int fd, const char* mode) noexcept {
  const Ref found = table_find(fd);
  return found && engine().follows_duplicates() ? open_stream(fd, mode) : real().fdopen(fd, mode);
}

MANGO_INTERPOSE int fileno(FILE* file) noexcept {
  const int fd = descriptor_of(file);
  return fd >= 0 ? fd : real().fileno(file);
}

MANGO_INTERPOSE int fileno_unlocked(FILE* file) noexcept {
  const int fd = descriptor_of(file);
  return fd >= 0 ? fd : real().fileno(file);
}

MANGO_INTERPOSE int vdprintf(int fd, const char* format, va_list arguments) {
  return table_find(fd) ? print(fd, format, arguments) : real().vdprintf(fd, format, arguments);
}

MANGO_INTERPOSE int dprintf(int fd, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const int length = vdprintf(fd, format, arguments);
  va_end(arguments);
  return length;
}

MANGO_INTERPOSE int __vdprintf_chk(int fd, int, const char* format, va_list arguments) {
  return vdprintf(fd, format, arguments);
}

MANGO_INTERPOSE int __dprintf_chk(int fd, int, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const int length = vdprintf(fd, format, arguments);
  va_end(arguments);
  return length;
}

}  // extern "C"
