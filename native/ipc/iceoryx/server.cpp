// SPDX-License-Identifier: Apache-2.0
// The server half of libmango-ipc-iceoryx.so. One thread takes a request, has it answered and sends the
// answer, one after the other: the library lets a server hold four requests, and ours are answered at once.
#include <atomic>
#include <future>
#include <thread>

#include "iceoryx_posh/popo/untyped_server.hpp"
#include "iceoryx_posh/popo/wait_set.hpp"
#include "iceoryx_posh/runtime/service_discovery.hpp"
#include "ipc/iceoryx/runtime.h"

namespace mango::ipc {

namespace {

constexpr auto kAnswerTimeout = std::chrono::seconds(2);  // a device that hangs must not hang the others

class IceoryxServer final : public ControlServer {
 public:
  IceoryxServer(const Endpoint& endpoint, Serve serve);
  ~IceoryxServer() override;

  [[nodiscard]] const std::string& path() const noexcept override { return path_; }

 private:
  void run();
  [[nodiscard]] bool serve_one();
  [[nodiscard]] Response answer(const std::string& message);
  void respond(const void* request, const Response& response);

  const std::string path_;
  const Serve serve_;
  iox::popo::UntypedServer server_;
  iox::popo::WaitSet<1> waiting_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

IceoryxServer::IceoryxServer(const Endpoint& endpoint, Serve serve)
    : path_(path_of(endpoint)), serve_(std::move(serve)), server_(service_of(endpoint.name)) {
  (void)waiting_.attachState(server_, iox::popo::ServerState::HAS_REQUEST).or_else([](auto&) {});
  thread_ = std::thread([this] { run(); });
}

void IceoryxServer::run() {
  while (!stopping_.load(std::memory_order_acquire)) {
    (void)waiting_.wait();
    while (!stopping_.load(std::memory_order_acquire) && serve_one()) {
    }
  }
}

// False: no request is there.
bool IceoryxServer::serve_one() {
  bool taken = false;
  server_.take()
      .and_then([&](const void* payload) {
        taken = true;
        std::string message;
        Response response;
        response.status = MANGO_STATUS_INVALID_ARGUMENT;
        respond(payload, read_payload(payload, message) ? answer(message) : response);
        server_.releaseRequest(payload);
      })
      .or_else([](auto&) {});
  return taken;
}

Response IceoryxServer::answer(const std::string& message) {
  Response none;
  none.status = MANGO_STATUS_INVALID_ARGUMENT;
  const std::optional<Request> request = decode_request(message);
  if (!request) return none;
  auto promise = std::make_shared<std::promise<Response>>();
  std::future<Response> answered = promise->get_future();
  serve_(*request, [promise](const Response& response) { promise->set_value(response); });
  promise.reset();  // an answer that is dropped breaks the promise
  none.status = MANGO_STATUS_TIMED_OUT;
  if (answered.wait_for(kAnswerTimeout) != std::future_status::ready) return none;
  try {
    return answered.get();
  } catch (const std::future_error&) {
    none.status = MANGO_STATUS_IO;
    return none;
  }
}

void IceoryxServer::respond(const void* request, const Response& response) {
  const std::string message = encode(response);
  const auto* header = iox::popo::RequestHeader::fromPayload(request);
  server_.loan(header, payload_bytes(message), kPayloadAlignment)
      .and_then([&](void* payload) {
        write_payload(payload, message);
        server_.send(payload).or_else([](auto&) {});  // the client may be gone
      })
      .or_else([](auto&) {});
}

IceoryxServer::~IceoryxServer() {
  stopping_.store(true, std::memory_order_release);
  waiting_.markForDestruction();
  thread_.join();
  waiting_.detachState(server_, iox::popo::ServerState::HAS_REQUEST);
}

// The daemon takes a second server of a name for an error that ends the process; so we look first.
bool name_is_taken(const std::string& name) {
  bool taken = false;
  auto discovery = std::make_unique<iox::runtime::ServiceDiscovery>();
  const iox::capro::ServiceDescription service = service_of(name);
  discovery->findService(
      service.getServiceIDString(), service.getInstanceIDString(), service.getEventIDString(),
      [&](const iox::capro::ServiceDescription&) { taken = true; }, iox::popo::MessagingPattern::REQ_RES);
  return taken;
}

}  // namespace

}  // namespace mango::ipc

extern "C" __attribute__((visibility("default"))) mango::ipc::ControlServer* mango_ipc_make_server(
    const std::string& path, mango::ipc::Serve serve, mango::ipc::Failure& failure) {
  using namespace mango::ipc;
  Endpoint endpoint;
  if (!parse_path_of(MANGO_IPC_PROT_ICEORYX, path, endpoint, failure)) return nullptr;
  if (!ensure_runtime(failure)) return nullptr;
  if (name_is_taken(endpoint.name)) {
    failure = {MANGO_STATUS_ADDRESS_IN_USE, path + " is served by another process"};
    return nullptr;
  }
  return new IceoryxServer(endpoint, std::move(serve));
}
