// SPDX-License-Identifier: Apache-2.0
#include "device/client.h"

#include <fcntl.h>
#include <sys/un.h>

#include <charconv>
#include <cstddef>
#include <cstring>
#include <new>
#include <string_view>

#include "device/client_link.h"
#include "device/session.h"

namespace mango::device {
namespace {

struct SessionName {
  uint32_t pid = 0;
  uint32_t device = 0;
  uint32_t id = 0;
};

// "PID.DEVICE.ID", nothing before or behind.
bool parse_numbers(std::string_view text, SessionName& name) noexcept {
  uint32_t* const parts[] = {&name.pid, &name.device, &name.id};
  const char* at = text.data();
  const char* const end = at + text.size();
  for (uint32_t* part : parts) {
    if (part != parts[0] && (at == end || *at++ != '.')) return false;
    const auto [next, error] = std::from_chars(at, end, *part);
    if (error != std::errc{}) return false;
    at = next;
  }
  return at == end;
}

// Whether a descriptor is the client's end of a session, and which.
bool read_name(int fd, SessionName& name) noexcept {
  sockaddr_un address{};
  socklen_t length = sizeof(address);
  if (raw::getpeername(fd, &address, &length) != 0 || address.sun_family != AF_UNIX) return false;
  constexpr size_t kBefore = offsetof(sockaddr_un, sun_path) + 1;
  if (length <= kBefore || length > sizeof(address) || address.sun_path[0] != '\0') return false;
  const std::string_view path(address.sun_path + 1, length - kBefore);
  const std::string_view prefix(kSessionNamePrefix);
  return path.starts_with(prefix) && parse_numbers(path.substr(prefix.size()), name);
}

Session* fail(int error) noexcept {
  errno = error;
  return nullptr;
}

}  // namespace

std::unique_ptr<Client> Client::make(ipc::ControlClient& control, uint32_t device) noexcept {
  std::unique_ptr<Client> client(new (std::nothrow) Client(control, device));
  if (client) live_add(*client);
  return client;
}

Client::~Client() {
  live_remove(*this);
  if (link_) link_->release();
}

mango_status_e Client::connect() noexcept {
  ClientLink* link = nullptr;
  const mango_status_e status = acquire(link);
  if (status == MANGO_STATUS_OK) link->release();
  return status;
}

mango_status_e Client::acquire(ClientLink*& link) noexcept {
  const std::lock_guard lock(mutex_);
  if (!link_ || !link_->alive()) {
    if (const mango_status_e status = make_link(); status != MANGO_STATUS_OK) return status;
  }
  link = link_;
  link->retain();
  return MANGO_STATUS_OK;
}

mango_status_e Client::make_link() noexcept {
  if (link_) link_->release();
  link_ = nullptr;
  ipc::Request request;
  request.device = device_;
  ipc::Response response;
  mango_status_e status = control_.call(request, response, kAnswerDeadlineMs);
  if (status == MANGO_STATUS_OK) status = response.status;
  return status == MANGO_STATUS_OK ? ClientLink::make(response.link, device_, link_) : status;
}

void Client::begin_anew() noexcept {
  new (&mutex_) std::mutex;  // perhaps another thread of the parent's held it
}

Session* Client::open(int family, int flags) noexcept {
  if (family != AF_INET && family != AF_INET6) return fail(EAFNOSUPPORT);
  ClientLink* link = nullptr;
  if (const mango_status_e status = acquire(link); status != MANGO_STATUS_OK) return fail(-status);
  LinkRequest request{};
  request.op = LinkOp::open;
  request.level = family;
  request.name = flags & (SOCK_NONBLOCK | SOCK_CLOEXEC);
  LinkReply reply;
  LinkFds fds;
  const mango_status_e status = link->ask(request, reply, -1, fds);
  if (status != MANGO_STATUS_OK) {
    link->release();
    return fail(-status);
  }
  if (!(flags & SOCK_CLOEXEC)) raw::fcntl(fds.first.get(), F_SETFD, 0);
  const Session::Birth birth{*this, link, family, (flags & SOCK_NONBLOCK) != 0, true};
  return Session::make(birth, fds.first, fds.second);
}

Session* Client::attach(int fd) noexcept {
  SessionName name;
  if (!read_name(fd, name) || name.device != device_) return fail(ENOTSOCK);
  ClientLink* link = nullptr;
  if (const mango_status_e status = acquire(link); status != MANGO_STATUS_OK) return fail(-status);
  LinkRequest request{};
  request.op = LinkOp::attach;
  request.session = name.id;
  LinkReply reply;
  LinkFds fds;
  const mango_status_e status = link->ask(request, reply, fd, fds);
  if (status != MANGO_STATUS_OK) {
    link->release();
    return fail(status == MANGO_STATUS_NOT_FOUND ? kDeviceReset : -status);
  }
  const int flags = raw::fcntl(fd, F_GETFL);
  const Session::Birth birth{*this, link, AF_UNSPEC, flags >= 0 && (flags & O_NONBLOCK) != 0, true};
  raw::Fd given(fd);
  Session* session = Session::make(birth, given, fds.first);
  (void)given.release();
  return session;
}

mango_status_e Client::sign(ipc::Request& request) noexcept {
  ClientLink* link = nullptr;
  mango_status_e status = acquire(link);
  if (status != MANGO_STATUS_OK) return status;
  request.device = device_;
  try {
    request.client = link->token();
  } catch (const std::bad_alloc&) {
    status = MANGO_STATUS_NO_MEMORY;
  }
  link->release();
  return status;
}

mango_status_e Client::call(ipc::Request request, ipc::Response& response) noexcept {
  mango_status_e status = sign(request);
  if (status == MANGO_STATUS_OK) status = control_.call(request, response, kAnswerDeadlineMs);
  return status == MANGO_STATUS_OK ? response.status : status;
}

mango_status_e Client::post(ipc::Request request) noexcept {
  const mango_status_e status = sign(request);
  return status == MANGO_STATUS_OK ? control_.post(request) : status;
}

}  // namespace mango::device
