// SPDX-License-Identifier: Apache-2.0
// The link: what a client process asks of the device that needs descriptors to travel, over a Unix
// SOCK_SEQPACKET connection whose path HEALTH_CHECK tells (ipc/message.h). One message is one request; every
// request is answered by one message, in order, at once.
//
// The device speaks first: a LinkWelcome with two descriptors, the memfd of the process's SharedChannel and
// the eventfd that wakes the device. The token in it names the process in messages of the IPC channel:
// sessions belong to the process that opened or accepted them. When the connection ends, sessions of the
// process live on as long as somebody holds their descriptors (a forked child), and messages with its token
// are refused.
//
// A session that was accepted belongs to the owners of its listener. Another process that holds the
// descriptor (a forked worker, or whoever it was passed to) becomes an owner by `attach`; NOT_FOUND says that
// it is none yet. Requests travel whole; a reply's payload may be cut after `length`. The client's ends of
// accepted sessions are O_NONBLOCK.
//
// The device binds its end of every session's pair to the abstract address kSessionNamePrefix +
// "PID.DEVICE.ID", so that a process that inherited or was passed a session's descriptor recognises it
// (getpeername) and asks for its memory with `attach`, presenting the descriptor as proof.
#pragma once

#include <sys/socket.h>

#include <cstdint>

namespace mango::device {

constexpr uint32_t kLinkMagic = 0x6D6C6E6B;  // "mlnk"
constexpr size_t kTokenBytes = 16;
constexpr size_t kLinkPayloadBytes = 256;  // the longest option value (TCP_INFO) fits
constexpr char kSessionNamePrefix[] = "mango-session.";

struct LinkWelcome {
  uint32_t magic;
  uint32_t version;  // kSharedVersion
  uint32_t device;
  uint32_t pid;  // of the device's process
  uint8_t token[kTokenBytes];
};  // + descriptors: channel memfd, doorbell eventfd

enum class LinkOp : uint32_t {
  open = 1,    // level: AF_INET or AF_INET6, name: SOCK_NONBLOCK|SOCK_CLOEXEC or 0 (flags of the descriptor)
               // -> session; descriptors: the client's end, memfd
  bind,        // payload: address -> payload: the bound address
  name,        // -> payload: local address
  set_option,  // level, name, payload; only options of kept list (others: UNKNOWN_OPTION)
  get_option,  // level, name, length: room -> payload
  queued,      // -> payload: int32, octets sent and not acknowledged by the peer's TCP (SIOCOUTQ)
  sequence,    // -> payload: uint32 tx, uint32 rx (TCP_REPAIR; NOT_PERMITTED without CAP_NET_ADMIN)
  detach,  // -> descriptor: the TCP socket itself; the device forgets the session. BUSY if one of its rings
           // is not empty
  attach,  // descriptor: the client's end -> descriptor: memfd. ACCESS_DENIED if it is not the session's
  renew,   // ends the session's connection with RST and makes it anew under the same id; NOT_FOUND if it
           // failed or was reset before: it is forgotten then
           // -> descriptors: the client's new end, memfd
  set      // a readiness set: the device marks sessions that name it (SharedSession::rx_set) there, when they
           // have octets, instead of ringing their pairs -> session: its number; descriptors: memfd of a
           // SharedChannel (of which the device is the one who marks), eventfd that it writes
};

struct LinkRequest {
  LinkOp op;
  uint32_t session;
  int32_t level;
  int32_t name;
  uint32_t length;  // of payload; get_option: room wanted
  uint8_t payload[kLinkPayloadBytes];
};
struct LinkReply {
  int32_t status;  // mango_status_e
  uint32_t session;
  uint32_t length;
  uint8_t payload[kLinkPayloadBytes];
};

// What a listening session's pair carries, once per accepted connection. Several processes that share the
// descriptor may receive: each message goes to one.
struct AcceptedFrame {
  uint32_t session;
  uint32_t rx_bytes;
  uint32_t tx_bytes;
  sockaddr_storage peer;
};  // + descriptors: the client's end, memfd

}  // namespace mango::device
