// SPDX-License-Identifier: Apache-2.0
// Connections over real sockets, a loop in a thread of its own, and a peer in blocking calls. What the
// connection is to do is posted to its loop; what it saw is read after the loop has ended.
#include "net/connection.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>
#include <thread>

namespace mango::net {
namespace {

struct Recorder final : Connection {
  using Connection::Connection;
  size_t on_input(std::span<char> bytes) override {
    ++inputs;
    if (take) return take(bytes);
    text.append(bytes.data(), bytes.size());
    return bytes.size();
  }
  void on_input_end(Io io) override {
    end = io;
    if (ended) ended();
  }
  void on_writable() override {
    if (writable) writable();
  }
  void on_output_failed(Io io) override {
    failure = io;
    if (failed) failed();
  }
  void on_connected(Io io) override {
    if (connected) connected(io);
  }
  void on_no_memory() override { ++no_memory; }

  using Connection::attach;
  using Connection::close_stream;
  using Connection::finish_output;
  using Connection::has_kept_input;

  std::function<size_t(std::span<char>)> take;
  std::function<void()> ended, writable, failed;
  std::function<void(Io)> connected;
  std::string text;
  int inputs = 0;
  int no_memory = 0;
  Io end = Io::ok;
  Io failure = Io::ok;
};

class ConnectionTest : public ::testing::Test {
 protected:
  void SetUp() override {
    engine = Engine::open("", error);
    ASSERT_NE(nullptr, engine) << error;
    loop = std::make_unique<Loop>(*engine);
    ASSERT_EQ(nullptr, loop->start());
    io = std::make_unique<WorkerIo>(*loop, pool);
    one = std::make_unique<Recorder>(*io);
    listening = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(0, ::bind(listening, reinterpret_cast<sockaddr*>(&address), sizeof address));
    ASSERT_EQ(0, ::listen(listening, 8));
    endpoint.length = sizeof endpoint.storage;
    ASSERT_EQ(0, ::getsockname(listening, reinterpret_cast<sockaddr*>(&endpoint.storage), &endpoint.length));
  }
  void TearDown() override {
    stop();
    one.reset();
    if (peer >= 0) ::close(peer);
    if (listening >= 0) ::close(listening);
  }

  // Connects `one` to the listening socket and accepts at the other end. The loop is not running yet.
  void connect(int receive_buffer = 0) {
    if (receive_buffer != 0)
      ::setsockopt(listening, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    Stream stream;
    const Io result = stream.connect(*engine, endpoint);
    ASSERT_TRUE(result == Io::ok || result == Io::again);
    ASSERT_TRUE(one->attach(std::move(stream), result == Io::again));
    peer = ::accept(listening, nullptr, nullptr);
    ASSERT_GE(peer, 0);
    const timeval limit{.tv_sec = 20, .tv_usec = 0};
    ::setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    start();
  }
  void start() {
    thread = std::thread([this] { loop->run([this] { io->flush_writer(); }); });
  }
  void stop() {
    if (!thread.joinable()) return;
    loop->stop();
    thread.join();
  }
  void on_loop(const std::function<void()>& work) {
    std::promise<void> done;
    loop->post([&] {
      work();
      done.set_value();
    });
    done.get_future().wait();
  }
  void peer_sends(std::string_view bytes) {
    ASSERT_EQ(static_cast<ssize_t>(bytes.size()), ::send(peer, bytes.data(), bytes.size(), MSG_NOSIGNAL));
  }
  std::string peer_reads(size_t count) {
    std::string all;
    char bytes[65536];
    while (all.size() < count) {
      const ssize_t n = ::recv(peer, bytes, std::min(sizeof bytes, count - all.size()), 0);
      if (n <= 0) break;
      all.append(bytes, static_cast<size_t>(n));
    }
    return all;
  }

  std::string error;
  std::unique_ptr<Engine> engine;
  BufferPool pool{1 << 20};
  std::unique_ptr<Loop> loop;
  std::unique_ptr<WorkerIo> io;
  std::unique_ptr<Recorder> one;
  Endpoint endpoint;
  int listening = -1;
  int peer = -1;
  std::thread thread;
};

TEST_F(ConnectionTest, GathersTheSmallWritesOfATurn) {
  connect();
  on_loop([&] {
    for (const char* piece : {"head ", "and ", "content"}) EXPECT_TRUE(one->write(piece));
    EXPECT_EQ(4U, one->write_through(" end"));
    EXPECT_FALSE(one->output_pending());
  });
  EXPECT_EQ("head and content end", peer_reads(20));
  on_loop([&] { EXPECT_EQ(20U, one->bytes_out()); });
}

TEST_F(ConnectionTest, FinishesAfterAllItWasGiven) {
  connect();
  const std::string large(50'000, 'x');
  on_loop([&] {
    EXPECT_TRUE(one->write("head "));
    EXPECT_EQ(large.size(), one->write_through(large));
    one->finish_output();
    one->finish_output();
  });
  EXPECT_EQ("head " + large, peer_reads(1 << 20));
}

// Whoever is refused is called when there is room again; what waits in between is bounded and whole.
TEST_F(ConnectionTest, StopsAWriterAndCallsItAgain) {
  connect(4096);
  constexpr size_t kTotal = 8 << 20;
  for (const size_t piece : {100UL, 1000UL, 8000UL, 8192UL, 8193UL, 60'000UL}) {
    size_t written = 0;
    size_t refusals = 0;
    std::promise<void> all_written;
    std::promise<void> refused;
    const auto byte_at = [](size_t at) { return static_cast<char>('a' + at / 7 % 26); };
    const std::function<void()> write = [&] {
      while (written < kTotal) {
        std::string bytes;
        for (size_t i = 0; i < std::min(piece, kTotal - written); ++i) bytes += byte_at(written + i);
        const size_t taken = one->write_through(bytes);
        written += taken;
        if (taken == bytes.size()) continue;
        if (++refusals == 1) refused.set_value();
        EXPECT_LE(pool.held_bytes(), BufferPool::kLargest);
        return;
      }
      one->writable = nullptr;
      all_written.set_value();
    };
    on_loop([&] {
      one->writable = [&] { write(); };
      write();
    });
    refused.get_future().wait();
    const std::string all = peer_reads(kTotal);
    ASSERT_EQ(kTotal, all.size()) << piece;
    size_t same = 0;
    while (same < kTotal && all[same] == byte_at(same)) ++same;
    ASSERT_EQ(kTotal, same) << piece;
    all_written.get_future().wait();
  }
  on_loop([&] { EXPECT_EQ(0U, pool.held_bytes()); });
}

// A writer that frames what it writes: whatever was taken of the content, the framing around it must fit.
TEST_F(ConnectionTest, AlwaysHasRoomForTheFramingOfContentItTook) {
  connect(4096);
  size_t frames = 0;
  std::promise<void> refused;
  on_loop([&] {
    for (size_t size = 1; frames < 40'000; size = size % 8192 + 977) {
      const std::string content(size, 'c');
      ASSERT_TRUE(one->write("frame\r\n"));
      const size_t taken = one->write_through(content);
      ++frames;
      if (taken < size) break;
      ASSERT_TRUE(one->write("\r\n"));
    }
    EXPECT_TRUE(one->write(std::string(20'000, 't'))) << "a trailer section";
    EXPECT_TRUE(one->output_pending());
  });
  EXPECT_GT(frames, 1U);
  on_loop([&] { EXPECT_EQ(Io::ok, one->failure); });
}

TEST_F(ConnectionTest, GivesTheStreamUpIfWhatItMustTakeDoesNotFit) {
  connect(4096);
  std::promise<Io> failed;
  on_loop([&] {
    one->failed = [&] {
      failed.set_value(one->failure);
      one->close_stream();
    };
    const std::string large(1 << 20, 'x');
    while (one->write_through(large) == large.size()) {
    }
    while (one->write("framing")) {
    }
    EXPECT_EQ(0U, one->write_through("more"));
  });
  EXPECT_EQ(Io::failed, failed.get_future().get());
}

TEST_F(ConnectionTest, OffersWhatWasNotUsedAgainWithMoreBehindIt) {
  connect();
  std::promise<void> seen;
  one->take = [&](std::span<char> bytes) -> size_t {
    if (std::string_view(bytes.data(), bytes.size()).find('\n') == std::string_view::npos) return 0;
    one->text.append(bytes.data(), bytes.size());
    seen.set_value();
    return bytes.size();
  };
  peer_sends("a li");
  while (true) {  // until the first piece is kept
    bool kept = false;
    on_loop([&] { kept = one->has_kept_input(); });
    if (kept) break;
  }
  peer_sends("ne\n");
  seen.get_future().wait();
  on_loop([&] {
    EXPECT_EQ("a line\n", one->text);
    EXPECT_FALSE(one->has_kept_input());
    EXPECT_EQ(0U, pool.held_bytes());
  });
}

TEST_F(ConnectionTest, KeepsNoMoreThanItsLargestBufferOfUnusedInput) {
  connect();
  one->take = [](std::span<char>) -> size_t { return 0; };
  std::thread sender([&] {
    const std::string much(8 << 20, 'x');
    (void)::send(peer, much.data(), much.size(), MSG_NOSIGNAL);
  });
  bool paused = false;
  while (!paused) on_loop([&] { paused = one->input_paused(); });
  on_loop([&] {
    EXPECT_LE(pool.held_bytes(), BufferPool::kLargest);
    EXPECT_EQ(0, one->no_memory);
    one->take = nullptr;
    one->resume_input();
  });
  sender.join();
  size_t received = 0;
  while (received < 8 << 20) on_loop([&] { received = one->text.size(); });
}

TEST_F(ConnectionTest, ReadsNothingWhilePaused) {
  connect();
  on_loop([&] { one->pause_input(); });
  peer_sends("later");
  on_loop([&] { EXPECT_EQ(0, one->inputs); });
  std::promise<void> ended;
  on_loop([&] {
    one->ended = [&] { ended.set_value(); };
    one->resume_input();
  });
  ::shutdown(peer, SHUT_WR);
  ended.get_future().wait();
  on_loop([&] {
    EXPECT_EQ("later", one->text);
    EXPECT_EQ(Io::eof, one->end);
  });
}

TEST_F(ConnectionTest, NoticesAResetWhilePaused) {
  connect();
  std::promise<void> ended;
  on_loop([&] {
    one->pause_input();
    one->ended = [&] { ended.set_value(); };
  });
  const linger now{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(peer, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  ::close(std::exchange(peer, -1));
  ended.get_future().wait();
  on_loop([&] { EXPECT_EQ(Io::reset, one->end); });
}

TEST_F(ConnectionTest, NoticesAResetAfterTheEndOfTheInput) {
  connect();
  std::promise<void> ended;
  std::promise<void> failed;
  on_loop([&] {
    one->ended = [&] { ended.set_value(); };
    one->failed = [&] {
      failed.set_value();
      one->close_stream();
    };
    EXPECT_TRUE(one->write("never read"));
  });
  ::shutdown(peer, SHUT_WR);
  ended.get_future().wait();
  ::close(std::exchange(peer, -1));  // with unread bytes: RST
  failed.get_future().wait();
}

TEST_F(ConnectionTest, TellsAFailedConnect) {
  ::close(std::exchange(listening, -1));
  Stream stream;
  if (stream.connect(*engine, endpoint) != Io::again) return;  // refused at once
  std::promise<Io> result;
  one->connected = [&](Io io_result) { result.set_value(io_result); };
  ASSERT_TRUE(one->attach(std::move(stream), true));
  start();
  EXPECT_EQ(Io::failed, result.get_future().get());
}

}  // namespace
}  // namespace mango::net
