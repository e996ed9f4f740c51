// SPDX-License-Identifier: Apache-2.0
// The messages of the IPC channel: posted from any thread, answered on the device's.
#include <sys/eventfd.h>

#include <cerrno>
#include <cstring>

#include "device/server_device.h"
#include "libmango.h"

namespace mango::device {
namespace {

mango_status_e status_of(int error) noexcept {
  return static_cast<mango_status_e>(-error);
}

bool is_for_session(mango_ipc_msg_e type) noexcept {
  return type == MANGO_IPC_MSG_TCP_LISTEN || type == MANGO_IPC_MSG_TCP_CONNECT ||
         type == MANGO_IPC_MSG_TCP_CLOSE || type == MANGO_IPC_MSG_TCP_LISTEN_CLOSE ||
         type == MANGO_IPC_MSG_TCP_ABORT;
}

}  // namespace

void Device::post(Message message) {
  mango_status_e refused = MANGO_STATUS_OK;
  {
    const std::lock_guard lock(mutex_);
    if (closed_)
      refused = MANGO_STATUS_IPC_UNAVAILABLE;
    else if (messages_.size() >= kMostQueuedMessages)
      refused = MANGO_STATUS_NO_BUFFERS;
    else
      messages_.push_back(std::move(message));
  }
  if (refused != MANGO_STATUS_OK) return message.answer({.status = refused});
  if (!message_waits_.exchange(true, std::memory_order_seq_cst)) (void)::eventfd_write(wake_.get(), 1);
}

bool Device::take_messages() {
  if (!message_waits_.load(std::memory_order_acquire)) return false;
  message_waits_.store(false, std::memory_order_seq_cst);
  std::vector<Message> now;
  {
    const std::lock_guard lock(mutex_);
    now.swap(messages_);
  }
  for (Message& message : now) {
    ++core_.counters.messages;
    message.answer(serve(message.request));
  }
  return !now.empty();
}

const ServerClient* Device::find_client(const std::string& token) const {
  const auto found = tokens_.find(token);
  return found == tokens_.end() ? nullptr : clients_.find(found->second)->second.get();
}

ipc::Response Device::serve(const ipc::Request& request) {
  ipc::Response response;
  if (request.type == MANGO_IPC_MSG_HEALTH_CHECK) {
    response.link = link_path_;
    response.version = mango_get_version();
    return response;
  }
  if (request.type == MANGO_IPC_MSG_GET_CONFIG) {
    response.status = get_config(request.field, response.value);
    return response;
  }
  // No token at all: the process that runs the device; transports let no stranger in without one.
  const ServerClient* client = find_client(request.client);
  const bool configures = request.type == MANGO_IPC_MSG_SET_CONFIG;
  if (configures && request.client.empty()) return {.status = set_config(request.field, request.value, true)};
  if (!client || (configures && client->stranger())) return {.status = MANGO_STATUS_NOT_PERMITTED};
  if (configures) return {.status = set_config(request.field, request.value, false)};
  if (!is_for_session(request.type)) return {.status = MANGO_STATUS_NOT_SUPPORTED};
  ServerSession* session = sessions_.find(request.session);
  if (!session || session->phase() == Phase::draining || !session->owned_by(client->serial()))
    return {.status = MANGO_STATUS_NOT_FOUND};
  response = serve_session(*client, request, *session);
  after(*session);
  return response;
}

ipc::Response Device::serve_session(const ServerClient& client, const ipc::Request& request,
                                    ServerSession& session) {
  ipc::Response response;
  const auto* address = reinterpret_cast<const sockaddr*>(&request.address.storage);
  switch (request.type) {
    case MANGO_IPC_MSG_TCP_LISTEN:
      response.status = status_of(listen(client, session, request, response));
      break;
    case MANGO_IPC_MSG_TCP_CONNECT:
      response.status = status_of(session.connect(address, address_length(address->sa_family)));
      break;
    case MANGO_IPC_MSG_TCP_LISTEN_CLOSE:
      if (session.phase() != Phase::listening)
        response.status = MANGO_STATUS_INVALID_ARGUMENT;
      else
        session.close();
      break;
    case MANGO_IPC_MSG_TCP_CLOSE:
      session.close();
      break;
    default:
      session.abort();
  }
  return response;
}

int Device::listen(const ServerClient& client, ServerSession& session, const ipc::Request& request,
                   ipc::Response& response) {
  const auto* address = reinterpret_cast<const sockaddr*>(&request.address.storage);
  int error = 0;
  if (address->sa_family != AF_UNSPEC)
    error = bind(client, session, address, address_length(address->sa_family));
  if (error != 0) return error;
  error = session.listen(request.backlog);
  if (error == EADDRINUSE) {
    reap(session);
    error = session.listen(request.backlog);
  }
  if (error != 0) return error;
  socklen_t length = sizeof(response.address.storage);
  (void)::getsockname(session.tcp(), reinterpret_cast<sockaddr*>(&response.address.storage), &length);
  return 0;
}

}  // namespace mango::device
