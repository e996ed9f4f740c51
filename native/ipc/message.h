// SPDX-License-Identifier: Apache-2.0
// The messages of the IPC channel, the same over every transport: one request, one response, in Protocol
// Buffers' encoding. mango_ipc.proto is their public definition and says what each type does with its fields.
//
// Encoded by hand, since a dozen scalar fields do not justify libprotobuf in every program that is run under
// the shim, where it may meet another version of itself.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "typedef.h"

namespace mango::ipc {

constexpr size_t kMaxMessageBytes = 16 * 1024;  // encoded; longer ones are refused
constexpr size_t kMaxClientBytes = 64;          // of the token
constexpr uint16_t kDefaultPort = 32847;        // the reference's

// An IPv4 or IPv6 address with its port; family AF_UNSPEC when absent.
struct Address {
  sockaddr_storage storage{};
  [[nodiscard]] socklen_t length() const noexcept;
};
[[nodiscard]] Address address_of(const sockaddr* addr, socklen_t length) noexcept;

struct Request {
  mango_ipc_msg_e type = MANGO_IPC_MSG_HEALTH_CHECK;
  uint32_t device = 0;
  std::string client;    // the token of the link's welcome; health and reading configuration need none
  uint32_t session = 0;  // TCP_*
  Address address;       // TCP_LISTEN (optional: bind first), TCP_CONNECT
  int32_t backlog = 0;   // TCP_LISTEN
  std::string field;     // GET_CONFIG, SET_CONFIG
  std::string value;     // SET_CONFIG
};

struct Response {
  mango_status_e status = MANGO_STATUS_OK;
  Address address;    // TCP_LISTEN: what was bound
  std::string value;  // GET_CONFIG
  std::string link;   // HEALTH_CHECK: path of the device's link (link.h); a leading '@' is the abstract space
  std::string version;  // HEALTH_CHECK: mango_get_version() of the server
};

// Whether text may travel in a string field: UTF-8 without NUL. encode() does not look.
[[nodiscard]] bool is_text(std::string_view text) noexcept;

[[nodiscard]] std::string encode(const Request& request);
[[nodiscard]] std::string encode(const Response& response);
// Nothing when the octets are no such message (mango_ipc.proto says what is refused).
[[nodiscard]] std::optional<Request> decode_request(std::string_view octets);
[[nodiscard]] std::optional<Response> decode_response(std::string_view octets);

}  // namespace mango::ipc
