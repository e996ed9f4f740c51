// SPDX-License-Identifier: Apache-2.0
// The engines of the conformance suite, and the proof that it is whole.
#include "mango_conformance.h"

#include <set>

#include "mango_reference.h"

namespace mango_test {
namespace {

std::set<std::string>& covered() {
  static std::set<std::string> names;
  return names;
}

}  // namespace

std::string name_of_engine(const ::testing::TestParamInfo<EngineKind>& engine) {
  return engine.param == EngineKind::kKernel ? "kernel" : "device";
}

bool cover(const char* function) {
  return covered().insert(function).second;
}

bool is_covered(const std::string& function) {
  return covered().count(function) != 0;
}

size_t fill(mango_socket_h socket) {
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_set_nonblocking(socket, true));
  const std::string block = pattern(1 << 16);
  size_t total = 0;
  for (;;) {
    size_t taken = 0;
    const mango_status_e status = mango_socket_send(socket, block.data(), block.size(), &taken);
    if (status != MANGO_STATUS_OK) {
      EXPECT_EQ(MANGO_STATUS_AGAIN, status);
      return total;
    }
    total += taken;
  }
}

void Conformance::SetUp() {
  if (on_device()) {
    DeviceProcess& device = DeviceProcess::shared();
    // Where gRPC's library is missing, so is the plug-in; anything else is a failure.
    if (device.error() == "MANGO_STATUS_NOT_SUPPORTED") GTEST_SKIP() << "the gRPC plug-in is not there";
    ASSERT_EQ("", device.error());
    ASSERT_EQ(MANGO_STATUS_OK, mango_ipc_open(device.path().c_str(), false, &ipc));
  } else {
    ASSERT_EQ(MANGO_STATUS_OK, mango_context_create(&context));
  }
  tcp = make_tcp();
}

void Conformance::TearDown() {
  for (mango_socket_h socket : sockets_) (void)mango_socket_destroy(socket);
  peers_.clear();
  for (const int fd : fds_) ::close(fd);
  for (mango_tcp_h one : tcps_) EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_destroy(one));
  EXPECT_EQ(MANGO_STATUS_OK, context ? mango_context_destroy(context) : MANGO_STATUS_OK);
  EXPECT_EQ(MANGO_STATUS_OK, ipc ? mango_ipc_close(ipc) : MANGO_STATUS_OK);
}

mango_tcp_h Conformance::make_tcp() {
  mango_tcp_h made = nullptr;
  EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_create(&made));
  EXPECT_EQ(MANGO_STATUS_OK,
            on_device() ? mango_tcp_set_ipc(made, ipc) : mango_tcp_set_context(made, context));
  tcps_.push_back(made);
  return made;
}

mango_socket_h Conformance::create() {
  mango_socket_h socket = nullptr;
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_create(tcp, &socket));
  sockets_.push_back(socket);
  return socket;
}

mango_socket_h Conformance::open() {
  mango_socket_h socket = create();
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_open(socket, nullptr));
  return socket;
}

mango_socket_h Conformance::listen(bool nonblocking) {
  mango_socket_h socket = open();
  const sockaddr_in address = loopback();
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_bind(socket, as_sockaddr(address), sizeof(address)));
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_listen(socket, 128));
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_set_nonblocking(socket, nonblocking));
  return socket;
}

mango_socket_h Conformance::accept(mango_socket_h listener) {
  EXPECT_TRUE(poll_events(fd_of(listener), POLLIN) & POLLIN) << "nobody came";
  mango_socket_h socket = nullptr;
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_accept(listener, nullptr, nullptr, &socket));
  sockets_.push_back(socket);
  return socket;
}

int Conformance::own_fd(int fd) {
  EXPECT_GE(fd, 0);
  fds_.push_back(fd);
  return fd;
}

Conformance::Pair Conformance::connect_pair(int receive_buffer) {
  mango_socket_h listener = listen();
  RawPeer& peer = peers_.emplace_back(Engine::port_of(listener), receive_buffer);
  return {accept(listener), peer};
}

INSTANTIATE_TEST_SUITE_P(Engines, Conformance, ::testing::Values(EngineKind::kKernel, EngineKind::kDevice),
                         name_of_engine);

}  // namespace mango_test

TEST(MangoConformance, every_function_of_the_reference_has_a_test) {
  for (const char* name : mango_test::kReference) EXPECT_TRUE(mango_test::is_covered(name)) << name;
}
