// SPDX-License-Identifier: Apache-2.0
// Windows, congestion and priorities: who waits for whom, and that everybody goes on.
#include "http_h2_server_support.h"

namespace mango::http::test {
namespace {

ResponseHead ok() {
  ResponseHead head;
  head.status = 200;
  return head;
}

TEST(H2ServerFlow, SendsAsMuchAsTheWindowLets) {
  H2Server server;
  H2Peer peer(10);
  peer.request(get());
  peer.talk(server);
  Stream& stream = *server.notes.streams[1];
  std::string rest = "0123456789abcdefghijklmno";
  int woken = 0;
  server.notes.writable = [&](Stream& which) {
    ++woken;
    rest.erase(0, server.codec.send_data(which, rest));
  };
  EXPECT_TRUE(server.codec.send_head(stream, ok(), {.framing = Framing::chunked}));
  rest.erase(0, server.codec.send_data(stream, rest));
  EXPECT_EQ(15U, rest.size());
  EXPECT_EQ(0U, server.codec.send_data(stream, rest));
  peer.talk(server);
  EXPECT_EQ(0, woken);
  peer.grant(1, 10);
  peer.talk(server);
  EXPECT_EQ(1, woken);
  EXPECT_EQ(5U, rest.size());
  peer.grant(1, 100);
  peer.talk(server);
  EXPECT_EQ(2, woken);
  EXPECT_EQ("", rest);
  EXPECT_TRUE(server.codec.send_end(stream, {}));
  server.codec.finish(stream);
  peer.talk(server);
  EXPECT_EQ("0123456789abcdefghijklmno", peer.answers[1].content);
  EXPECT_TRUE(peer.answers[1].closed);
  server.receive(window(1, 100));  // late
  EXPECT_EQ(2, woken);
}

TEST(H2ServerFlow, EndsAStreamWhoseWindowIsClosed) {
  H2Server server;
  H2Peer peer(5);
  peer.request(get());
  peer.talk(server);
  Stream& stream = *server.notes.streams[1];
  EXPECT_TRUE(server.codec.send_head(stream, ok(), {.framing = Framing::chunked}));
  EXPECT_EQ(5U, server.codec.send_data(stream, "12345"));
  EXPECT_TRUE(server.codec.send_end(stream, {}));
  server.codec.finish(stream);
  EXPECT_FALSE(server.codec.idle());  // its end may wait for the window
  server.receive(window(1, 5));
  peer.talk(server);
  EXPECT_TRUE(peer.answers[1].closed);
  EXPECT_EQ("12345", peer.answers[1].content);
  EXPECT_TRUE(server.codec.idle());
}

TEST(H2ServerFlow, SendsTrailersWhateverTheWindow) {
  H2Server server;
  H2Peer peer(5);
  peer.request(get());
  peer.talk(server);
  Stream& stream = *server.notes.streams[1];
  EXPECT_TRUE(server.codec.send_head(stream, ok(), {.framing = Framing::chunked}));
  EXPECT_EQ(5U, server.codec.send_data(stream, "12345"));
  EXPECT_TRUE(server.codec.send_end(stream, "x: y\r\n"));
  server.codec.finish(stream);
  peer.talk(server);
  EXPECT_EQ("[:status=200][x=y]", peer.answers[1].fields);
  EXPECT_TRUE(peer.answers[1].closed);
}

TEST(H2ServerFlow, KeepsAnAnswerOfItsOwnUntilItFits) {
  H2Server server;
  H2Peer peer(5);
  peer.request(get());
  server.notes.request = [&](Stream& stream, RequestHead&) {
    EXPECT_TRUE(server.codec.send_local(stream, {.status = 404}));
    server.codec.finish(stream);
  };
  peer.talk(server);
  EXPECT_EQ("404 N", peer.answers[1].content);
  EXPECT_FALSE(server.codec.idle());
  server.receive(window(1, 100));
  peer.talk(server);
  EXPECT_EQ("404 Not Found\n", peer.answers[1].content);
  EXPECT_TRUE(server.codec.idle());
}

TEST(H2ServerFlow, EndsFinishedStreamsThatWaitForAWindowTooLong) {
  H2Server server;
  H2Peer peer(0);
  server.notes.request = [&](Stream& stream, RequestHead& head) {
    if (head.path != "/own") return;
    EXPECT_TRUE(server.codec.send_local(stream, {.status = 404}));
    server.codec.finish(stream);
  };
  peer.request(get("/own"));
  peer.request(get("/live"));
  peer.talk(server);
  server.clock.ms += 1000;
  server.codec.expire(1000);
  peer.talk(server);
  EXPECT_FALSE(peer.answers[1].closed);
  server.clock.ms += 1;
  server.codec.expire(1000);
  peer.talk(server);
  EXPECT_TRUE(peer.answers[1].closed);
  EXPECT_EQ(uint32_t{NGHTTP2_CANCEL}, peer.answers[1].code);
  EXPECT_FALSE(peer.answers[3].closed);  // has an exchange, which has timeouts
  server.answer(*server.notes.streams[3]);
  EXPECT_TRUE(server.codec.idle());
}

TEST(H2ServerFlow, WritesNothingWhileTheSinkIsCongested) {
  H2Server server;
  H2Peer peer;
  peer.request(get());
  peer.request(get());
  peer.talk(server);
  server.sink.high_water = 20000;
  Stream& stream = *server.notes.streams[1];
  EXPECT_TRUE(server.codec.send_head(stream, ok(), {.framing = Framing::chunked}));
  std::string rest(100000, 'x');
  rest.erase(0, server.codec.send_data(stream, rest));
  EXPECT_GE(server.sink.written.size(), 20000U);
  EXPECT_LE(server.sink.written.size(), 20000U + 16384 + 9);
  const size_t full = server.sink.written.size();
  server.receive(frame(NGHTTP2_PING, 0, 0, "12345678"));
  server.answer(*server.notes.streams[3]);
  EXPECT_EQ(full, server.sink.written.size());
  server.notes.writable = [&](Stream& which) { rest.erase(0, server.codec.send_data(which, rest)); };
  peer.talk(server);
  EXPECT_EQ(0U, rest.size());
  EXPECT_EQ(100000U, peer.answers[1].content.size());
  EXPECT_EQ("[:status=204]", peer.answers[3].fields);
}

TEST(H2ServerFlow, ResumesItsOwnAnswerAfterCongestion) {
  H2Server server;
  H2Peer peer;
  peer.talk(server);
  server.sink.high_water = 1;
  server.sink.written = " ";
  peer.request(get());
  server.notes.request = [&](Stream& stream, RequestHead&) {
    EXPECT_TRUE(server.codec.send_local(stream, {.status = 404}));
    server.codec.finish(stream);
  };
  server.receive(peer.take_output());
  EXPECT_EQ(" ", server.take_output());
  server.codec.writable(server.notes);
  peer.talk(server);
  EXPECT_EQ("404 Not Found\n", peer.answers[1].content);
  EXPECT_TRUE(server.codec.idle());
}

TEST(H2ServerFlow, HoldsContentThatIsNotTakenAndGivesItsWindowBackLate) {
  Http2Limits limits;
  limits.stream_window_bytes = 1000;
  H2Server server(limits);
  size_t room = 300;
  server.notes.data = [&](Stream&, std::string_view bytes) {
    const size_t taken = std::min(room, bytes.size());
    room -= taken;
    return taken;
  };
  server.receive(greeting() + frame(NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, ""));
  (void)server.take_output();
  const std::string body(1000, 'b');
  server.receive(headers(1, get(), false) + content(1, body.substr(0, 600)) +
                 content(1, body.substr(600), true));
  EXPECT_EQ(300U, server.notes.contents[1].size());
  EXPECT_EQ("", server.take_output());  // less than half of the window was taken
  room = 500;
  EXPECT_TRUE(server.codec.resume(*server.notes.streams[1], server.notes));
  EXPECT_EQ(800U, server.notes.contents[1].size());
  EXPECT_EQ("[1 GET / h]", server.notes.text);
  room = 500;
  EXPECT_TRUE(server.codec.resume(*server.notes.streams[1], server.notes));
  EXPECT_EQ(body, server.notes.contents[1]);
  EXPECT_EQ("[1 GET / h][1 end ]", server.notes.text);
  EXPECT_TRUE(server.codec.resume(*server.notes.streams[1], server.notes));
  EXPECT_EQ("[1 GET / h][1 end ]", server.notes.text);
}

TEST(H2ServerFlow, ResetsAStreamThatOverrunsItsWindow) {
  Http2Limits limits;
  limits.stream_window_bytes = 100;
  H2Server server(limits);
  server.notes.data = [](Stream&, std::string_view) { return size_t{0}; };
  server.receive(greeting() + frame(NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, ""));
  server.receive(headers(1, get(), false) + content(1, std::string(200, 'x')) + headers(3, get("/x")));
  EXPECT_TRUE(server.notes.text.find("flow-control") != std::string::npos) << server.notes.text;
}

TEST(H2ServerFlow, GivesTheWindowOfAFinishedStreamBack) {
  Http2Limits limits;
  limits.stream_window_bytes = 60000;
  limits.connection_window_bytes = 65535;
  H2Server server(limits);
  server.notes.data = [](Stream&, std::string_view) { return size_t{0}; };
  server.receive(greeting() + frame(NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, ""));
  for (uint32_t id = 1; id < 41; id += 2) {
    std::string body;
    for (int i = 0; i < 4; ++i) body += content(id, std::string(10000, 'x'));
    server.receive(headers(id, get(), false) + body);
    ASSERT_TRUE(server.notes.streams.contains(id)) << server.notes.text;
    server.answer(*server.notes.streams[id]);
  }
  EXPECT_TRUE(server.codec.persistent());
  EXPECT_EQ(std::string::npos, server.notes.text.find("error")) << server.notes.text;
}

TEST(H2ServerFlow, OffersHeldContentAgainFromWithinAnEvent) {
  H2Server server;
  bool willing = false;
  server.notes.data = [&](Stream& stream, std::string_view bytes) {
    EXPECT_TRUE(server.codec.resume(stream, server.notes));
    return willing ? bytes.size() : 0;
  };
  server.notes.request = [&](Stream& stream, RequestHead& head) {
    if (head.path == "/b") {
      willing = true;
      EXPECT_TRUE(server.codec.resume(*server.notes.streams[1], server.notes));
    } else {
      EXPECT_TRUE(server.codec.resume(stream, server.notes));
    }
  };
  server.receive(greeting() + headers(1, get("/a"), false) + content(1, "x") + content(1, "y", true) +
                 headers(3, get("/b")));
  EXPECT_EQ("xy", server.notes.contents[1]);
  EXPECT_EQ("[1 GET /a h][3 GET /b h][1 end ][3 end ]", server.notes.text);
}

TEST(H2ServerFlow, FinishesAStreamWithinItsContent) {
  H2Server server;
  server.notes.data = [&](Stream& stream, std::string_view) {
    server.codec.finish(stream);
    return size_t{0};
  };
  server.receive(greeting() + headers(1, get(), false) + content(1, "x") + content(1, "y", true));
  EXPECT_EQ("[1 GET / h]", server.notes.text);
  EXPECT_TRUE(server.codec.idle());
}

// All streams wait for the connection's window; who goes first?
std::string order_of(const std::vector<std::string>& priorities, uint32_t step,
                     const std::string& update = {}) {
  H2Server server;
  server.receive(
      std::string(kPreface) +
      frame(NGHTTP2_SETTINGS, 0, 0, number(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 2) + number(1 << 20)));
  std::string requests;
  uint32_t id = 1;
  for (const std::string& priority : priorities) {
    requests += headers(id, priority.empty() ? get() : get("/", {{"priority", priority}}));
    id += 2;
  }
  server.receive(requests + update);
  const std::string big(65535, 'x');
  std::string order;
  bool first = true;
  for (const auto& [which, stream] : server.notes.streams) {
    EXPECT_TRUE(server.codec.send_head(*stream, ok(), {.framing = Framing::chunked}));
    EXPECT_EQ(first ? 65535U : 0U, server.codec.send_data(*stream, big));
    first = false;
  }
  EXPECT_EQ(0U, server.codec.send_data(*server.notes.streams[1], "x"));
  server.notes.writable = [&](Stream& stream) {
    if (server.codec.send_data(stream, big.substr(0, step)) == step) order += std::to_string(stream.id);
    (void)server.codec.send_data(stream, "x");  // and wants more
  };
  for (int i = 0; i < 6; ++i) server.receive(window(0, step));
  return order;
}

TEST(H2ServerFlow, WakesStreamsByUrgencyThenInTurn) {
  EXPECT_EQ("111111", order_of({"", "", ""}, 100));                      // one after the other
  EXPECT_EQ("333333", order_of({"u=5", "u=1", "u=3"}, 100));             // the most urgent first
  EXPECT_EQ("135135", order_of({"i", "i", "i"}, 100));                   // in turn
  EXPECT_EQ("353535", order_of({"u=4, i", "u=2,i", "i=?1, u=2"}, 100));  // in turn among the most urgent
  EXPECT_EQ("111111", order_of({"u=9", "u=x", "nonsense;;=,,"}, 100));
}

TEST(H2ServerFlow, TakesPriorityUpdates) {
  const std::string update = frame(NGHTTP2_PRIORITY_UPDATE, 0, 0, number(5) + "u=0");
  EXPECT_EQ("555555", order_of({"", "", ""}, 100, update));
}

}  // namespace
}  // namespace mango::http::test
