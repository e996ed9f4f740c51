// SPDX-License-Identifier: Apache-2.0
#include "mango/status.h"

#include <cstring>

#include "libmango.h"

namespace {

struct StatusText {
  mango_status_e status;
  const char* name;
  const char* message;
};

#define MANGO_TEXT(suffix, message) \
  { MANGO_STATUS_##suffix, "MANGO_STATUS_" #suffix, message }
constexpr StatusText kTexts[] = {
    MANGO_TEXT(OK, "success"),
    MANGO_TEXT(NOT_PERMITTED, "the operation needs a privilege this process does not have"),
    MANGO_TEXT(NOT_FOUND, "there is no such object"),
    MANGO_TEXT(INTERRUPTED, "interrupted by a signal"),
    MANGO_TEXT(IO, "input/output error"),
    MANGO_TEXT(INVALID_HANDLE, "the handle is null, destroyed, not open, or of another type"),
    MANGO_TEXT(AGAIN, "the operation would block; wait and call again"),
    MANGO_TEXT(NO_MEMORY, "out of memory"),
    MANGO_TEXT(ACCESS_DENIED, "access denied"),
    MANGO_TEXT(BUSY, "the object is in use"),
    MANGO_TEXT(EXISTS, "the object exists already"),
    MANGO_TEXT(INVALID_ARGUMENT, "an argument is invalid in this state"),
    MANGO_TEXT(TOO_MANY_FILES, "the process has too many open descriptors"),
    MANGO_TEXT(SYSTEM_FILE_LIMIT, "the system has too many open files"),
    MANGO_TEXT(BROKEN_PIPE, "the sending side is closed"),
    MANGO_TEXT(UNKNOWN_OPTION, "unknown socket option"),
    MANGO_TEXT(NOT_SUPPORTED, "not supported by this engine"),
    MANGO_TEXT(FAMILY_NOT_SUPPORTED, "address family not supported"),
    MANGO_TEXT(ADDRESS_IN_USE, "the address is in use"),
    MANGO_TEXT(ADDRESS_NOT_AVAILABLE, "the address is not available here"),
    MANGO_TEXT(NETWORK_UNREACHABLE, "the network is unreachable"),
    MANGO_TEXT(ABORTED, "the connection was aborted on this side"),
    MANGO_TEXT(CONNECTION_RESET, "the peer reset the connection"),
    MANGO_TEXT(NO_BUFFERS, "no buffer space"),
    MANGO_TEXT(IS_CONNECTED, "connected already"),
    MANGO_TEXT(NOT_CONNECTED, "not connected"),
    MANGO_TEXT(TIMED_OUT, "timed out"),
    MANGO_TEXT(CONNECTION_REFUSED, "the peer refused the connection"),
    MANGO_TEXT(HOST_UNREACHABLE, "the host is unreachable"),
    MANGO_TEXT(ALREADY, "the operation is under way already"),
    MANGO_TEXT(IN_PROGRESS, "the operation has been started; call again"),
    MANGO_TEXT(TLS, "TLS failed; see the thread's OpenSSL error queue"),
    MANGO_TEXT(TLS_TRUNCATED, "the peer closed the connection without close_notify"),
    MANGO_TEXT(IPC_UNAVAILABLE, "the device's process does not answer"),
    MANGO_TEXT(DEVICE_RESET, "the device was reset and the session is gone"),
};
#undef MANGO_TEXT

const StatusText* find_text(mango_status_e status) noexcept {
  for (const StatusText& text : kTexts) {
    if (text.status == status) return &text;
  }
  return nullptr;
}

// The kernel's bound; glibc keeps the names and texts in static, read-only storage.
constexpr int kLargestErrno = 4095;

bool is_errno(mango_status_e status) noexcept {
  return status < 0 && status >= -kLargestErrno;
}

}  // namespace

extern "C" const char* mango_status_name(mango_status_e status) {
  const StatusText* text = find_text(status);
  if (text) return text->name;
  const char* name = is_errno(status) ? strerrorname_np(-status) : nullptr;
  return name ? name : "unknown";
}

extern "C" const char* mango_status_message(mango_status_e status) {
  const StatusText* text = find_text(status);
  if (text) return text->message;
  const char* message = is_errno(status) ? strerrordesc_np(-status) : nullptr;
  return message ? message : "unknown status";
}
