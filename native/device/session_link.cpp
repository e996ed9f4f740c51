// SPDX-License-Identifier: Apache-2.0
// A session's requests over the link, and its messages over the IPC channel.
//
// Both name the session by the device's number, which the device may give to another once this one has ended:
// so none is sent for a session whose pair has hung up.
#include "device/session_parts.h"

namespace mango::device {

mango_status_e Session::reachable() noexcept {
  if (device_is_gone() || state() == SharedState::reset) return MANGO_STATUS_DEVICE_RESET;
  return raw::hung_up(fd_) ? MANGO_STATUS_NOT_CONNECTED : MANGO_STATUS_OK;
}

// Nobody answers: because the device's process is no more?
mango_status_e Session::blame_device(mango_status_e status) noexcept {
  return status == MANGO_STATUS_IPC_UNAVAILABLE && device_is_gone() ? MANGO_STATUS_DEVICE_RESET : status;
}

bool Session::proven() const noexcept {
  const ClientLink* link = link_.load(std::memory_order_acquire);
  return link->usable() && proven_.load(std::memory_order_relaxed) == link;
}

// Shows the device the descriptor of a session that this process did not open itself.
mango_status_e Session::prove() noexcept {
  ClientLink* link = usable_link();
  if (!link) return MANGO_STATUS_IPC_UNAVAILABLE;
  LinkRequest request{};
  request.op = LinkOp::attach;
  request.session = id();
  LinkReply reply;
  LinkFds fds;
  const mango_status_e status = link->ask(request, reply, fd_, fds);
  if (status == MANGO_STATUS_OK) proven_.store(link, std::memory_order_relaxed);
  return status;
}

mango_status_e Session::ask(LinkRequest& request, LinkReply& reply, LinkFds& fds) noexcept {
  if (const mango_status_e status = reachable(); status != MANGO_STATUS_OK) return status;
  ClientLink* link = usable_link();
  if (!link) return blame_device(MANGO_STATUS_IPC_UNAVAILABLE);
  request.session = id();
  mango_status_e status = link->ask(request, reply, -1, fds);
  if (status == MANGO_STATUS_NOT_FOUND && !proven()) {
    status = prove();
    if (status == MANGO_STATUS_OK) status = link->ask(request, reply, -1, fds);
  }
  return blame_device(status);
}

mango_status_e Session::ask(LinkRequest& request, LinkReply& reply) noexcept {
  LinkFds none;
  return ask(request, reply, none);
}

mango_status_e Session::call(ipc::Request& request, ipc::Response& response) noexcept {
  if (const mango_status_e status = reachable(); status != MANGO_STATUS_OK) return status;
  request.session = id();
  mango_status_e status = client_.call(request, response);
  if (status == MANGO_STATUS_NOT_FOUND && !proven()) {
    status = prove();
    if (status == MANGO_STATUS_OK) status = client_.call(request, response);
  }
  return blame_device(status);
}

// Nobody reads the answer, so what could be refused is proven before.
mango_status_e Session::post(ipc::Request& request) noexcept {
  mango_status_e status = reachable();
  if (status == MANGO_STATUS_OK && !proven()) status = prove();
  request.session = id();
  if (status == MANGO_STATUS_OK) status = client_.post(request);
  return blame_device(status);
}

mango_status_e Session::tell(mango_ipc_msg_e type) noexcept {
  ipc::Request request;
  request.type = type;
  ipc::Response response;
  return call(request, response);
}

int Session::unacknowledged() noexcept {
  if (device_is_gone()) return fail(kDeviceReset);
  const auto fail_over = [this] {
    const int error = over_error();
    return fail(error != 0 ? error : ECONNRESET);
  };
  if (is_over()) return fail_over();
  // The ring first: octets on their way to TCP are then counted twice rather than not at all.
  uint32_t room = 0;
  if (!send_room(room)) return -1;
  LinkRequest request{};
  request.op = LinkOp::queued;
  LinkReply reply{};
  const mango_status_e status = ask(request, reply);
  if (status != MANGO_STATUS_OK && is_over()) return fail_over();  // it ended while we asked
  if (status != MANGO_STATUS_OK) return fail(-status);
  int32_t queued = 0;
  if (reply.length >= sizeof(queued)) std::memcpy(&queued, reply.payload, sizeof(queued));
  return static_cast<int>(memory_.tx_bytes - room) + queued;
}

int Session::sequence(uint32_t* tx, uint32_t* rx) noexcept {
  LinkRequest request{};
  request.op = LinkOp::sequence;
  LinkReply reply{};
  if (const mango_status_e status = ask(request, reply); status != MANGO_STATUS_OK) return fail(-status);
  uint32_t numbers[2] = {};
  if (reply.length < sizeof(numbers)) return fail(EPROTO);
  std::memcpy(numbers, reply.payload, sizeof(numbers));
  if (tx) *tx = numbers[0];
  if (rx) *rx = numbers[1];
  return 0;
}

}  // namespace mango::device
