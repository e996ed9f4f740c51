// SPDX-License-Identifier: Apache-2.0
#include "ipc/grpc_session.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <new>

#include "ipc/grpc_client.h"

namespace mango::ipc {

namespace {

// What a server may send without ending an exchange, before it counts as a flood. A whole answer with its
// fields is far below.
constexpr size_t kMostFruitlessBytes = 128 * 1024;
constexpr uint32_t kMostFieldBytes = 16 * 1024;  // of one answer; told to the server
constexpr int kHttpOk = 200;

// gRPC's status codes that mean something to us (grpc.io, "Status codes and their use in gRPC").
enum GrpcStatus : int {
  kOk = 0,
  kInvalidArgument = 3,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kUnimplemented = 12,
  kUnauthenticated = 16
};

mango_status_e status_of_grpc(int status) noexcept {
  switch (status) {
    case kOk:
      return MANGO_STATUS_OK;
    case kInvalidArgument:
      return MANGO_STATUS_INVALID_ARGUMENT;
    case kPermissionDenied:
    case kUnauthenticated:
      return MANGO_STATUS_ACCESS_DENIED;
    case kResourceExhausted:
      return MANGO_STATUS_NO_BUFFERS;
    case kUnimplemented:
      return MANGO_STATUS_NOT_SUPPORTED;
    default:
      return MANGO_STATUS_IPC_UNAVAILABLE;
  }
}

// -1 when the text is no number.
int number_of(std::string_view text) noexcept {
  int number = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size() && number >= 0 ? number : -1;
}

std::string framed(std::string_view message) {
  const auto size = static_cast<uint32_t>(message.size());
  std::string out(1, '\0');
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(size >> shift);
  out += message;
  return out;
}

// The one message of a body; false when it is not exactly that.
bool unframe(const std::string& body, std::string& message) {
  if (body.size() < kGrpcPrefixBytes || body[0] != 0) return false;
  size_t size = 0;
  for (size_t i = 1; i < kGrpcPrefixBytes; ++i) size = size << 8 | static_cast<uint8_t>(body[i]);
  if (size != body.size() - kGrpcPrefixBytes) return false;
  message = body.substr(kGrpcPrefixBytes);
  return true;
}

nghttp2_nv field(std::string_view name, std::string_view value) noexcept {
  const auto octets = [](std::string_view text) {
    return reinterpret_cast<uint8_t*>(const_cast<char*>(text.data()));
  };
  return {octets(name), octets(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

}  // namespace

std::unique_ptr<GrpcSession> GrpcSession::make(std::string authority) {
  std::unique_ptr<GrpcSession> made(new GrpcSession(std::move(authority)));
  if (!made->start()) return nullptr;
  return made;
}

bool GrpcSession::start() noexcept {
  nghttp2_session_callbacks* const calls = callbacks();
  if (!calls || nghttp2_session_client_new(&session_, calls, this) != 0) return false;
  const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
                                             {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, kMostFieldBytes}};
  return nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, std::size(settings)) == 0;
}

// One set for the process, never freed: sessions may outlive main.
nghttp2_session_callbacks* GrpcSession::callbacks() noexcept {
  static nghttp2_session_callbacks* const made = [] {
    nghttp2_session_callbacks* fresh = nullptr;
    if (nghttp2_session_callbacks_new(&fresh) != 0) return fresh;
    nghttp2_session_callbacks_set_on_header_callback(fresh, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(fresh, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(fresh, on_close);
    return fresh;
  }();
  return made;
}

bool GrpcSession::accepts() const noexcept {
  return nghttp2_session_check_request_allowed(session_) != 0;
}

bool GrpcSession::submit(std::string_view message, GrpcCall* call) {
  const nghttp2_nv fields[] = {
      field(":method", "POST"),        field(":scheme", "http"), field(":path", kGrpcMethod),
      field(":authority", authority_), field("te", "trailers"),  field("content-type", "application/grpc"),
  };
  auto exchange = std::make_unique<Exchange>();
  exchange->session = this;
  exchange->call = call;
  exchange->request = framed(message);
  nghttp2_data_provider provider{};
  provider.source.ptr = exchange.get();
  provider.read_callback = read_request;
  // Known to us before nghttp2 knows it: nothing can fail once it does.
  const auto stream = static_cast<int32_t>(nghttp2_session_get_next_stream_id(session_));
  exchanges_.emplace(stream, std::move(exchange));
  if (nghttp2_submit_request(session_, nullptr, fields, std::size(fields), &provider, nullptr) != stream) {
    exchanges_.erase(stream);
    return false;
  }
  if (call) call->stream = stream;
  return true;
}

void GrpcSession::forget(GrpcCall& call) noexcept {
  Exchange* exchange = exchange_of(call.stream);
  if (!exchange || exchange->call != &call) return;
  exchange->call = nullptr;
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, call.stream, NGHTTP2_CANCEL);
}

bool GrpcSession::feed(std::string_view octets) noexcept {
  fruitless_ += octets.size();
  if (fruitless_ > kMostFruitlessBytes) return false;
  const auto* data = reinterpret_cast<const uint8_t*>(octets.data());
  return nghttp2_session_mem_recv(session_, data, octets.size()) == static_cast<ssize_t>(octets.size());
}

bool GrpcSession::output(std::string& out) {
  for (;;) {
    const uint8_t* data = nullptr;
    const ssize_t size = nghttp2_session_mem_send(session_, &data);
    if (size < 0) return false;
    if (size == 0) break;
    out.append(reinterpret_cast<const char*>(data), static_cast<size_t>(size));
  }
  // Neither reading nor writing: after a GOAWAY of ours, for an error of the server's.
  return nghttp2_session_want_read(session_) != 0;
}

GrpcSession::Exchange* GrpcSession::exchange_of(int32_t stream) const noexcept {
  const auto found = exchanges_.find(stream);
  return found == exchanges_.end() ? nullptr : found->second.get();
}

int GrpcSession::on_header(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name,
                           size_t name_size, const uint8_t* value, size_t value_size, uint8_t,
                           void* user) noexcept {
  Exchange* exchange = static_cast<GrpcSession*>(user)->exchange_of(frame->hd.stream_id);
  if (!exchange) return 0;
  exchange->spoken = true;
  const std::string_view key(reinterpret_cast<const char*>(name), name_size);
  const std::string_view text(reinterpret_cast<const char*>(value), value_size);
  if (key == ":status") exchange->http_status = number_of(text);
  if (key == "grpc-status") exchange->grpc_status = number_of(text);
  return 0;
}

int GrpcSession::on_data(nghttp2_session* session, uint8_t, int32_t stream, const uint8_t* data, size_t size,
                         void* user) noexcept {
  Exchange* exchange = static_cast<GrpcSession*>(user)->exchange_of(stream);
  if (!exchange || exchange->excess) return 0;
  if (exchange->body.size() + size > kGrpcPrefixBytes + kMaxMessageBytes) {
    exchange->excess = true;
    return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, stream, NGHTTP2_CANCEL);
  }
  try {
    exchange->body.append(reinterpret_cast<const char*>(data), size);
  } catch (const std::bad_alloc&) {
    return NGHTTP2_ERR_CALLBACK_FAILURE;
  }
  return 0;
}

int GrpcSession::on_close(nghttp2_session*, int32_t stream, uint32_t error, void* user) noexcept {
  auto* self = static_cast<GrpcSession*>(user);
  Exchange* exchange = self->exchange_of(stream);
  if (!exchange) return 0;
  self->fruitless_ = 0;
  self->finish(*exchange, error);
  self->exchanges_.erase(stream);
  return 0;
}

ssize_t GrpcSession::read_request(nghttp2_session*, int32_t, uint8_t* out, size_t room, uint32_t* flags,
                                  nghttp2_data_source* source, void*) noexcept {
  auto* exchange = static_cast<Exchange*>(source->ptr);
  const size_t size = std::min(room, exchange->request.size() - exchange->sent);
  std::memcpy(out, exchange->request.data() + exchange->sent, size);
  exchange->sent += size;
  if (exchange->sent == exchange->request.size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
  return static_cast<ssize_t>(size);
}

// Tells the caller how its exchange ended.
void GrpcSession::finish(Exchange& exchange, uint32_t error) noexcept {
  GrpcCall* call = exchange.call;
  if (!call) return;
  call->done = true;
  call->status = MANGO_STATUS_IPC_UNAVAILABLE;
  if (!exchange.spoken) {
    call->lost = error == NGHTTP2_REFUSED_STREAM;
    return;
  }
  if (error != NGHTTP2_NO_ERROR || exchange.excess || exchange.http_status != kHttpOk) return;
  call->status = status_of_grpc(exchange.grpc_status);
  if (call->status != MANGO_STATUS_OK) return;
  try {
    if (!unframe(exchange.body, call->answer)) call->status = MANGO_STATUS_IPC_UNAVAILABLE;
  } catch (const std::bad_alloc&) {
    call->status = MANGO_STATUS_NO_MEMORY;
  }
}

GrpcSession::~GrpcSession() {
  for (auto& [stream, exchange] : exchanges_) finish(*exchange, NGHTTP2_REFUSED_STREAM);
  nghttp2_session_del(session_);
}

}  // namespace mango::ipc
