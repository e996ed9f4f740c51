// SPDX-License-Identifier: Apache-2.0
// The plug-in libmango-ipc-grpc.so: the server of the IPC channel over gRPC, on libgrpc++'s callback API and
// its generic service, so that our own encoding serves and no code is generated. Without TLS, and without
// authentication of its own: who may connect is a matter of the address it binds (mango_ipc.proto).
#include <absl/synchronization/mutex.h>
#include <grpc/support/log.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <chrono>
#include <climits>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <utility>
#include <vector>

#include "ipc/grpc/listener.h"
#include "ipc/grpc_client.h"
#include "ipc/transport.h"

namespace mango::ipc {

namespace {

constexpr int kMostStreams = 256;                 // calls at once over one connection
constexpr int kMostMetadataBytes = 8 * 1024;      // header fields of one call
constexpr size_t kMostMemory = 64 * 1024 * 1024;  // of all connections together
constexpr auto kGrace = std::chrono::milliseconds(500);

grpc::ByteBuffer to_buffer(const std::string& octets) {
  const grpc::Slice slice(octets);
  return {&slice, 1};
}

bool from_buffer(const grpc::ByteBuffer& buffer, std::string& octets) {
  std::vector<grpc::Slice> slices;
  if (!buffer.Dump(&slices).ok()) return false;
  for (const grpc::Slice& slice : slices) {
    octets.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return true;
}

// The calls under way. libgrpc's own graceful end waits for connections, and ours rest open without a thread
// that would see a farewell.
class CallCount {
 public:
  void begin() {
    std::lock_guard lock(mutex_);
    ++calls_;
  }
  void end() {
    std::lock_guard lock(mutex_);
    if (--calls_ == 0) none_.notify_all();
  }
  void wait_for_none(std::chrono::milliseconds most) {
    std::unique_lock lock(mutex_);
    none_.wait_for(lock, most, [this] { return calls_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable none_;
  int calls_ = 0;
};

// One call. libgrpc deletes it through OnDone, which comes after Finish, which is up to us: exactly once,
// whether the answer comes, is dropped without a word, or comes after the client or the server gave up.
class Call final : public grpc::ServerGenericBidiReactor {
 public:
  Call(const Serve& serve, CallCount& count)
      : serve_(serve), count_(count), pending_(std::make_shared<Pending>(*this)) {
    count_.begin();
    StartRead(&request_);
  }

  void OnReadDone(bool ok) override {
    const std::shared_ptr<Pending> pending = std::move(pending_);
    std::string octets;
    if (!ok || !from_buffer(request_, octets)) {
      pending->refuse({grpc::StatusCode::INVALID_ARGUMENT, "one message is expected"});
      return;
    }
    const std::optional<Request> request = decode_request(octets);
    if (!request) {
      pending->refuse({grpc::StatusCode::INVALID_ARGUMENT, "the message is no mango.ipc.v1.Request"});
      return;
    }
    serve_(*request, [pending](const Response& response) { pending->answer(response); });
  }

  void OnCancel() override {
    if (const std::shared_ptr<Pending> pending = cancelled_.lock()) pending->refuse(grpc::Status::CANCELLED);
  }

  void OnDone() override {
    count_.end();
    delete this;
  }

 private:
  // Held by all copies of the answer function: the last one ends a call that nobody answered.
  class Pending {
   public:
    explicit Pending(Call& waiting) : call_(&waiting) {}
    ~Pending() { refuse({grpc::StatusCode::INTERNAL, "no answer"}); }
    Pending(const Pending&) = delete;
    Pending& operator=(const Pending&) = delete;

    void answer(const Response& response) {
      std::lock_guard lock(mutex_);
      if (Call* call = std::exchange(call_, nullptr)) call->respond(response);
    }
    void refuse(const grpc::Status& status) {
      std::lock_guard lock(mutex_);
      if (Call* call = std::exchange(call_, nullptr)) call->Finish(status);
    }

   private:
    std::mutex mutex_;
    Call* call_;  // null: finished
  };

  void respond(const Response& response) {
    response_ = to_buffer(encode(response));
    StartWriteAndFinish(&response_, {}, grpc::Status::OK);
  }

  const Serve& serve_;
  CallCount& count_;
  std::shared_ptr<Pending> pending_;  // until the request is read
  const std::weak_ptr<Pending> cancelled_{pending_};
  grpc::ByteBuffer request_;
  grpc::ByteBuffer response_;
};

class Service final : public grpc::CallbackGenericService {
 public:
  explicit Service(Serve serve) : serve_(std::move(serve)) {}

  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext* context) override {
    if (context->method() == kGrpcMethod) return new Call(serve_, calls_);
    return grpc::CallbackGenericService::CreateReactor(context);  // UNIMPLEMENTED
  }
  void wait_for_calls(std::chrono::milliseconds most) { calls_.wait_for_none(most); }

 private:
  const Serve serve_;
  CallCount calls_;
};

class GrpcServer final : public ControlServer {
 public:
  explicit GrpcServer(Serve serve) : service_(std::move(serve)) {}
  ~GrpcServer() override;

  [[nodiscard]] bool start(Endpoint endpoint, Failure& failure);
  [[nodiscard]] const std::string& path() const noexcept override { return path_; }

 private:
  std::string path_;
  Service service_;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<Listener> listener_;
};

void limit(grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  builder.SetResourceQuota(grpc::ResourceQuota("mango-ipc").Resize(kMostMemory));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMostStreams);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMostMetadataBytes);
  // A client without threads answers pings only while it calls; its connection may rest for days.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, INT_MAX);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
}

bool GrpcServer::start(Endpoint endpoint, Failure& failure) {
  listener_ = std::make_unique<Listener>();
  if (!listener_->bind(endpoint, failure)) return false;
  path_ = path_of(endpoint);
  grpc::ServerBuilder builder;
  limit(builder);
  builder.RegisterCallbackGenericService(&service_);
  using Connections = grpc::ServerBuilder::experimental_type::ExternalConnectionType;
  acceptor_ = builder.experimental().AddExternalConnectionAcceptor(Connections::FROM_FD,
                                                                   grpc::InsecureServerCredentials());
  server_ = builder.BuildAndStart();
  if (!server_) {
    failure = {MANGO_STATUS_NO_MEMORY, "gRPC cannot start a server"};
    return false;
  }
  listener_->start([this](int fd) {
    grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters connection;
    connection.fd = fd;
    acceptor_->HandleNewConnection(&connection);
  });
  return true;
}

GrpcServer::~GrpcServer() {
  listener_.reset();
  if (!server_) return;
  service_.wait_for_calls(kGrace);
  server_->Shutdown(std::chrono::system_clock::now());
  server_->Wait();
}

// What a stranger sends is no news of ours: libgrpc would write a line for each of its complaints.
void hush() {
  if (!getenv("GRPC_VERBOSITY")) gpr_set_log_function([](gpr_log_func_args*) {});
}

// Debian's abseil looks for deadlocks at each lock that is taken. The locks are gRPC's own, and without that
// a quarter more calls are served.
void trust_locks() {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
}

}  // namespace

}  // namespace mango::ipc

extern "C" __attribute__((visibility("default"))) mango::ipc::ControlServer* mango_ipc_make_server(
    const std::string& path, mango::ipc::Serve serve, mango::ipc::Failure& failure) {
  using namespace mango::ipc;
  Endpoint endpoint;
  if (!parse_path_of(MANGO_IPC_PROT_GRPC, path, endpoint, failure)) return nullptr;
  hush();
  trust_locks();
  auto server = std::make_unique<GrpcServer>(std::move(serve));
  return server->start(std::move(endpoint), failure) ? server.release() : nullptr;
}
