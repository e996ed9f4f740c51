// SPDX-License-Identifier: Apache-2.0
// epoll over the kernel engine: sockets have real descriptors, so a set is the caller's own epoll descriptor
// and every call is one system call. Adoption is remembered in the descriptor table, under the tcp handle.
#include <sys/eventfd.h>
#include <unistd.h>

#include "libmango.h"
#include "mango/counters.h"
#include "mango/fd_table.h"
#include "mango/ready_sets.h"
#include "mango/socket.h"
#include "mango/status.h"
#include "mango/tcp.h"

using namespace mango::kernel;

namespace {

bool adopted(mango_tcp_h tcp, int epfd) noexcept {
  return fd_table_get(epfd) == from_api(tcp);
}

// Deleting a descriptor that cannot be in the set tells the two apart without side effects: ENOENT from an
// epoll descriptor, EINVAL from any other, EBADF from none.
mango_status_e check_is_epoll(int fd) noexcept {
  const int probe = eventfd(0, EFD_CLOEXEC);
  if (probe < 0) return status_of_errno(errno);
  const int result = epoll_ctl(fd, EPOLL_CTL_DEL, probe, nullptr);
  const int error = result == 0 ? 0 : errno;
  close(probe);
  return error == ENOENT ? MANGO_STATUS_OK : status_of_errno(error);
}

}  // namespace

extern "C" {

mango_status_e mango_tcp_epoll_create(mango_tcp_h tcp, int epfd) {
  if (!tcps().find(from_api(tcp))) return MANGO_STATUS_INVALID_HANDLE;
  if (const mango_status_e status = check_is_epoll(epfd); status != MANGO_STATUS_OK) return status;
  ready_set_drop(epfd);
  return fd_table_set(epfd, from_api(tcp)) ? MANGO_STATUS_OK : MANGO_STATUS_NO_MEMORY;
}

mango_status_e mango_tcp_epoll_ctl(mango_tcp_h tcp, int epfd, int op, int fd, struct epoll_event* event) {
  Tcp* found = tcps().find(from_api(tcp));
  if (!found) return MANGO_STATUS_INVALID_HANDLE;
  if (!adopted(tcp, epfd) || (!event && op != EPOLL_CTL_DEL)) return MANGO_STATUS_INVALID_ARGUMENT;
  if (fd < 0) fd = tcp_listener_fd(*found);
  if (fd < 0) return MANGO_STATUS_NOT_FOUND;
  const auto set = ready_set_for(*found, epfd, op, fd);
  const Socket* socket = set ? sockets().find(fd_table_get(fd)) : nullptr;
  if (socket && socket->session) return status_of_result(set->control(op, *socket->session, event));
  return status_of_result(epoll_ctl(epfd, op, fd, event));
}

mango_status_e mango_tcp_epoll_set_exclusive(mango_tcp_h tcp, int epfd) {
  Tcp* found = tcps().find(from_api(tcp));
  if (!found) return MANGO_STATUS_INVALID_HANDLE;
  if (!adopted(tcp, epfd)) return MANGO_STATUS_INVALID_ARGUMENT;
  if (found->device.load(std::memory_order_acquire)) ready_set_make(*found, epfd);
  return MANGO_STATUS_OK;
}

mango_status_e mango_tcp_epoll_wait(mango_tcp_h tcp, int epfd, struct epoll_event* event, int max_events,
                                    int timeout, int* num_events) {
  if (!tcps().find(from_api(tcp))) return MANGO_STATUS_INVALID_HANDLE;
  if (!event || !num_events || !adopted(tcp, epfd)) return MANGO_STATUS_INVALID_ARGUMENT;
  const auto set = ready_set_of(epfd);
  const int ready =
      set ? set->wait(event, max_events, timeout) : epoll_wait(epfd, event, max_events, timeout);
  count_io(Counter::kEpollWaitCalls, Counter::kEpollEvents, ready);
  if (ready < 0 && errno != EINTR) return status_of_errno(errno);
  *num_events = ready < 0 ? 0 : ready;
  return MANGO_STATUS_OK;
}

mango_status_e mango_tcp_epoll_close(mango_tcp_h tcp, int epfd) {
  if (!tcps().find(from_api(tcp))) return MANGO_STATUS_INVALID_HANDLE;
  if (!adopted(tcp, epfd)) return MANGO_STATUS_NOT_FOUND;
  ready_set_drop(epfd);
  fd_table_clear(epfd);
  return MANGO_STATUS_OK;
}

mango_status_e mango_tcp_epoll_check(mango_tcp_h tcp, int fd) {
  if (!tcps().find(from_api(tcp))) return MANGO_STATUS_INVALID_HANDLE;
  return adopted(tcp, fd) ? MANGO_STATUS_OK : MANGO_STATUS_NOT_FOUND;
}

}  // extern "C"
