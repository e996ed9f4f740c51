// SPDX-License-Identifier: Apache-2.0
// A device's own thread: clients, sessions, the epoll set, and when to sleep. Everything but post() and
// stop() is called on that thread.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "device/server.h"
#include "device/server_address.h"
#include "device/server_client.h"
#include "device/server_spin.h"
#include "device/session_table.h"

namespace mango::device {

struct Message {
  ipc::Request request;
  std::function<void(const ipc::Response&)> answer;
};

// What the descriptor limit allows, at most what is wanted; 0: all that.
[[nodiscard]] uint32_t most_sessions(uint32_t wanted) noexcept;

class Device {
 public:
  // `link`: the listening link, made by whoever starts the device, since abstract names are the namespace's.
  Device(const ServerOptions& options, const LinkAccess& access, Descriptor link, std::string link_path);
  ~Device();

  // Any thread, before the device's own starts. False with a sentence.
  [[nodiscard]] bool prepare(std::string& error);
  // The device's thread. False with a sentence; else run() returns after stop().
  [[nodiscard]] bool enter(std::string& error);
  void run();

  // Any thread.
  void post(Message message);
  void stop() noexcept;

 private:
  // server_device.cpp
  [[nodiscard]] bool work_at_hand();
  [[nodiscard]] bool take_marks();
  bool take_marks_of(ServerClient& client);
  [[nodiscard]] bool take_queued();
  [[nodiscard]] bool fall_asleep() noexcept;
  void wake_up() noexcept;
  [[nodiscard]] int sleep_ms() const noexcept;
  void on_event(const epoll_event& event);
  void on_session_event(EventKind kind, uint64_t value, uint32_t events);
  void on_timer(uint64_t now_ms);
  void after(ServerSession& session);
  void queue(ServerSession& session);
  void forget(ServerSession& session);
  void forget_but_id(ServerSession& session);
  void reap(const ServerSession& but);
  void reset_device();

  // server_listener.cpp
  void accept_links();
  [[nodiscard]] bool is_greedy(uid_t uid) const noexcept;
  void accept_sessions(ServerSession& listener);
  [[nodiscard]] bool accept_one(ServerSession& listener);
  [[nodiscard]] bool push_accepted(ServerSession& listener, ServerSession& session);
  [[nodiscard]] bool push_held(ServerSession& listener);
  void starve(ServerSession& listener);
  void retry_starved();
  // Null with errno; charged to `account`.
  [[nodiscard]] ServerSession* add_session(Descriptor tcp, int family, int pair_flags, uint64_t account);
  ServerSession* insert(std::unique_ptr<ServerSession> session, uint64_t account);
  [[nodiscard]] bool has_room(uint64_t account) const noexcept;

  // server_requests.cpp
  void on_link(uint64_t serial);
  void drop_client(uint64_t serial);
  [[nodiscard]] bool serve_link(ServerClient& client, const LinkRequest& request, const Descriptor& proof);
  [[nodiscard]] bool serve_open(ServerClient& client, const LinkRequest& request, LinkReply& reply);
  [[nodiscard]] bool serve_attach(ServerClient& client, const LinkRequest& request, const Descriptor& proof,
                                  LinkReply& reply);
  [[nodiscard]] bool serve_set(ServerClient& client, LinkReply& reply);
  [[nodiscard]] bool serve_renew(ServerClient& client, ServerSession& session, LinkReply& reply);
  [[nodiscard]] bool serve_detach(ServerClient& client, ServerSession& session, LinkReply& reply);
  [[nodiscard]] bool hand_over(ServerClient& client, ServerSession& session, LinkReply& reply);
  [[nodiscard]] int serve_simple(const ServerClient& client, ServerSession& session,
                                 const LinkRequest& request, LinkReply& reply);
  [[nodiscard]] int bind(const ServerClient& client, ServerSession& session, const sockaddr* addr,
                         socklen_t length);

  // server_messages.cpp
  [[nodiscard]] bool take_messages();
  [[nodiscard]] ipc::Response serve(const ipc::Request& request);
  [[nodiscard]] const ServerClient* find_client(const std::string& token) const;
  [[nodiscard]] ipc::Response serve_session(const ServerClient& client, const ipc::Request& request,
                                            ServerSession& session);
  [[nodiscard]] int listen(const ServerClient& client, ServerSession& session, const ipc::Request& request,
                           ipc::Response& response);

  // server_config.cpp
  struct Field;
  [[nodiscard]] static std::span<const Field> fields();
  [[nodiscard]] static const Field* find_field(const std::string& name);
  [[nodiscard]] static std::string list_fields();
  template <uint64_t DeviceCounters::*kCounter>
  [[nodiscard]] static std::string counter(Device& device);
  [[nodiscard]] mango_status_e ask_reset(const std::string& how);
  [[nodiscard]] mango_status_e get_config(const std::string& field, std::string& value);
  [[nodiscard]] mango_status_e set_config(const std::string& field, const std::string& value, bool by_owner);

  ServerOptions options_;
  std::string link_path_;
  LinkAccess access_;
  uint16_t first_free_port_ = 0;
  ServerCore core_;
  Descriptor link_listener_;
  Descriptor wake_;
  SpinBudget spin_;
  uint64_t started_ms_ = 0;

  SessionTable sessions_;
  std::unordered_map<uint64_t, std::unique_ptr<ServerClient>> clients_;
  std::unordered_map<std::string, uint64_t> tokens_;
  uint64_t next_serial_ = 1;
  std::vector<uint64_t> queue_;    // sessions to be pumped again
  std::vector<uint64_t> starved_;  // listeners that found no descriptor or no room
  bool freed_ = false;             // since then a session went
  bool link_starved_ = false;
  uint32_t draining_ = 0;
  uint64_t timer_ms_ = 0;
  bool resetting_ = false;
  bool forget_address_ = false;  // by the reset that is asked for
  std::optional<DeviceAddress> address_;

  std::mutex mutex_;
  std::vector<Message> messages_;
  std::atomic<bool> message_waits_{false};
  std::atomic<bool> stopping_{false};
  bool closed_ = false;  // under the mutex: nobody will answer any more
};

}  // namespace mango::device
