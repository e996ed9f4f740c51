// SPDX-License-Identifier: Apache-2.0
#include "net/engine.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

namespace mango::net {
namespace {

// Next to the test program, unless MANGO_LIBRARY says otherwise.
std::string library_path() {
  if (const char* path = std::getenv("MANGO_LIBRARY")) return path;
  return std::filesystem::read_symlink("/proc/self/exe").parent_path() / "libmango.so";
}

TEST(Engine, IsBuiltIn) {
  std::string error;
  const auto engine = Engine::open("", error);
  ASSERT_NE(nullptr, engine) << error;
  EXPECT_NE(nullptr, engine->tcp());
  EXPECT_EQ("kernel (built in)", engine->name());
}

TEST(Engine, ComesFromALibrary) {
  std::string error;
  const auto engine = Engine::open(library_path(), error);
  ASSERT_NE(nullptr, engine) << error;
  EXPECT_EQ(library_path(), engine->name());
  mango_socket_h socket = nullptr;
  ASSERT_EQ(MANGO_STATUS_OK, engine->socket_create(engine->tcp(), &socket));
  EXPECT_EQ(MANGO_STATUS_OK, engine->socket_destroy(socket));
}

TEST(Engine, NamesALibraryThatIsNotThere) {
  std::string error;
  EXPECT_EQ(nullptr, Engine::open("/nonexistent/libmango.so", error));
  EXPECT_NE(std::string::npos, error.find("/nonexistent/libmango.so")) << error;
}

TEST(Engine, RefusesAFileThatIsNoLibrary) {
  std::string error;
  EXPECT_EQ(nullptr, Engine::open("/dev/null", error));
  EXPECT_FALSE(error.empty());
}

TEST(Engine, NamesTheSymbolsThatALibraryLacks) {
  std::string error;
  EXPECT_EQ(nullptr, Engine::open("libm.so.6", error));
  EXPECT_NE(std::string::npos, error.find("libm.so.6 lacks mango_context_create, ")) << error;
  EXPECT_NE(std::string::npos, error.find("mango_tcp_create")) << error;
}

// Nobody listens on port 1, and no iceoryx server has that name.
TEST(Engine, SaysThatADeviceDoesNotAnswer) {
  std::string error;
  EXPECT_EQ(nullptr, Engine::open(EngineOptions{.ipc_address = "127.0.0.1:1"}, error));
  EXPECT_EQ("the device at 127.0.0.1:1 does not answer; is mango-toed running?", error);
}

TEST(Engine, EndsAnEraOnceWhoeverSaysSo) {
  std::string error;
  const auto engine = Engine::open("", error);
  ASSERT_NE(nullptr, engine) << error;
  int noticed = 0;
  engine->on_reset([&] { ++noticed; });
  engine->note_reset(0);
  engine->note_reset(0);
  EXPECT_EQ(1U, engine->era());
  EXPECT_EQ(1, noticed);
  EXPECT_TRUE(engine->lost());
  engine->settle(1);
  EXPECT_FALSE(engine->lost());
  engine->note_reset(1);
  EXPECT_EQ(2U, engine->era());
}

TEST(Engine, CanBeOpenedTwiceAtOnce) {
  std::string error;
  const auto one = Engine::open("", error);
  const auto two = Engine::open("", error);
  ASSERT_NE(nullptr, two) << error;
  EXPECT_NE(one->tcp(), two->tcp());
}

}  // namespace
}  // namespace mango::net
