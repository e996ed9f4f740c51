// SPDX-License-Identifier: Apache-2.0
// poll(2) over sockets of either engine and ordinary descriptors: both kinds are descriptors whose readiness
// the kernel knows.
#include <poll.h>

#include <cerrno>

#include "libmango.h"
#include "mango/status.h"
#include "mango/tcp.h"

using namespace mango::kernel;

extern "C" mango_status_e mango_tcp_poll(mango_tcp_h tcp, struct pollfd* fds, nfds_t nfds, int timeout,
                                         int* num_events) {
  if (!tcps().find(from_api(tcp))) return MANGO_STATUS_INVALID_HANDLE;
  if ((!fds && nfds) || !num_events) return MANGO_STATUS_INVALID_ARGUMENT;
  const int ready = poll(fds, nfds, timeout);
  if (ready < 0 && errno != EINTR) return status_of_errno(errno);
  *num_events = ready < 0 ? 0 : ready;
  return MANGO_STATUS_OK;
}
