// SPDX-License-Identifier: Apache-2.0
// A connection as a codec sees it: the place where its bytes go. What sessions and upstream connections
// share.
#pragma once

#include "http/codec.h"
#include "net/connection.h"

namespace mango::proxy {

class CodecConnection : public net::Connection, public http::Sink {
 public:
  using net::Connection::Connection;

  bool put(std::string_view bytes) final { return write(bytes); }
  size_t offer(std::string_view bytes) final { return write_through(bytes); }
  bool congested() noexcept final { return net::Connection::congested(); }
  void finish() final { finish_output(); }
};

}  // namespace mango::proxy
