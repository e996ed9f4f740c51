// SPDX-License-Identifier: Apache-2.0
// Protocol Buffers' encoding: a field is a varint key (number << 3 | wire type) and a value. Proto3: what has
// its default value is left out, what is absent has it. Decoding takes what any encoder makes and refuses
// what none does: a known field of another wire type or twice, a number too big for its type, groups.
#include "ipc/message.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cstring>

namespace mango::ipc {

namespace {

enum class Wire : uint32_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

constexpr uint32_t kMostFields = 32;  // numbers a message of ours may come to use; bits of `seen`
constexpr int kLargestStatus = 2047;  // what a mango_status_e can hold without undefined behaviour

// ------------------------------------------------------------------------------------------------- encoding
// --

void put_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

void put_key(std::string& out, uint32_t number, Wire wire) {
  put_varint(out, number << 3 | static_cast<uint32_t>(wire));
}

void put_number(std::string& out, uint32_t number, uint32_t value) {
  if (value == 0) return;
  put_key(out, number, Wire::kVarint);
  put_varint(out, value);
}

// sint32: zigzag, so that small negative numbers stay short.
void put_signed(std::string& out, uint32_t number, int32_t value) {
  put_number(out, number, static_cast<uint32_t>(value) << 1 ^ static_cast<uint32_t>(value >> 31));
}

void put_bytes(std::string& out, uint32_t number, std::string_view value) {
  if (value.empty()) return;
  put_key(out, number, Wire::kBytes);
  put_varint(out, value.size());
  out += value;
}

void put_address(std::string& out, uint32_t number, const Address& address) {
  std::string inner;
  if (address.storage.ss_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, &address.storage, sizeof in);
    put_bytes(inner, 1, {reinterpret_cast<const char*>(&in.sin_addr), sizeof in.sin_addr});
    put_number(inner, 2, ntohs(in.sin_port));
  } else if (address.storage.ss_family == AF_INET6) {
    sockaddr_in6 in{};
    std::memcpy(&in, &address.storage, sizeof in);
    put_bytes(inner, 1, {reinterpret_cast<const char*>(&in.sin6_addr), sizeof in.sin6_addr});
    put_number(inner, 2, ntohs(in.sin6_port));
    put_number(inner, 3, in.sin6_scope_id);
  }
  put_bytes(out, number, inner);
}

// ------------------------------------------------------------------------------------------------- decoding
// --

struct Field {
  uint32_t number = 0;
  Wire wire = Wire::kVarint;
  uint64_t value = 0;      // kVarint
  std::string_view bytes;  // kBytes

  [[nodiscard]] bool read(uint32_t& out) const noexcept {
    if (wire != Wire::kVarint || value > UINT32_MAX) return false;
    out = static_cast<uint32_t>(value);
    return true;
  }
  [[nodiscard]] bool read(int32_t& out) const noexcept {
    uint32_t zigzag = 0;
    if (!read(zigzag)) return false;
    out = static_cast<int32_t>(zigzag >> 1 ^ (0 - (zigzag & 1)));
    return true;
  }
  [[nodiscard]] bool read(std::string& out, size_t most) const {
    if (wire != Wire::kBytes || bytes.size() > most) return false;
    out.assign(bytes);
    return true;
  }
  [[nodiscard]] bool read_text(std::string& out) const {
    return is_text(bytes) && read(out, kMaxMessageBytes);
  }
};

class FieldReader {
 public:
  explicit FieldReader(std::string_view octets) noexcept : rest_(octets) {}

  [[nodiscard]] bool done() const noexcept { return rest_.empty(); }

  // The next field; false when there is none to be read here. A number below kMostFields may come once.
  [[nodiscard]] bool next(Field& field) noexcept {
    uint64_t key = 0;
    if (!varint(key) || key > UINT32_MAX || key >> 3 == 0) return false;
    field = {.number = static_cast<uint32_t>(key >> 3), .wire = static_cast<Wire>(key & 7)};
    if (field.number < kMostFields) {
      const uint32_t bit = uint32_t{1} << field.number;
      if (seen_ & bit) return false;
      seen_ |= bit;
    }
    return value(field);
  }

 private:
  [[nodiscard]] bool varint(uint64_t& out) noexcept {
    out = 0;
    for (size_t i = 0; i < rest_.size() && i < 10; ++i) {
      const auto octet = static_cast<uint8_t>(rest_[i]);
      if (i == 9 && octet > 1) return false;  // beyond 64 bits
      out |= uint64_t{octet & 0x7Fu} << (7 * i);
      if (octet & 0x80) continue;
      rest_.remove_prefix(i + 1);
      return true;
    }
    return false;
  }

  [[nodiscard]] bool take(uint64_t size, std::string_view& out) noexcept {
    if (size > rest_.size()) return false;
    out = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return true;
  }

  [[nodiscard]] bool value(Field& field) noexcept {
    uint64_t size = 0;
    switch (field.wire) {
      case Wire::kVarint:
        return varint(field.value);
      case Wire::kFixed64:
        return take(8, field.bytes);
      case Wire::kFixed32:
        return take(4, field.bytes);
      case Wire::kBytes:
        return varint(size) && take(size, field.bytes);
    }
    return false;  // groups, and wire types that do not exist
  }

  std::string_view rest_;
  uint32_t seen_ = 0;
};

// Calls read(field) for every field of the message until one is refused.
template <class Read>
bool read_fields(std::string_view octets, Read read) {
  FieldReader reader(octets);
  while (!reader.done()) {
    Field field;
    if (!reader.next(field) || !read(field)) return false;
  }
  return true;
}

bool make_address(std::string_view ip, uint16_t port, uint32_t scope, Address& out) noexcept {
  if (ip.size() == sizeof(in_addr) && scope == 0) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(port);
    std::memcpy(&in.sin_addr, ip.data(), ip.size());
    std::memcpy(&out.storage, &in, sizeof in);
    return true;
  }
  if (ip.size() != sizeof(in6_addr)) return false;
  sockaddr_in6 in{};
  in.sin6_family = AF_INET6;
  in.sin6_port = htons(port);
  in.sin6_scope_id = scope;
  std::memcpy(&in.sin6_addr, ip.data(), ip.size());
  std::memcpy(&out.storage, &in, sizeof in);
  return true;
}

// An address without octets is as good as none.
bool read_address(const Field& field, Address& out) {
  if (field.wire != Wire::kBytes) return false;
  std::string ip;
  uint32_t port = 0;
  uint32_t scope = 0;
  const bool read = read_fields(field.bytes, [&](const Field& part) {
    switch (part.number) {
      case 1:
        return part.read(ip, sizeof(in6_addr));
      case 2:
        return part.read(port) && port <= UINT16_MAX;
      case 3:
        return part.read(scope);
      default:
        return true;
    }
  });
  if (!read) return false;
  if (ip.empty()) return port == 0 && scope == 0;
  return make_address(ip, static_cast<uint16_t>(port), scope, out);
}

bool read_type(const Field& field, mango_ipc_msg_e& out) noexcept {
  uint32_t type = 0;
  if (!field.read(type) || type > MANGO_IPC_MSG_TCP_ABORT) return false;
  out = static_cast<mango_ipc_msg_e>(type);
  return true;
}

bool read_status(const Field& field, mango_status_e& out) noexcept {
  int32_t status = 0;
  if (!field.read(status) || status > 0 || status < -kLargestStatus) return false;
  out = static_cast<mango_status_e>(status);
  return true;
}

// The length of the UTF-8 sequence text begins with (RFC 3629, section 4), or 0. NUL is not text.
size_t sequence_length(std::string_view text) noexcept {
  const auto at = [&](size_t i) { return i < text.size() ? static_cast<uint8_t>(text[i]) : uint8_t{0}; };
  const auto tail = [&](size_t i) { return (at(i) & 0xC0) == 0x80; };
  const uint8_t first = at(0);
  if (first < 0x80) return first != 0 ? 1 : 0;
  if (first < 0xC2 || first > 0xF4) return 0;
  if (first < 0xE0) return tail(1) ? 2 : 0;
  if (!tail(1) || !tail(2)) return 0;
  const bool overlong = (first == 0xE0 && at(1) < 0xA0) || (first == 0xF0 && at(1) < 0x90);
  const bool surrogate = first == 0xED && at(1) > 0x9F;
  const bool beyond = first == 0xF4 && at(1) > 0x8F;
  if (overlong || surrogate || beyond) return 0;
  if (first < 0xF0) return 3;
  return tail(3) ? 4 : 0;
}

}  // namespace

bool is_text(std::string_view text) noexcept {
  while (!text.empty()) {
    const size_t length = sequence_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

socklen_t Address::length() const noexcept {
  switch (storage.ss_family) {
    case AF_INET:
      return sizeof(sockaddr_in);
    case AF_INET6:
      return sizeof(sockaddr_in6);
    default:
      return 0;
  }
}

Address address_of(const sockaddr* addr, socklen_t length) noexcept {
  Address address;
  if (!addr || length < sizeof addr->sa_family) return address;
  sa_family_t family = AF_UNSPEC;
  std::memcpy(&family, &addr->sa_family, sizeof family);
  const size_t size = family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  if ((family != AF_INET && family != AF_INET6) || length < size) return address;
  std::memcpy(&address.storage, addr, size);
  return address;
}

std::string encode(const Request& request) {
  std::string out;
  put_number(out, 1, static_cast<uint32_t>(request.type));
  put_number(out, 2, request.device);
  put_bytes(out, 3, request.client);
  put_number(out, 4, request.session);
  put_address(out, 5, request.address);
  put_signed(out, 6, request.backlog);
  put_bytes(out, 7, request.field);
  put_bytes(out, 8, request.value);
  return out;
}

std::string encode(const Response& response) {
  std::string out;
  put_signed(out, 1, response.status);
  put_address(out, 2, response.address);
  put_bytes(out, 3, response.value);
  put_bytes(out, 4, response.link);
  put_bytes(out, 5, response.version);
  return out;
}

std::optional<Request> decode_request(std::string_view octets) {
  if (octets.size() > kMaxMessageBytes) return std::nullopt;
  Request request;
  const bool read = read_fields(octets, [&](const Field& field) {
    switch (field.number) {
      case 1:
        return read_type(field, request.type);
      case 2:
        return field.read(request.device);
      case 3:
        return field.read(request.client, kMaxClientBytes);
      case 4:
        return field.read(request.session);
      case 5:
        return read_address(field, request.address);
      case 6:
        return field.read(request.backlog);
      case 7:
        return field.read_text(request.field);
      case 8:
        return field.read_text(request.value);
      default:
        return true;
    }
  });
  return read ? std::optional(std::move(request)) : std::nullopt;
}

std::optional<Response> decode_response(std::string_view octets) {
  if (octets.size() > kMaxMessageBytes) return std::nullopt;
  Response response;
  const bool read = read_fields(octets, [&](const Field& field) {
    switch (field.number) {
      case 1:
        return read_status(field, response.status);
      case 2:
        return read_address(field, response.address);
      case 3:
        return field.read_text(response.value);
      case 4:
        return field.read(response.link, kMaxMessageBytes);
      case 5:
        return field.read_text(response.version);
      default:
        return true;
    }
  });
  return read ? std::optional(std::move(response)) : std::nullopt;
}

}  // namespace mango::ipc
