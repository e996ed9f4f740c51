// SPDX-License-Identifier: Apache-2.0
// What clients ask for over the link (link.h). A serve_ function answers and says whether the link is to live
// on; whoever sends what is no request, or takes no answers, loses it.
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "device/server_device.h"

namespace mango::device {
namespace {

template <class Value>
int put(LinkReply& reply, const Value& value) noexcept {
  static_assert(sizeof(value) <= kLinkPayloadBytes);
  std::memcpy(reply.payload, &value, sizeof(value));
  reply.length = sizeof(value);
  return 0;
}

int put_name(const ServerSession& session, LinkReply& reply) noexcept {
  sockaddr_storage name{};
  socklen_t length = sizeof(name);
  if (::getsockname(session.tcp(), reinterpret_cast<sockaddr*>(&name), &length) != 0) return errno;
  reply.length = std::min<uint32_t>(length, sizeof(name));
  std::memcpy(reply.payload, &name, reply.length);
  return 0;
}

int put_queued(const ServerSession& session, LinkReply& reply) noexcept {
  int32_t queued = 0;
  if (::ioctl(session.tcp(), SIOCOUTQ, &queued) != 0) return errno;
  return put(reply, queued);
}

// Ports below need a right (CAP_NET_BIND_SERVICE) that a device may have and a stranger has not.
bool is_reserved(const sockaddr* addr, uint16_t first_free) noexcept {
  const uint16_t port = ntohs(reinterpret_cast<const sockaddr_in*>(addr)->sin_port);  // in6 has it there, too
  return port != 0 && port < first_free;
}

// Options that Linux lets only CAP_NET_ADMIN set, or only some values of.
bool needs_rights(const LinkRequest& request) noexcept {
  return (request.level == SOL_SOCKET && request.name == SO_PRIORITY) ||
         (request.level == IPPROTO_TCP && request.name == TCP_CONGESTION);
}

// Linux shares a port (SO_REUSEPORT) among one user's sockets only: they are to be the client's, not the
// device's.
int make_tcp(const ServerClient& client, int family, Descriptor& tcp) noexcept {
  Descriptor made(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP));
  if (!made) return errno;
  if (client.stranger() && ::fchown(made.get(), client.uid(), static_cast<gid_t>(-1)) != 0) return errno;
  tcp = std::move(made);
  return 0;
}

}  // namespace

void Device::on_link(uint64_t serial) {
  const auto found = clients_.find(serial);
  if (found == clients_.end()) return;
  LinkRequest request{};
  Descriptor proof;
  switch (found->second->receive(request, proof)) {
    case Received::nothing:
      return;
    case Received::broken:
      return drop_client(serial);
    case Received::request:
      ++core_.counters.link_requests;
      if (!serve_link(*found->second, request, proof)) drop_client(serial);
  }
}

// Its sessions live on while somebody has their descriptors.
void Device::drop_client(uint64_t serial) {
  const auto found = clients_.find(serial);
  if (found == clients_.end()) return;
  take_marks_of(*found->second);
  core_.ready.drop(serial);
  tokens_.erase(found->second->token());
  clients_.erase(found);
}

bool Device::serve_link(ServerClient& client, const LinkRequest& request, const Descriptor& proof) {
  LinkReply reply{};
  reply.session = request.session;
  if (request.op == LinkOp::open) return serve_open(client, request, reply);
  if (request.op == LinkOp::attach) return serve_attach(client, request, proof, reply);
  if (request.op == LinkOp::set) return serve_set(client, reply);
  ServerSession* session = sessions_.find(request.session);
  if (!session || !session->owned_by(client.serial()) || session->phase() == Phase::draining) {
    reply.status = MANGO_STATUS_NOT_FOUND;
    return client.reply(reply, nullptr, 0);
  }
  if (request.op == LinkOp::renew) return serve_renew(client, *session, reply);
  if (request.op == LinkOp::detach) return serve_detach(client, *session, reply);
  reply.status = -serve_simple(client, *session, request, reply);
  after(*session);
  return client.reply(reply, nullptr, 0);
}

bool Device::serve_open(ServerClient& client, const LinkRequest& request, LinkReply& reply) {
  reply.session = 0;
  int error = 0;
  if (request.level != AF_INET && request.level != AF_INET6) error = EAFNOSUPPORT;
  if (error == 0 && !has_room(client.serial())) error = ENFILE;
  Descriptor tcp;
  if (error == 0) error = make_tcp(client, request.level, tcp);
  ServerSession* session = nullptr;
  if (error == 0) {
    session = add_session(std::move(tcp), request.level, request.name, client.serial());
    if (!session) error = errno;
  }
  reply.status = -error;
  if (!session) return client.reply(reply, nullptr, 0);
  session->add_owner(client.serial());
  return hand_over(client, *session, reply);
}

// A session nobody got has no reason to be.
bool Device::hand_over(ServerClient& client, ServerSession& session, LinkReply& reply) {
  reply.session = session.id();
  const int fds[2] = {session.client_end(), session.memory_fd()};
  if (client.reply(reply, fds, 2)) {
    session.drop_client_end();
    return true;
  }
  session.end(End::abort);
  forget(session);
  return false;
}

bool Device::serve_attach(ServerClient& client, const LinkRequest& request, const Descriptor& proof,
                          LinkReply& reply) {
  ServerSession* session = sessions_.find(request.session);
  if (!session)
    reply.status = MANGO_STATUS_NOT_FOUND;
  else if (!proof || !session->proves(proof.get()))
    reply.status = MANGO_STATUS_ACCESS_DENIED;
  if (reply.status != MANGO_STATUS_OK) return client.reply(reply, nullptr, 0);
  session->add_owner(client.serial());
  const int fd = session->memory_fd();
  return client.reply(reply, &fd, 1);
}

bool Device::serve_set(ServerClient& client, LinkReply& reply) {
  reply.session = core_.ready.add(client.serial());
  const auto* set = core_.ready.find(reply.session);
  if (!set) {
    reply.status = -errno;
    return client.reply(reply, nullptr, 0);
  }
  const int fds[2] = {set->memory.fd(), set->bell.get()};
  return client.reply(reply, fds, 2);
}

bool Device::serve_renew(ServerClient& client, ServerSession& session, LinkReply& reply) {
  const ServerSession::Identity identity{session.id(), sessions_.next_generation(session.id()),
                                         session.family()};
  const uint64_t account = session.account;
  const std::vector<uint64_t> owners = session.owners();
  session.abort();
  forget_but_id(session);
  Descriptor tcp;
  errno = make_tcp(client, identity.family, tcp);
  auto made = tcp ? ServerSession::make(core_, identity, std::move(tcp), 0) : nullptr;
  if (!made) {
    reply.status = -errno;
    sessions_.give_back(identity.id);
    return client.reply(reply, nullptr, 0);
  }
  ServerSession* fresh = insert(std::move(made), account);
  for (const uint64_t owner : owners) fresh->add_owner(owner);
  return hand_over(client, *fresh, reply);
}

bool Device::serve_detach(ServerClient& client, ServerSession& session, LinkReply& reply) {
  const Descriptor tcp(session.detach());
  if (!tcp) {
    reply.status = -errno;
    after(session);
    return client.reply(reply, nullptr, 0);
  }
  forget(session);
  const int fd = tcp.get();
  return client.reply(reply, &fd, 1);
}

// 0 or an errno.
int Device::serve_simple(const ServerClient& client, ServerSession& session, const LinkRequest& request,
                         LinkReply& reply) {
  switch (request.op) {
    case LinkOp::bind: {
      sockaddr_storage address{};
      std::memcpy(&address, request.payload, std::min<size_t>(request.length, sizeof(address)));
      const int error = bind(client, session, reinterpret_cast<const sockaddr*>(&address), request.length);
      return error != 0 ? error : put_name(session, reply);
    }
    case LinkOp::name:
      return put_name(session, reply);
    case LinkOp::set_option:
      if (client.stranger() && needs_rights(request)) return EPERM;
      return session.set_option(request.level, request.name, request.payload, request.length);
    case LinkOp::get_option:
      reply.length = request.length;
      if (const int error = session.get_option(request.level, request.name, reply.payload, reply.length);
          error != 0) {
        reply.length = 0;
        return error;
      }
      return 0;
    case LinkOp::queued:
      return put_queued(session, reply);
    case LinkOp::sequence: {
      uint32_t numbers[2] = {};
      if (client.stranger()) return EPERM;
      if (const int error = session.sequence(numbers[0], numbers[1]); error != 0) return error;
      return put(reply, numbers);
    }
    default:
      return EOPNOTSUPP;
  }
}

int Device::bind(const ServerClient& client, ServerSession& session, const sockaddr* addr, socklen_t length) {
  if (length > sizeof(sockaddr_storage)) return EINVAL;
  if (client.stranger() && is_reserved(addr, first_free_port_)) return EACCES;
  int error = session.bind(addr, length);
  if (error != EADDRINUSE) return error;
  reap(session);
  return session.bind(addr, length);
}

}  // namespace mango::device
